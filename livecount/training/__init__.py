"""Training of DeepDistance networks: the only part of livecount that needs torch.

Importing this package is light; torch is imported when one of its functions is called.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from livecount.errors import MissingExtraError
from livecount.training.finetuning import (
    MOST_STEPS,
    FineTuning,
    begun_steps,
    refuse_parents_folder,
    write_finetuning_recipe,
)
from livecount.training.progress import TrainingProgress
from livecount.training.run_folder import MODEL_NAME, refuse_begun_run, refuse_model_of_others

__all__ = [
    "MODEL_NAME",
    "MOST_STEPS",
    "FineTuning",
    "TrainingProgress",
    "begun_steps",
    "cross_validate",
    "export_model",
    "measure_pace",
    "refuse_begun_run",
    "refuse_model_of_others",
    "refuse_parents_folder",
    "train",
    "write_finetuning_recipe",
]

if TYPE_CHECKING:
    from livecount.training.folds import CrossValidation

_NEEDED = ("torch", "onnx", "onnxscript", "safetensors")


def train(
    recipe_path: Path,
    out: Path,
    *,
    resume: bool = False,
    on_progress: Callable[[TrainingProgress], None] | None = None,
    data_root: Path | None = None,
) -> Path:
    """Train a network and keep its weights in a run folder.

    Parameters
    ----------
    recipe_path
        What to train, as TOML (see :mod:`livecount.training.recipe`).
    out
        The run's folder; checkpoints, state and the final weights.
    resume
        Go on with a run that was stopped or killed; starts anew where there is none.
    on_progress
        Called every 20 steps.
    data_root
        What the folders in the recipe are relative to; by default the folder that the environment
        variable LIVECOUNT_DATA names, else the recipe's own.

    Returns
    -------
    Path
        The final weights, ``out/weights.safetensors``; see :func:`export_model`.

    Raises
    ------
    MissingExtraError
        torch is not installed.
    ConfigError, TrainingError, AnnotationError
        The recipe, the run's folder or the images cannot be used.
    """
    _require_torch()
    from livecount.training.fit import fit

    report = on_progress or (lambda _: None)
    root = _root(data_root, recipe_path)
    return fit(recipe_path, out, data_root=root, resume=resume, on_progress=report)


def measure_pace(recipe_path: Path, *, data_root: Path | None = None) -> float:
    """Say how many seconds a step of a recipe takes on this computer, from a few steps.

    Raises
    ------
    MissingExtraError
        torch is not installed.
    ConfigError, TrainingError, AnnotationError
        The recipe or the images cannot be used.
    """
    _require_torch()
    from livecount.training import fit

    return fit.measure_pace(recipe_path, data_root=_root(data_root, recipe_path))


def cross_validate(
    recipe_path: Path,
    out: Path,
    folds: int,
    *,
    resume: bool = False,
    on_progress: Callable[[int, TrainingProgress], None] | None = None,
    data_root: Path | None = None,
) -> CrossValidation:
    """Train a recipe once a fold, each time without some frames, and score it on those.

    Parameters
    ----------
    recipe_path, out, resume, data_root
        As for :func:`train`; ``out`` receives a run folder for each fold, and ``folds.json``.
    folds
        How many, from 2.
    on_progress
        Called with the number of the fold, from 1, and its progress.

    Raises
    ------
    MissingExtraError
        torch is not installed.
    ConfigError, TrainingError, AnnotationError
        The recipe, a folder or the images cannot be used, or no set has enough frames.
    """
    _require_torch()
    from livecount.training import folds as training_folds

    return training_folds.cross_validate(
        recipe_path,
        out,
        folds,
        data_root=_root(data_root, recipe_path),
        resume=resume,
        on_progress=on_progress or (lambda _, __: None),
    )


def _root(data_root: Path | None, recipe_path: Path) -> Path:
    return data_root or Path(os.environ.get("LIVECOUNT_DATA") or recipe_path.parent)


def export_model(run_folder: Path, target_folder: Path) -> Path:
    """Turn a finished run into a model that livecount can count with.

    Parameters
    ----------
    run_folder
        What :func:`train` left.
    target_folder
        Receives ``model.onnx``, ``model.toml``, ``weights.safetensors`` and ``recipe.toml``.

    Returns
    -------
    Path
        The model's card, ``target_folder/model.toml``.

    Raises
    ------
    MissingExtraError
        torch is not installed.
    TrainingError
        The run is not finished or damaged.
    """
    _require_torch()
    from livecount.training.export import export

    return export(run_folder, target_folder)


def _require_torch() -> None:
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"Training needs {', '.join(missing)}, not installed here",
            hint="Install it: python -m pip install 'livecount[train]'",
        )
