"""``recount`` and ``analyses``: another h or model beside the first count, and what there is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import typer

from livecount.cli.options import (
    AsJson,
    By,
    ConfigFile,
    DatabaseFile,
    ExperimentName,
    ModelName,
    finite,
    load_settings,
    people_edit,
    people_look,
    said_by,
)
from livecount.cli.terminal import FAILED, progress_bar, say, terminal, write_json

if TYPE_CHECKING:
    from livecount.config import Config
    from livecount.storage import Analysis, CountReader, CountStore, Experiment, Said


@dataclass(frozen=True, slots=True)
class _Made:
    """What a recount made; ``left`` are frames that could not be counted again, and why."""

    analysis: Analysis
    n_new: int
    n_without_masks: int = 0
    left: Mapping[str, str] = field(default_factory=dict)


def recount(
    h: Annotated[
        float | None,
        typer.Option(
            "--h", min=0.02, max=1, callback=finite, help="Prominence from which a peak is a cell."
        ),
    ] = None,
    model: ModelName = None,
    make_primary: Annotated[
        bool,
        typer.Option(
            "--make-primary", help="Let exports, plots and reports show this count from now on."
        ),
    ] = False,
    by: By = None,
    database: DatabaseFile = None,
    config: ConfigFile = None,
    experiment: ExperimentName = None,
    as_json: AsJson = False,
) -> None:
    """Count all frames again with another h or model, beside the first count.

    Another h takes seconds: every peak was kept with how clearly it stands out, so that no frame is
    read, and masks and confluence stay with the first count. Another model reads every frame again
    and takes as long as counting did. Both work while the monitor runs; frames that come later are
    counted by the same command, given again. `livecount analyses` lists all counts, and `livecount
    export counts --analysis ID` shows one.

    Example: livecount recount --h 0.2
    """
    from livecount import recounting

    if h is None and model is None:
        raise typer.BadParameter("Give another --h, another --model, or both.")
    with people_edit(config, database, experiment) as (store, found):
        if make_primary:
            recounting.refuse_while_counted(store, found)
        with progress_bar("counting again", store.tally(found).counted) as advance:
            if model is None:
                assert h is not None
                again = recounting.recount(store, found, h, said=said_by(by), on_frames=advance)
                made = _Made(again.analysis, again.n_new, again.n_without_masks)
            else:
                given = {"database.file": database, "counting.model": model}
                own = load_settings(config, given).of_experiment(found.name)
                made = _with_model(own, store, found, h, said_by(by), advance)
        # Before it may be refused the first place for want of these.
        for frame, reason in made.left.items():
            say(f"not counted again: {frame}: {reason}")
        if make_primary:
            recounting.make_primary(store, found, made.analysis, said_by(by))
        entry = _entry(store, store.analysis(found, made.analysis.id))
    if as_json:
        rest = {"without_masks": made.n_without_masks, "left": made.left}
        write_json({"experiment": found.name, "new": made.n_new, **rest, **entry})
    else:
        _say(found, made, entry, is_shown=make_primary)
    if made.left:
        raise typer.Exit(FAILED)


def _with_model(
    settings: Config,
    store: CountStore,
    found: Experiment,
    h: float | None,
    said: Said,
    advance: Callable[[int], None],
) -> _Made:
    from livecount.inference import find_model
    from livecount.monitor import count_with_model, order_model
    from livecount.recounting import catch_up

    primary = store.analysis(found)
    analysis = order_model(store, found, find_model(settings.counting.model), h, said)
    # What this model has counted with another h need not be read again.
    stored = catch_up(store, found, analysis)
    again = count_with_model(settings, store, analysis, primary, advance)
    return _Made(analysis, stored.n_new + again.n_new, stored.n_without_masks, again.left)


def _say(found: Experiment, made: _Made, entry: dict[str, Any], *, is_shown: bool) -> None:
    name, h = entry["model"], entry["h"]
    say(
        f"experiment {found.name!r} with {name} and h = {h:g}: {made.n_new} frames counted again, "
        f"{entry['frames']} in all, as analysis {entry['analysis_id']}"
    )
    if made.n_without_masks:
        say("masks and confluence stay with the first count: they depend on h")
    if is_shown:
        say(f"it is shown from now on; let the monitor go on with it too: {name}, --h {h:g}")
    elif not entry["is_primary"]:
        say("frames that come later are counted when you give this command again")


def analyses(
    database: DatabaseFile = None,
    config: ConfigFile = None,
    experiment: ExperimentName = None,
    as_json: AsJson = False,
) -> None:
    """List the counts of an experiment: model, h, cell diameter, and which of them is shown.

    Example: livecount analyses --database run.db
    """
    from rich.table import Table
    from rich.text import Text

    with people_look(config, database, experiment) as (store, found):
        rows = [_entry(store, analysis) for analysis in store.analyses(found)]
    if as_json:
        write_json({"experiment": found.name, "analyses": rows})
        return
    table = Table("analysis", "h", "model", "cell diameter", "frames", "made", "shown")
    for row in rows:
        made = f"{row['created_at']:%Y-%m-%d %H:%M} UTC"
        shown = "primary" if row["is_primary"] else ""
        words = (
            row["analysis_id"], f"{row['h']:g}", row["model"], row["cell_diameter"], row["frames"],
            made, shown,
        )  # fmt: skip
        table.add_row(*(Text(str(word)) for word in words))
    terminal().print(table)


def _entry(store: CountReader, analysis: Analysis) -> dict[str, Any]:
    settings = analysis.settings
    return {
        "analysis_id": analysis.id,
        "h": settings.h,
        "model": settings.model_name,
        "model_sha256": settings.model_sha256,
        "cell_diameter": f"{settings.cell_diameter:g} {settings.cell_diameter_unit}",
        "channel": settings.channel,
        "z": settings.z,
        "frames": store.n_counted(analysis),
        "is_primary": analysis.is_primary,
        "created_at": analysis.created_at,
    }
