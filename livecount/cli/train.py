"""``train``: train a network from a recipe (needs the extra ``train``)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from livecount.cli.options import AsJson
from livecount.cli.terminal import progress_bar, say, write_json

if TYPE_CHECKING:
    from livecount.training import TrainingProgress


def train(
    recipe: Annotated[Path, typer.Argument(help="The recipe: network, images, schedule (TOML).")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Run folder: checkpoints, then the model.")
    ],
    images: Annotated[
        Path | None,
        typer.Option("--data", help="Folder of the recipe's images (default: LIVECOUNT_DATA)."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the last checkpoint.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Train a DeepDistance network and export it with its card.

    Ctrl+C or a crash loses at most the steps since the last checkpoint; go on with --resume.

    Example: livecount train engines/deepdistance/recipe.toml -o runs/first --data images/
    """
    from livecount.training import export_model
    from livecount.training import train as run_training

    with progress_bar("training", None) as advance:
        done = 0

        def show(progress: TrainingProgress) -> None:
            nonlocal done
            advance(progress.step - done, _in_words(progress))
            done = progress.step

        run_training(recipe, output, data_root=images, resume=resume, on_progress=show)
    model = export_model(output, output / "model")
    if as_json:
        write_json({"run": str(output), "model": str(model)})
    else:
        say(f"model -> {model}")


def _in_words(progress: TrainingProgress) -> str:
    losses = ", ".join(f"{name} {loss:.4f}" for name, loss in progress.losses.items())
    minutes = progress.remaining_s / 60
    return f"step {progress.step} of {progress.steps}: {losses}; {minutes:.0f} min left"
