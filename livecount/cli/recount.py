"""``recount`` and ``analysis``: other counts of the same frames, beside the first ones."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from livecount.cli.options import (
    AsJson,
    By,
    ConfigFile,
    DatabaseFile,
    ExperimentName,
    H,
    ModelName,
    load_settings,
    people_edit,
    people_look,
    said_by,
)
from livecount.cli.terminal import FAILED, progress_bar, say, terminal, write_json
from livecount.errors import MonitorRunningError

if TYPE_CHECKING:
    from livecount.config import Config
    from livecount.storage import Analysis, AnalysisSettings, CountStore, Experiment, Said

_LOOK_EVERY_S = 0.5

analysis = typer.Typer(
    name="analysis",
    help="The ways in which an experiment's frames were counted, and the one that is shown.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def recount(
    h: H = None,
    model: ModelName = None,
    experiment: ExperimentName = None,
    by: By = None,
    database: DatabaseFile = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Count an experiment's frames again with another h or model, beside the first counts.

    Another h alone follows from what is stored: no frame is read, and a running monitor keeps it up
    with the frames that come. Another model reads every frame again, while no monitor runs. Curves
    and exports show the first counts until `livecount analysis primary` says otherwise.

    Example: livecount recount --h 0.3
    """
    from livecount.monitor import settings_with

    if h is None and model is None:
        raise typer.BadParameter("Give another --h or another --model.")
    given = {"database.file": database, "counting.h": h, "counting.model": model}
    settings = load_settings(config, given)
    with people_edit(config, database, experiment) as (store, found):
        primary = store.analysis(found)
        wanted = settings_with(primary, model, h)
        left: list[tuple[str, str]] = []
        of = _at_another_h(store, found, primary, wanted)
        if of is not None:
            beside = store.order_recount(found, wanted, said_by(by))
            _count_at_h(store, beside, of)
        else:
            assert model is not None
            beside, left = _with_model(settings, store, found, primary, wanted, said_by(by))
        n_counted = store.n_counts(beside)
    if as_json:
        write_json(
            {
                "experiment": found.name,
                "analysis_id": beside.id,
                "model": beside.settings.model_name,
                "h": beside.settings.h,
                "counted": n_counted,
                "left": [{"file": file, "reason": reason} for file, reason in left],
            }
        )
    else:
        _say_recounted(found, beside, n_counted, left)
    if left:
        raise typer.Exit(FAILED)


def _say_recounted(
    found: Experiment, beside: Analysis, n_counted: int, left: list[tuple[str, str]]
) -> None:
    settings = beside.settings
    say(
        f"{n_counted} frames of experiment {found.name!r} are counted with {settings.model_name} "
        f"at h = {settings.h:g}; `livecount export counts --analysis {beside.id}` shows them"
    )
    if left:
        file, reason = left[0]
        say(f"{len(left)} could not be read again, the first: {file!a}: {reason}")


def _at_another_h(
    store: CountStore, found: Experiment, primary: Analysis, wanted: AnalysisSettings
) -> Analysis | None:
    """Find an analysis of which the wanted one is a function, and that has all frames."""
    n_frames = store.n_counts(primary)
    for one in store.analyses(found):
        differs = one.id != wanted.analysis_id and one.differs_in_h_alone(wanted)
        if differs and (one.is_primary or store.n_counts(one) >= n_frames):
            return one
    return None


def _count_at_h(store: CountStore, beside: Analysis, of: Analysis) -> None:
    """Have the stored candidates counted: here, or by the monitor where one runs."""
    from livecount.monitor import count_at_h
    from livecount.storage import MonitorLock

    wanted = store.n_counts(of)
    told = False
    with progress_bar("frames", wanted) as advance:
        done = 0
        while True:
            try:
                with MonitorLock(store.database):
                    count_at_h(store, beside, of, advance)
                    return
            except MonitorRunningError:
                if not told:
                    say("the running monitor counts them; it goes on if this command is ended")
                    told = True
            counted = store.n_counts(beside)
            advance(counted - done)
            done = counted
            if done >= wanted:
                return
            time.sleep(_LOOK_EVERY_S)


def _with_model(
    settings: Config,
    store: CountStore,
    found: Experiment,
    primary: Analysis,
    wanted: AnalysisSettings,
    said: Said,
) -> tuple[Analysis, list[tuple[str, str]]]:
    """Read and count the frames again, as the one writer of counts."""
    from livecount.monitor import ModelRecount
    from livecount.storage import MonitorLock

    try:
        with MonitorLock(store.database):
            beside = store.order_recount(found, wanted, said)
            work = ModelRecount(settings, store, found, beside, settings.counting.model)
            waiting = work.waiting(primary)
            with progress_bar("frames", len(waiting)) as advance:
                work.run(waiting, advance)
            return beside, work.left
    except MonitorRunningError as error:
        raise MonitorRunningError(
            error.message,
            hint="Another model reads the frames again: stop the monitor first. Another --h alone "
            "can be had while it runs",
        ) from error


@analysis.command(name="list")
def list_analyses(
    database: DatabaseFile = None,
    config: ConfigFile = None,
    experiment: ExperimentName = None,
    as_json: AsJson = False,
) -> None:
    """List the ways in which an experiment's frames were counted; the first is the one shown.

    Example: livecount analysis list --database run.db
    """
    from rich.table import Table
    from rich.text import Text

    with people_look(config, database, experiment) as (store, found):
        said = {one.analysis.id: one.said for one in store.recounts(found)}
        rows = [
            {
                "analysis_id": one.id,
                "primary": one.is_primary,
                "model": one.settings.model_name,
                "h": one.settings.h,
                "counted": store.n_counts(one),
                "asked_by": said[one.id].made_by if one.id in said else None,
                "asked_at": said[one.id].made_at if one.id in said else one.created_at,
            }
            for one in store.analyses(found)
        ]
    if as_json:
        write_json({"experiment": found.name, "analyses": rows})
        return
    table = Table("analysis", "shown", "model", "h", "frames", "asked for by")
    for row in rows:
        shown = "primary" if row["primary"] else ""
        words = (row["analysis_id"], shown, row["model"], row["h"], row["counted"])
        table.add_row(*(Text(str(word)) for word in words), Text(str(row["asked_by"] or "the run")))
    terminal().print(table)


@analysis.command()
def primary(
    analysis_id: Annotated[str, typer.Argument(help="Its id, or the first characters of it.")],
    database: DatabaseFile = None,
    config: ConfigFile = None,
    experiment: ExperimentName = None,
    as_json: AsJson = False,
) -> None:
    """Let curves, exports and alerts show this analysis from now on; the others stay.

    A run that goes on must then be given its model and h.

    Example: livecount analysis primary 5f2c
    """
    with people_edit(config, database, experiment) as (store, found):
        chosen = store.analysis(found, analysis_id)
        store.make_primary(chosen)
    if as_json:
        write_json({"experiment": found.name, "analysis_id": chosen.id})
        return
    say(
        f"experiment {found.name!r} shows analysis {chosen.id}: {chosen.settings.model_name}, "
        f"h = {chosen.settings.h:g}"
    )
