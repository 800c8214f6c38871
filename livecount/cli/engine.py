"""``engine``: what computes the network on this machine."""

from __future__ import annotations

import os
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
def bench(
    model: ModelName = None,
    config: ConfigFile = None,
    size_px: Annotated[
        str, typer.Option("--frame", metavar="HEIGHTxWIDTH", help="Size of your frames, in pixels.")
    ] = "2048x2048",
    cell_diameter_px: Annotated[
        float, typer.Option("--cell-diameter-px", min=1, help="Of your cells in these frames.")
    ] = 40.0,
    repeats: Annotated[int, typer.Option("--repeats", min=1, help="How often each.")] = 5,
    as_json: AsJson = False,
) -> None:
    """Time the network on a frame of your size with every runtime that works here, in turns.

    Reading the frame and finding its cells come on top, a fraction of it.

    Example: livecount engine bench --frame 3096x4140 --cell-diameter-px 60
    """
    from statistics import median

    from livecount.inference import find_model
    from livecount.inference.choice import choose_among, try_all
    from livecount.inference.runtimes import RUNTIMES
    from livecount.inference.timing import draw_image, time_in_turns
    from livecount.platform.process import usable_cores

    shape = _size_of(size_px)
    counting = load_settings(config, {"counting.model": model}).counting
    chosen_model, threads = find_model(counting.model), counting.threads or usable_cores()
    with progress_bar("trying runtimes", len(RUNTIMES)) as advance:
        trials = try_all(chosen_model, threads, on_tried=advance)
    engines = {
        name: RUNTIMES[name].open(chosen_model, threads)
        for name, trial in trials.items()
        if trial.usable
    }
    image = draw_image(chosen_model, shape, cell_diameter_px)
    with progress_bar("timing", (repeats + 1) * len(engines)) as advance:
        took_ms = time_in_turns(
            chosen_model,
            engines,
            image,
            repeats=repeats,
            memory_limit_mb=counting.memory_limit_mb,
            on_done=advance,
        )
    medians = {name: round(median(taken), 1) for name, taken in took_ms.items()}
    auto = choose_among(trials).runtime.name
    if as_json:
        write_json({"model": chosen_model.name, "threads": threads, "auto": auto, "ms": medians})
        return
    for name in sorted(medians, key=lambda name: medians[name]):
        marker = "*" if name == auto else " "
        words = f"{marker} {engines[name].runtime}, {engines[name].precision}"
        terminal().print(f"{words}: {medians[name]:.0f} ms a frame", markup=False)
    terminal().print('* is what runtime = "auto" takes', markup=False)


def _size_of(words: str) -> tuple[int, int]:
    """Read ``HEIGHTxWIDTH``."""
    sides = words.lower().split("x")
    if len(sides) != 2 or not all(side.isdecimal() and 0 < int(side) <= 100_000 for side in sides):
        raise typer.BadParameter(
            f"{words!r} is no size: give HEIGHTxWIDTH, such as 2048x2048", param_hint="--frame"
        )
    return int(sides[0]), int(sides[1])


@engine.command()
def build(
    runtime: Annotated[Built, typer.Argument(help="For which runtime.")],
    model: ModelName = None,
    config: ConfigFile = None,
    while_stdin: Annotated[
        bool, typer.Option("--while-stdin", hidden=True, help="End when stdin is closed.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Build a model's engine for this computer's NVIDIA GPU ahead of its first use.

    It is kept in your cache folder once it finds the cells of the reference. Ctrl+C ends it;
    nothing half-built is kept.

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
    if while_stdin:
        threading.Thread(target=_end_with_stdin, args=(ended,), daemon=True).start()
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
        built.forget()
        raise EngineError(
            f"{built.runtime} does not find the cells of the reference: {difference}",
            hint="It is not used; please report it with the output of `livecount doctor --json`",
        )
    built.keep()
    if as_json:
        write_json({"runtime": built.runtime, "built": built.was_built})
    else:
        done = "built" if built.was_built else "already there"
        terminal().print(f"{built.runtime}: {done}, finds the reference's cells", markup=False)


def _end_with_stdin(ended: threading.Event) -> None:
    """Wait until who started the build is gone, or has no use for it any more."""
    # Not through sys.stdin: a thread that waits in it ends the interpreter with an error.
    while os.read(0, 1):
        pass
    ended.set()
