"""``recount`` and ``analyses``: another h beside the first count, and what there is by now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from livecount.cli.options import (
    AsJson,
    By,
    ConfigFile,
    DatabaseFile,
    ExperimentName,
    finite,
    people_edit,
    people_look,
    said_by,
)
from livecount.cli.terminal import progress_bar, say, terminal, write_json

if TYPE_CHECKING:
    from livecount.storage import Analysis, CountReader

_ANOTHER_MODEL = (
    "another model needs the frames themselves, which recount does not read: count them as another "
    "experiment, with `livecount run FOLDER --model NAME --experiment NAME`"
)


def recount(
    h: Annotated[
        float,
        typer.Option(
            "--h", min=0.02, max=1, callback=finite, help="Prominence from which a peak is a cell."
        ),
    ],
    make_primary: Annotated[
        bool,
        typer.Option(
            "--make-primary", help="Let exports, plots and reports show this count from now on."
        ),
    ] = False,
    by: By = None,
    model: Annotated[str | None, typer.Option("--model", hidden=True)] = None,
    database: DatabaseFile = None,
    config: ConfigFile = None,
    experiment: ExperimentName = None,
    as_json: AsJson = False,
) -> None:
    """Count all frames again with another h, beside the first count, in seconds.

    Every peak was kept with how clearly it stands out, so that no frame is read. Works while the
    monitor runs; frames that come later are counted by the same command, given again. Masks and
    confluence stay with the first count. `livecount analyses` lists all counts, and `livecount
    export counts --analysis ID` shows one.

    Example: livecount recount --h 0.2
    """
    from livecount import recounting

    if model is not None:
        raise typer.BadParameter(_ANOTHER_MODEL)
    with people_edit(config, database, experiment) as (store, found):
        if make_primary:
            recounting.refuse_while_counted(store, found)
        n_frames = store.tally(found).counted
        with progress_bar("counting again", n_frames) as advance:
            made = recounting.recount(store, found, h, said=said_by(by), on_frames=advance)
        if make_primary:
            recounting.make_primary(store, found, made.analysis, said_by(by))
        entry = _entry(store, store.analysis(found, made.analysis.id))
    if as_json:
        without_masks = {"without_masks": made.n_without_masks}
        write_json({"experiment": found.name, "new": made.n_new, **without_masks, **entry})
        return
    say(
        f"experiment {found.name!r} with h = {h:g}: {made.n_new} frames counted again, "
        f"{entry['frames']} in all, as analysis {entry['analysis_id']}"
    )
    if made.n_without_masks:
        say("masks and confluence stay with the first count: they depend on h")
    if make_primary:
        say(f"it is shown from now on; let the monitor go on with it too: `h = {h:g}` or --h {h:g}")
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
