"""``train`` and ``finetune``: learn from images (need the extra ``train``)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from livecount.cli.options import AsJson, CellDiameterPx, ModelName, load_settings
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
    model = _learn(recipe, output, images=images, resume=resume)
    if as_json:
        write_json({"run": str(output), "model": str(model)})
    else:
        say(f"model -> {model}")


def finetune(
    frames: Annotated[
        Path,
        typer.Option("--frames", help="Folder with NAME.tif + NAME.centres.csv (every cell)."),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Run folder; the new model lies in model/.")
    ],
    model: ModelName = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Of the new model (default: the folder's).")
    ] = None,
    cell_diameter_px: CellDiameterPx = None,
    steps: Annotated[int, typer.Option("--steps", min=1, help="How long to learn.")] = 600,
    seed: Annotated[int, typer.Option("--seed", help="Equal seeds give equal weights.")] = 1,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the last checkpoint.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Adapt a model to your own cells, from a few frames in which every cell is clicked.

    Click the centre of every cell (one frame helps, three help more), save the clicks as
    NAME.centres.csv with the columns y_px,x_px; masks as NAME.cells.png are used where they are
    there. The model that you start from is left as it is. Score the new one on frames that it has
    not seen: livecount evaluate OTHERS --model FOLDER/model

    Example: livecount finetune --frames clicked/ --cell-diameter-px 24 -o astrocytes/
    """
    from livecount.inference import find_model
    from livecount.training import FineTuning, write_finetuning_recipe

    settings = load_settings(None, {"counting.model": model}).counting
    parent = find_model(settings.model)
    wanted = FineTuning(frames, name or output.resolve().name, cell_diameter_px, steps, seed)
    recipe = write_finetuning_recipe(parent, wanted, output)
    card = _learn(recipe, output, images=frames, resume=resume)
    if as_json:
        write_json({"run": str(output), "model": str(card), "parent": parent.name})
    else:
        say(f"model -> {card}\nuse it with: --model {card.parent}")


def _learn(recipe: Path, output: Path, *, images: Path | None, resume: bool) -> Path:
    """Train with a progress bar and export; gives the model's card."""
    from livecount import training

    with progress_bar("training", None) as advance:
        done = 0

        def show(progress: TrainingProgress) -> None:
            nonlocal done
            advance(progress.step - done, _in_words(progress))
            done = progress.step

        training.train(recipe, output, data_root=images, resume=resume, on_progress=show)
    return training.export_model(output, output / "model")


def _in_words(progress: TrainingProgress) -> str:
    losses = ", ".join(f"{name} {loss:.4f}" for name, loss in progress.losses.items())
    minutes = progress.remaining_s / 60
    return f"step {progress.step} of {progress.steps}: {losses}; {minutes:.0f} min left"
