"""``exclude``: counts that are not to be used, with a reason; nothing is removed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
    zero_now,
)
from livecount.cli.terminal import say, terminal, write_json

if TYPE_CHECKING:
    import pandas as pd

    from livecount.storage import Exclusion, Said

exclude = typer.Typer(
    name="exclude",
    help="Leave frames, wells or times out of the curves, with a reason, and put them back.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Reason = Annotated[str, typer.Option("--reason", help="Why, in your words; it is exported.")]
Hours = typer.Option(callback=finite, help="Hours of the experiment; both ends are excluded too.")


@exclude.command()
def add(
    reason: Reason,
    frame: Annotated[
        str | None, typer.Option("--frame", help="One file, as `source` of the exported counts.")
    ] = None,
    folder: Annotated[
        str | None, typer.Option("--folder", help="The watched folder that the file lies in.")
    ] = None,
    page: Annotated[int | None, typer.Option("--page", min=0, help="Only this page of it.")] = None,
    well: Annotated[str | None, typer.Option("--well", help="All of a well.")] = None,
    plate: Annotated[str | None, typer.Option("--plate", help="All of a plate.")] = None,
    field: Annotated[str | None, typer.Option("--field", help="One field or position.")] = None,
    from_h: Annotated[float | None, Hours] = None,
    to_h: Annotated[float | None, Hours] = None,
    by: By = None,
    database: DatabaseFile = None,
    config: ConfigFile = None,
    experiment: ExperimentName = None,
    as_json: AsJson = False,
) -> None:
    """Exclude counts from curves and rates. They stay in the tables, marked with your reason.

    Works while the monitor runs; frames still to come are met too.

    Example: livecount exclude add --well B3 --from-h 12 --reason "bubble under the lens"
    """
    from livecount.storage import Exclusion
    from livecount.tables import count_table

    scope = _Scope(plate, well, field, from_h, to_h)
    if frame is None and page is not None:
        raise typer.BadParameter("--page is of a file: name it with --frame.")
    _insist_on_one_thing(reason, frame, folder, scope)
    said = said_by(by)
    with people_edit(config, database, experiment) as (store, found):
        table = count_table(store, found, store.analysis(found))
        if frame is None:
            wanted = [scope.exclusion(table, reason.strip(), said)]
        else:
            chosen = _frames(table, found.name, frame, folder, page)
            wanted = [Exclusion(reason.strip(), said, frame_id=number) for number in chosen]
        with store.together():
            numbers = [store.add_exclusion(found, one) for one in wanted]
    met = _n_met(table, wanted)
    if as_json:
        write_json({"experiment": found.name, "exclusions": numbers, "frames": met})
        return
    say(f"{met} counted frames are excluded (number {', '.join(map(str, numbers))})")
    if not met:
        say("no frame is met so far: is the name of the well or plate right?")


def _insist_on_one_thing(reason: str, frame: str | None, folder: str | None, scope: _Scope) -> None:
    if not reason.strip():
        raise typer.BadParameter("--reason is empty.")
    if frame is None and folder is not None:
        raise typer.BadParameter("--folder says where a file lies: name it with --frame.")
    if frame is None and scope == _Scope():
        raise typer.BadParameter("Say what: --frame, --well, --plate, --field, --from-h or --to-h.")
    if frame is not None and scope != _Scope():
        raise typer.BadParameter("--frame names one file: leave place and time out.")


@dataclass(frozen=True, slots=True)
class _Scope:
    """Which counts are meant, by place and time; None is "any"."""

    plate: str | None = None
    well: str | None = None
    field: str | None = None
    from_h: float | None = None
    to_h: float | None = None

    def exclusion(self, table: pd.DataFrame, reason: str, said: Said) -> Exclusion:
        from livecount.excluding import insist_on_one_plate
        from livecount.plate import spell_well
        from livecount.storage import Exclusion
        from livecount.time_axis import instant_at

        wanted = Exclusion(
            reason,
            said,
            plate=self.plate,
            well=None if self.well is None else spell_well(self.well),
            field=self.field,
            start=None if self.from_h is None else instant_at(table, self.from_h),
            end=None if self.to_h is None else instant_at(table, self.to_h),
        )
        insist_on_one_plate(table, wanted)
        return wanted


def _frames(
    table: pd.DataFrame, experiment: str, frame: str, folder: str | None, page: int | None
) -> list[int]:
    """Give the numbers of a file's frames; files of one name in two folders are two files."""
    from livecount.errors import AmbiguousPlaceError, NotInStoreError

    chosen = table[table["source"] == frame]
    if folder is not None:
        chosen = chosen[chosen["watched_folder"].isin([folder, str(Path(folder).absolute())])]
    if page is not None:
        chosen = chosen[chosen["page"] == page]
    if chosen.empty:
        raise NotInStoreError(
            f"Experiment {experiment!r} has no counted frame {frame}",
            hint="Copy its name from the column source of `livecount export counts`",
        )
    folders = sorted(set(chosen["watched_folder"]))
    if len(folders) > 1:
        raise AmbiguousPlaceError(
            f"Frame {frame} is in several folders: {', '.join(folders)}",
            hint="Name the folder too (--folder)",
        )
    return [int(number) for number in chosen.index]


def _n_met(table: pd.DataFrame, wanted: list[Exclusion]) -> int:
    from livecount.excluding import exclude_as_said

    trial = table.assign(excluded="")
    exclude_as_said(trial, wanted)
    return int((trial["excluded"] != "").sum())


@exclude.command(name="list")
def list_exclusions(
    database: DatabaseFile = None,
    config: ConfigFile = None,
    experiment: ExperimentName = None,
    as_json: AsJson = False,
) -> None:
    """List what was excluded, by whom, when and why, and what was put back.

    Example: livecount exclude list --database run.db
    """
    from rich.table import Table
    from rich.text import Text

    from livecount.excluding import describe_exclusion

    with people_look(config, database, experiment) as (store, found):
        kept = store.exclusions(found)
        times = [time for one in kept for time in (one.start, one.end) if time is not None]
        zero = zero_now(store, found, times)
    rows = [
        {
            "number": one.id,
            "what": describe_exclusion(one, zero),
            "reason": one.reason,
            "made_by": one.said.made_by,
            "made_at": one.said.made_at,
            "withdrawn_by": one.withdrawn and one.withdrawn.made_by,
            "withdrawn_at": one.withdrawn and one.withdrawn.made_at,
        }
        for one in kept
    ]
    if as_json:
        write_json({"experiment": found.name, "exclusions": rows})
        return
    table = Table("number", "what", "reason", "by", "at (UTC)", "put back")
    for row, one in zip(rows, kept, strict=True):
        back = one.withdrawn and f"{one.withdrawn.made_by}, {one.withdrawn.made_at:%Y-%m-%d %H:%M}"
        at = f"{one.said.made_at:%Y-%m-%d %H:%M}"
        words = (row["number"], row["what"], one.reason, one.said.made_by, at, back or "")
        table.add_row(*(Text(str(word)) for word in words))
    terminal().print(table)


@exclude.command()
def withdraw(
    number: Annotated[int, typer.Argument(help="Its number, as `exclude list` shows it.")],
    by: By = None,
    database: DatabaseFile = None,
    config: ConfigFile = None,
    experiment: ExperimentName = None,
) -> None:
    """Put counts back: an exclusion does not hold any more, and stays in the list.

    Example: livecount exclude withdraw 3
    """
    with people_edit(config, database, experiment) as (store, found):
        store.withdraw_exclusion(found, number, said_by(by))
    say(f"exclusion {number} of experiment {found.name!r} does not hold any more")
