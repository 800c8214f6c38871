"""``train``: train a network from a recipe (needs the extra ``train``)."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from livecount.cli.options import AsJson
from livecount.cli.terminal import progress_bar, say, terminal, write_json
from livecount.errors import LivecountError

if TYPE_CHECKING:
    from livecount.training import TrainingProgress
    from livecount.training.folds import CrossValidation

_LOSSES_NAME = "losses.svg"


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
    folds: Annotated[
        int | None,
        typer.Option(
            "--folds", min=2, help="Cross-validate: so many runs, each without some of the frames."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Train a DeepDistance network and export it with its card.

    Ctrl+C or a crash loses at most the steps since the last checkpoint; go on with --resume. At
    each validation losses.svg in the run folder is drawn anew. With --folds K no model is exported:
    K runs show what the recipe scores on frames that it was not shown, also in folds.json.

    Example: livecount train engines/deepdistance/recipe.toml -o runs/first --data images/
    """
    if folds is not None:
        _cross_validate(recipe, output, images, folds, resume=resume, as_json=as_json)
        return
    model, losses = learn(recipe, output, images=images, resume=resume)
    if as_json:
        write_json({"run": str(output), "model": str(model), "losses": losses})
    else:
        say(f"model -> {model}")


def learn(
    recipe: Path, output: Path, *, images: Path | None, resume: bool
) -> tuple[Path, str | None]:
    """Train with a progress bar and export; gives the model's card and the figure of losses."""
    # Read when torch is loaded: threads that spin while they wait take the cores from a run that
    # counts beside the training, and win nothing without one.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from livecount import training

    training.refuse_model_of_others(output)
    with progress_bar("training", None) as advance:
        show = _Shown(output, advance)
        training.train(recipe, output, data_root=images, resume=resume, on_progress=show)
    return training.export_model(output, output / training.MODEL_NAME), show.losses


def _cross_validate(
    recipe: Path, output: Path, images: Path | None, folds: int, *, resume: bool, as_json: bool
) -> None:
    from dataclasses import asdict

    from livecount.training import cross_validate

    with progress_bar("training", None) as advance:
        shown: dict[int, _Shown] = {}

        def show(fold: int, progress: TrainingProgress) -> None:
            if fold not in shown:
                head = f"fold {fold} of {folds}, "
                shown[fold] = _Shown(output / f"fold-{fold}", advance, head)
            shown[fold](progress)

        found = cross_validate(
            recipe, output, folds, data_root=images, resume=resume, on_progress=show
        )
    if as_json:
        write_json({"run": str(output)} | asdict(found))
        return
    _show_folds(found)


def _show_folds(found: CrossValidation) -> None:
    from rich.markup import escape
    from rich.table import Table

    names = list(dict.fromkeys(name for fold in found.folds for name in fold.f_score_assignment))
    table = Table("fold", "h", *(escape(name) for name in names), "mean", title="f-score, %")
    for fold in found.folds:
        scores = [fold.f_score_assignment.get(name) for name in names]
        cells = ["" if score is None else f"{score:.1f}" for score in scores]
        table.add_row(str(fold.fold), f"{fold.h:g}", *cells, f"{fold.mean:.1f}")
    console = terminal()
    console.print(table)
    console.print(f"f-score on frames held out: {found.mean:.1f} ± {found.spread:.1f} %")


class _Shown:
    """Carries a run's progress to the terminal, and to ``losses.svg`` in its folder."""

    def __init__(self, folder: Path, advance: Callable[[int, str], None], head: str = "") -> None:
        self.losses: str | None = None
        self._path, self._advance, self._head = folder / _LOSSES_NAME, advance, head
        self._step, self._rows = 0, 0

    def __call__(self, progress: TrainingProgress) -> None:
        self._advance(progress.step - self._step, self._head + _in_words(progress))
        self._step = progress.step
        if len(progress.history) > self._rows:
            self._rows = len(progress.history)
            self._draw(progress)

    def _draw(self, progress: TrainingProgress) -> None:
        """Draw the losses; a figure that cannot be written must not end hours of training."""
        from livecount.plots import plot_losses

        try:
            plot_losses(progress.history, self._path)
            self.losses = str(self._path)
        except LivecountError as error:
            say(f"the losses are not drawn: {error}")


def _in_words(progress: TrainingProgress) -> str:
    losses = ", ".join(f"{name} {loss:.4f}" for name, loss in progress.losses.items())
    minutes = progress.remaining_s / 60
    return f"step {progress.step} of {progress.steps}: {losses}; {minutes:.0f} min left"
