"""What a training run leaves in its folder, and whether it is finished."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from livecount.errors import TrainingError
from livecount.training.recipe_reading import complete_text

__all__ = [
    "CHECKPOINT_NAME",
    "MODEL_NAME",
    "RECIPE_NAME",
    "RESULT_NAME",
    "STATE_NAME",
    "WEIGHTS_NAME",
    "is_finished",
    "refuse_begun_run",
    "refuse_changed_images",
    "refuse_model_of_others",
]

CHECKPOINT_NAME: Final = "checkpoint.safetensors"
MODEL_NAME: Final = "model"
RECIPE_NAME: Final = "recipe.toml"
RESULT_NAME: Final = "result.json"
STATE_NAME: Final = "state.json"
WEIGHTS_NAME: Final = "weights.safetensors"


def is_finished(recipe_path: Path, out: Path) -> bool:
    """Say whether a folder holds the finished run of this very recipe.

    Raises
    ------
    ConfigError
        The recipe cannot be read.
    """
    kept = out / RECIPE_NAME
    if not (out / RESULT_NAME).is_file() or not kept.is_file():
        return False
    return kept.read_text(encoding="utf-8") == complete_text(recipe_path)


def refuse_begun_run(out: Path) -> None:
    """Refuse a folder in which a run was begun.

    Raises
    ------
    TrainingError
        It holds a checkpoint.
    """
    if (out / CHECKPOINT_NAME).exists():
        raise TrainingError(
            f"The folder {out} already holds a training run",
            hint="Add --resume to go on with it, or give another folder",
        )


def refuse_changed_images(out: Path, kept_hash: str, present_hash: str) -> None:
    """Refuse to go on with a run whose images are others by now.

    Raises
    ------
    TrainingError
        The hashes differ; runs before 2026-11-29 kept none.
    """
    if kept_hash not in ("", present_hash):
        raise TrainingError(
            f"The frames or their annotations have changed since the run in {out} began",
            hint="Train into another folder",
        )


def refuse_model_of_others(out: Path) -> None:
    """Refuse a folder whose model no run in it has made: the export would take its place.

    Raises
    ------
    TrainingError
        There is a model and no run.
    """
    model = out / MODEL_NAME
    if model.exists() and not (out / CHECKPOINT_NAME).exists():
        raise TrainingError(
            f"{model} exists, and no training run in {out} has made it",
            hint="Give another folder with --output",
        )
