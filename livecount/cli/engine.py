"""``engine``: what computes the network on this machine."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from livecount.cli.options import AsJson, ConfigFile, ModelName, load_settings
from livecount.cli.terminal import progress_bar, terminal, write_json

engine = typer.Typer(
    name="engine",
    help="See which runtimes can compute the network on this machine, and how fast.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


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
