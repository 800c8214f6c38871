"""Cross-validation: K runs of one recipe, each without one block of every set's frames."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any, Final

from livecount.errors import TrainingError
from livecount.training.card import to_toml
from livecount.training.fit import fit
from livecount.training.images import count_frames, hash_images
from livecount.training.progress import TrainingProgress
from livecount.training.recipe import Recipe, read_recipe
from livecount.training.recipe_reading import read_table
from livecount.training.run_folder import (
    RESULT_NAME,
    STATE_NAME,
    is_finished,
    refuse_changed_images,
)
from livecount.training.writing import make_folder, write_whole

__all__ = ["FOLDS_NAME", "CrossValidation", "Fold", "cross_validate"]

FOLDS_NAME: Final = "folds.json"


@dataclass(frozen=True, slots=True)
class Fold:
    """One run and what it scored on the frames that it had never seen.

    Attributes
    ----------
    fold
        From 1.
    h
        Chosen on training and validation images, without the frames that were held out.
    f_score_assignment
        Data set -> f-score on its frames that were held out, in percent.
    mean
        Over the data sets.
    """

    fold: int
    h: float
    f_score_assignment: dict[str, float]
    mean: float


@dataclass(frozen=True, slots=True)
class CrossValidation:
    """All runs together; ``spread`` is the standard deviation of the folds' means."""

    folds: tuple[Fold, ...]
    mean: float
    spread: float


def cross_validate(
    recipe_path: Path,
    out: Path,
    folds: int,
    *,
    data_root: Path,
    resume: bool,
    on_progress: Callable[[int, TrainingProgress], None],
) -> CrossValidation:
    """Train one run a fold and score each on the frames that it was not shown.

    Whole frames are held out, in contiguous blocks, since neighbouring frames often show the same
    field. The recipe's validation images stay what they are: on them and on what is trained on,
    weights and h are chosen, so that the frames held out choose nothing.

    Parameters
    ----------
    recipe_path
        The recipe; its sets with fewer frames than folds are trained on in every fold.
    out
        Receives ``fold-1`` ... ``fold-K``, each a run of its own, and ``folds.json``.
    folds
        How many, from 2.
    data_root
        What the recipe's folders are relative to.
    resume
        Go on where a run stands; finished ones are not trained again.
    on_progress
        Called with the number of the fold, from 1, and its progress.

    Raises
    ------
    ConfigError, TrainingError, AnnotationError
        The recipe, a folder or the images cannot be used, or no set has enough frames.
    """
    recipe = read_recipe(recipe_path)
    divided = _divided(recipe, folds, data_root)
    make_folder(out)
    found = []
    for fold in range(1, folds + 1):
        path = out / f"fold-{fold}.toml"
        write_whole(path, _without(recipe_path, divided, fold, folds))
        run = out / f"fold-{fold}"
        if resume and is_finished(path, run):
            _refuse_changed_images(path, run, data_root)
        else:
            _train(path, run, fold, data_root, on_progress, resume=resume)
        found.append(_scored(run, fold))
    means = [one.mean for one in found]
    result = CrossValidation(tuple(found), round(mean(means), 2), round(stdev(means), 2))
    write_whole(out / FOLDS_NAME, json.dumps(asdict(result), indent=1))
    return result


def _refuse_changed_images(path: Path, run: Path, data_root: Path) -> None:
    recipe = read_recipe(path)
    state = json.loads((run / STATE_NAME).read_text(encoding="utf-8"))
    present = hash_images(recipe.images + recipe.validation + recipe.held_out, data_root)
    refuse_changed_images(run, state.get("images_hash", ""), present)


def _train(
    path: Path,
    run: Path,
    fold: int,
    data_root: Path,
    on_progress: Callable[[int, TrainingProgress], None],
    *,
    resume: bool,
) -> None:
    def report(progress: TrainingProgress) -> None:
        on_progress(fold, progress)

    fit(path, run, data_root=data_root, resume=resume, on_progress=report)


def _divided(recipe: Recipe, folds: int, data_root: Path) -> list[bool]:
    """Say of each entry of the recipe's images whether every fold can hold some of it out."""
    if folds < 2:
        raise TrainingError(f"{folds} folds hold nothing out", hint="Give 2 folds or more")
    if "inner" not in recipe.targets:
        raise TrainingError(
            f"The recipe '{recipe.name}' has no inner map on which cells are counted",
            hint="Cross-validate a recipe with a head 'inner'",
        )
    if any(entry.leave_out or entry.only for entry in recipe.images):
        raise TrainingError(
            f"The recipe '{recipe.name}' leaves frames out already",
            hint="Take leave_out and only out of its [[images]]",
        )
    if recipe.run.start_from:
        raise TrainingError(
            f"The recipe '{recipe.name}' starts from weights that may have learnt from the frames "
            "that its folds hold out, so that their scores would say nothing",
            hint="Take run.start_from out, or train without --folds and score other frames: "
            "livecount evaluate",
        )
    counts = [count_frames(entry, data_root) for entry in recipe.images]
    if max(counts) < folds:
        raise TrainingError(
            f"No set of the recipe has {folds} frames (the largest has {max(counts)})",
            hint=f"Give at most {max(counts)} folds",
        )
    return [count >= folds for count in counts]


def _without(recipe_path: Path, divided: list[bool], fold: int, folds: int) -> str:
    """Write the recipe of one fold: the same, with a block of each set held out."""
    table = read_table(recipe_path)
    held_out: list[dict[str, Any]] = []
    images: list[dict[str, Any]] = []
    for entry, parted in zip(table["images"], divided, strict=True):
        images.append(entry | {"leave_out": [fold, folds]} if parted else entry)
        if parted:
            held_out.append(entry | {"only": [fold, folds]})
    return to_toml(table | {"images": images, "held_out": held_out})


def _scored(run: Path, fold: int) -> Fold:
    result = json.loads((run / RESULT_NAME).read_text(encoding="utf-8"))
    scores: dict[str, float] = result["held_out"]["f_score_assignment"]
    if not scores:
        raise TrainingError(
            f"The frames held out in fold {fold} hold no cell, so that nothing can be scored",
            hint="Give fewer folds",
        )
    return Fold(fold, result["h"], scores, round(mean(scores.values()), 2))
