"""``finetune``: adapt a model to one's own cells (needs the extra ``train``)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from livecount.cli.options import AsJson, ModelName, above_zero, finite, load_settings
from livecount.cli.terminal import say, write_json
from livecount.cli.train import learn

if TYPE_CHECKING:
    from livecount.inference import Model
    from livecount.training import FineTuning


Frames = Annotated[
    Path, typer.Option("--frames", help="Folder with NAME.tif + NAME.centres.csv (every cell).")
]
RunFolder = Annotated[
    Path, typer.Option("--output", "-o", help="Run folder; the new model lies in model/.")
]
NewModel = Annotated[
    str | None, typer.Option("--name", help="Of the new model (default: the folder's).")
]
Diameter = Annotated[
    float | None,
    typer.Option(
        "--cell-diameter-px",
        callback=above_zero,
        help="Typical diameter of a cell in pixels of the frames.",
    ),
]
Steps = Annotated[
    int | None,
    typer.Option("--steps", min=1, help="How long to learn (default: as --minutes allows)."),
]
Minutes = Annotated[
    float,
    typer.Option(
        "--minutes", min=0.001, callback=finite, help="What it may take, without --steps."
    ),
]
Seed = Annotated[
    int, typer.Option("--seed", min=0, max=2**32 - 1, help="Equal seeds give equal weights.")
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint.")]


def finetune(
    frames: Frames,
    output: RunFolder,
    model: ModelName = None,
    name: NewModel = None,
    cell_diameter_px: Diameter = None,
    steps: Steps = None,
    minutes: Minutes = 8.0,
    seed: Seed = 1,
    resume: Resume = False,
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
    from livecount.training import FineTuning, begun_steps, write_finetuning_recipe

    parent = find_model(load_settings(None, {"counting.model": model}).counting.model)
    _refuse_what_is_there(parent, output, resume=resume)
    wanted = FineTuning(frames, name or output.resolve().name, cell_diameter_px, seed=seed)
    if steps is None and resume:
        steps = begun_steps(output)
    if steps is None:
        steps = _steps_within(minutes, parent, wanted)
    wanted = replace(wanted, steps=steps)
    recipe = write_finetuning_recipe(parent, wanted, output)
    card, _ = learn(recipe, output, images=frames, resume=resume)
    if as_json:
        write_json({"run": str(output), "model": str(card), "parent": parent.name})
    else:
        say(f"model -> {card}\nuse it with: --model {card.parent}")


def _refuse_what_is_there(parent: Model, output: Path, *, resume: bool) -> None:
    """Refuse an output in which a model or a run would be lost, before anything is written."""
    from livecount.training import (
        refuse_begun_run,
        refuse_model_of_others,
        refuse_parents_folder,
    )

    refuse_parents_folder(parent, output)
    refuse_model_of_others(output)
    if not resume:
        refuse_begun_run(output)


def _steps_within(minutes: float, parent: Model, wanted: FineTuning) -> int:
    """Choose as many steps as this computer can take in the time, of those that are useful."""
    from tempfile import TemporaryDirectory

    from livecount.training import MOST_STEPS, measure_pace, write_finetuning_recipe

    say("measuring how fast this computer learns ...")
    with TemporaryDirectory(prefix="livecount-pace-") as elsewhere:
        recipe = write_finetuning_recipe(parent, wanted, Path(elsewhere))
        pace_s = measure_pace(recipe, data_root=wanted.frames)
    steps = max(1, min(MOST_STEPS, int(60 * minutes / pace_s)))
    say(f"{steps} steps of {pace_s:.2g} s each: about {steps * pace_s / 60:.2g} min")
    return steps
