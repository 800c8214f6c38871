"""Fine-tuning: a model learns from a few frames of one's own and keeps what it knew.

The images that a model learnt from do not come with it. In their place the run sees painted
frames again (rehearsal), draws on them half what the old weights drew (distillation), and keeps
the running means of batch normalisation. Its h is well above the old one, so that known sheets do
not come to have more cells than there are, and higher where the old weights count more cells than
were clicked; its weights go less of the way where they find painted cells much less well than
before (:mod:`livecount.training.adaptation`).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from livecount.errors import TrainingError
from livecount.inference import Model
from livecount.training.card import to_toml
from livecount.training.recipe import AdaptationRecipe, ImagesRecipe, Recipe, read_recipe
from livecount.training.recipe_reading import complete_text
from livecount.training.run_folder import CHECKPOINT_NAME, MODEL_NAME
from livecount.training.run_folder import RECIPE_NAME as KEPT_RECIPE_NAME
from livecount.training.writing import make_folder, write_whole

__all__ = [
    "MOST_STEPS",
    "FineTuning",
    "begun_steps",
    "refuse_parents_folder",
    "write_finetuning_recipe",
]

MOST_STEPS: Final = 180
"""However fast the computer is: runs that differ in their steps differ in what known lines lose.

Up to so many were measured with the rule for h below; longer runs, by another, lost more."""
RECIPE_NAME: Final = "finetuning.toml"
_H_RAISED: Final = (1.75, 2.0, 2.25, 2.5)
"""Among so many times the old h the new one is chosen.

Adapted weights draw doubtful cells higher than before: with the old h they found more in known
sheets than there are. Going only part of the way loses more of what was to be learnt. With more
than 2.5 times the old h, known sheets lose cells instead (ADR 0017)."""
_H_HIGHEST: Final = 0.3
"""A model that is adapted again and again is not to end with an h that no cell reaches."""
_MOST_FORGOTTEN: Final = 2.0
"""Points of the f-score on painted frames: more is lost only where learning went wrong altogether.

Smaller losses there do not tell what known cells lose."""
_REHEARSAL: Final = 0.7
"""Weight of painted frames beside the user's, which weigh 1."""


@dataclass(frozen=True, slots=True)
class FineTuning:
    """What a model is to learn from, and under which name.

    Attributes
    ----------
    frames
        Folder of NAME.tif with NAME.centres.csv (every cell) and perhaps NAME.cells.png.
    name
        Of the new model.
    cell_diameter_px
        Of the cells in these frames; None takes it from their ``dataset.toml``.
    steps
        How many batches to learn from.
    seed
        Two runs with one seed give the same weights.
    """

    frames: Path
    name: str
    cell_diameter_px: float | None = None
    steps: int = MOST_STEPS
    seed: int = 1


def write_finetuning_recipe(parent: Model, wanted: FineTuning, run_folder: Path) -> Path:
    """Write the recipe of a run that starts from a model's weights.

    Parameters
    ----------
    parent
        A model with ``weights.safetensors`` and ``recipe.toml`` in its folder.
    wanted
        What to learn from.
    run_folder
        Receives the recipe.

    Returns
    -------
    Path
        To be given to :func:`livecount.training.train`.

    Raises
    ------
    TrainingError
        The model cannot be trained further, the run would write into its folder, or another one
        was begun in ``run_folder``. Then nothing is written.
    """
    weights = parent.folder / "weights.safetensors"
    recipe_path = parent.folder / "recipe.toml"
    for needed in (weights, recipe_path):
        if not needed.is_file():
            raise TrainingError(
                f"Model {parent.name!r} cannot be fine-tuned: {needed} is missing",
                hint="Name a model that has it with --model, or install the model again",
            )
    refuse_parents_folder(parent, run_folder)
    text = to_toml(
        dataclasses.asdict(_recipe(read_recipe(recipe_path), parent, wanted, weights)), _COMMENT
    )
    _refuse_other_run(run_folder, text)
    make_folder(run_folder)
    path = run_folder / RECIPE_NAME
    write_whole(path, text)
    return path


def refuse_parents_folder(parent: Model, run_folder: Path) -> None:
    """Refuse a run folder whose new model would come into the folder of the old one.

    Raises
    ------
    TrainingError
        It would.
    """
    new = (run_folder / MODEL_NAME).resolve()
    if parent.folder.resolve() in (new, *new.parents):
        raise TrainingError(
            f"The new model would come into the folder of {parent.name!r}, {parent.folder}, "
            "which is never changed",
            hint="Give another folder with --output",
        )


def _refuse_other_run(run_folder: Path, text: str) -> None:
    """Refuse to write another recipe beside the checkpoint of a run, which may yet go on."""
    kept = run_folder / KEPT_RECIPE_NAME
    begun = (run_folder / CHECKPOINT_NAME).is_file() and kept.is_file()
    if begun and complete_text(kept) != text:
        raise TrainingError(
            f"The run in {run_folder} was made with another recipe: another model, frames, "
            "diameter, steps, seed or name",
            hint="Give the same as when it began, or another folder with --output",
        )


def begun_steps(run_folder: Path) -> int | None:
    """Read how many steps the run in a folder was to take; None where none was begun.

    Raises
    ------
    ConfigError
        Its recipe cannot be read.
    """
    path = run_folder / KEPT_RECIPE_NAME
    return read_recipe(path).run.steps if path.is_file() else None


_COMMENT: Final = "Written by `livecount finetune`."


def _recipe(before: Recipe, parent: Model, wanted: FineTuning, weights: Path) -> Recipe:
    h_choices = _choose_among(parent.h)
    frames = ImagesRecipe(
        root=str(wanted.frames.resolve()),
        split="",
        annotation="either",
        complete=True,
        cell_diameter_px=wanted.cell_diameter_px,
        source="the user's own frames",
    )
    return replace(
        before,
        name=wanted.name,
        version="1",
        parent=f"{parent.name} {parent.version}, SHA-256 {parent.onnx_sha256}",
        images=(frames,),
        validation=(),
        held_out=(),
        # Cells of a completely clicked frame may have ground between them, which a sheet has not.
        scale=replace(before.scale, sheet_reach_px=0.0),
        painting=replace(before.painting, share=_REHEARSAL),
        adaptation=AdaptationRecipe(
            distillation=0.5,
            frozen_norm=True,
            start_h=h_choices[0],
            most_forgotten=_MOST_FORGOTTEN,
        ),
        optimiser=replace(
            before.optimiser,
            kind="adamw",
            learning_rate=7e-4,
            schedule="cosine",
            warm_up_steps=min(50, wanted.steps),
            averaging=0.98,
        ),
        run=replace(
            before.run,
            steps=wanted.steps,
            seed=wanted.seed,
            device="auto",
            mixed_precision=True,
            checkpoint_every=100,
            validate_every=wanted.steps,
            keep="last",
            patience=0,
            start_from=str(weights.resolve()),
            h=0.0,
            h_choices=h_choices,
        ),
    )


def _choose_among(old_h: float) -> tuple[float, ...]:
    raised = {max(old_h, min(round(times * old_h, 3), _H_HIGHEST)) for times in _H_RAISED}
    return tuple(sorted(raised))
