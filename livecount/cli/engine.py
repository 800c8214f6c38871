"""``engine``: what computes the network on this machine."""

from __future__ import annotations

import threading
from dataclasses import asdict
from enum import StrEnum
from typing import Annotated

import typer

from livecount.cli.options import AsJson, ConfigFile, ModelName, load_settings
from livecount.cli.terminal import progress_bar, terminal, write_json
from livecount.errors import EngineError

engine = typer.Typer(
    name="engine",
    help="See which runtimes can compute the network on this machine, and how fast.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


class Built(StrEnum):
    """The runtimes whose engines are built."""

    TENSORRT = "tensorrt"
    TENSORRT_RTX = "tensorrt-rtx"


@engine.callback()
def _options() -> None:
    """See which runtimes can compute the network on this machine, and how fast."""


@engine.command("list")
def list_runtimes(
    model: ModelName = None,
    config: ConfigFile = None,
    again: Annotated[
        bool, typer.Option("--again", help="Try each again, though it was tried before.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Try every runtime in a process of its own: does it work, does it find the same cells.

    The time is that of one golden tile, an image that comes with the model.

    Example: livecount engine list
    """
    from livecount.inference import find_model
    from livecount.inference.choice import choose_among, try_all
    from livecount.inference.runtimes import RUNTIMES
    from livecount.platform.process import usable_cores

    counting = load_settings(config, {"counting.model": model}).counting
    chosen_model, threads = find_model(counting.model), counting.threads or usable_cores()
    with progress_bar("trying runtimes", len(RUNTIMES)) as advance:
        trials = try_all(chosen_model, threads, again=again, on_tried=advance)
    choice = choose_among(trials)
    if as_json:
        write_json(
            {
                "model": chosen_model.name,
                "threads": threads,
                "chosen": choice.runtime.name,
                "runtimes": {
                    name: asdict(trial) | {"version": RUNTIMES[name].version}
                    for name, trial in trials.items()
                },
            }
        )
        return
    console = terminal()
    for name, trial in trials.items():
        marker = "*" if name == choice.runtime.name else " "
        finding = f"{trial.ms:.3g} ms a tile" if trial.usable else trial.finding
        words = f"{marker} {name} {RUNTIMES[name].version}".rstrip()
        console.print(f"{words}: {finding}", markup=False)
    console.print(
        f'* is what runtime = "auto" takes for {chosen_model.name} with {threads} thread(s)',
        markup=False,
    )


@engine.command()
def build(
    runtime: Annotated[Built, typer.Argument(help="For which runtime.")],
    model: ModelName = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Build a model's engine for this computer's NVIDIA GPU ahead of its first use.

    It is kept in your cache folder. Ctrl+C ends it; nothing half-built is kept.

    Example: livecount engine build tensorrt-rtx
    """
    from livecount.inference import find_model
    from livecount.inference.golden import read_golden
    from livecount.inference.runtimes import RUNTIMES
    from livecount.inference.tensorrt import TensorRtEngine
    from livecount.platform.process import install_stop_signals

    chosen = find_model(load_settings(config, {"counting.model": model}).counting.model)
    ended = threading.Event()
    put_back = install_stop_signals(lambda _: ended.set())
    try:
        with progress_bar("building", None) as advance:

            def on_step(phase: str) -> bool:
                advance(note=phase)
                return not ended.is_set()

            module = RUNTIMES[runtime.value].module
            built = TensorRtEngine(chosen, module=module, build=True, on_step=on_step)
    finally:
        put_back()
    difference = read_golden(chosen).find_difference(chosen, built)
    if difference:
        raise EngineError(
            f"{built.runtime} does not find the cells of the reference: {difference}",
            hint="It is not used; please report it with the output of `livecount doctor --json`",
        )
    if as_json:
        write_json({"runtime": built.runtime, "built": built.was_built})
    else:
        done = "built" if built.was_built else "already there"
        terminal().print(f"{built.runtime}: {done}, finds the reference's cells", markup=False)
