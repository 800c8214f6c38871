"""``backup``, ``restore`` and ``verify``: the database, kept safe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from livecount.cli.options import AsJson, ConfigFile, DatabaseFile, load_settings
from livecount.cli.terminal import progress_bar, say, write_json
from livecount.errors import StoreError


def backup(
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File to write (default: a dated one, see [backup])."),
    ] = None,
    database: DatabaseFile = None,
    config: ConfigFile = None,
    list_all: Annotated[bool, typer.Option("--list", help="Only list the dated backups.")] = False,
    as_json: AsJson = False,
) -> None:
    """Copy the database while it is in use, verify the copy, and say where it is.

    The monitor does the same once a day by itself; see [backup] in config.toml.

    Example: livecount backup -o E:/safe/experiment7.db
    """
    from livecount.storage import back_up, backup_folder, kept_backups, take_backup

    settings = load_settings(config, {"database.file": database})
    file = settings.database.file
    folder = settings.backup.folder or backup_folder(file)
    if list_all:
        paths = [path for _, path in kept_backups(file, folder)]
    elif output is None:
        _insist_on(file)
        paths = [take_backup(file, folder, settings.backup.keep)]
    else:
        _insist_on(file)
        if output.exists():
            raise StoreError(f"{output} exists already", hint="Name another file, or remove it")
        back_up(file, output)
        paths = [output]
    if as_json:
        write_json({"database": file, "backups": paths})
    else:
        for path in paths:
            typer.echo(str(path))
        if list_all and not paths:
            say(f"no backups of {file} in {folder}")


def _insist_on(database: Path) -> None:
    if not database.is_file():
        raise StoreError(
            f"There is no database {database}", hint="Name the right file with --database"
        )


def restore(
    backup_file: Annotated[
        Path, typer.Argument(help="The backup, as `livecount backup` wrote it.")
    ],
    database: DatabaseFile = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Put a backup in the place of the database; what was there is kept under another name.

    Stop the monitor first. Started again, it counts what the backup does not hold.

    Example: livecount restore livecount.backups/livecount.20261120T080000Z.db
    """
    from livecount.storage import restore as put_back

    settings = load_settings(config, {"database.file": database})
    replaced = put_back(backup_file, settings.database.file)
    if as_json:
        write_json({"database": settings.database.file, "replaced": replaced})
        return
    say(f"{backup_file} is the database {settings.database.file} now")
    if replaced is not None:
        say(f"what was there before is kept as {replaced}")


def verify(
    file: Annotated[
        Path | None, typer.Argument(help="A database or backup (default: the run's database).")
    ] = None,
    database: DatabaseFile = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Check that a database is sound: every page, every row, every count against its cell centres.

    Example: livecount verify livecount.backups/livecount.20261120T080000Z.db
    """
    from livecount.storage import CountStore

    chosen = file or load_settings(config, {"database.file": database}).database.file
    with CountStore.open(chosen, read_only=True) as store:
        tally = store.tally()
        with progress_bar(f"verifying {chosen.name}", tally.counted) as advance:
            problems = store.verify(advance)
    if as_json:
        write_json({"database": chosen, "frames": tally.seen, "problems": problems})
    if problems:
        raise StoreError(
            f"{chosen} is not sound: " + "; ".join(problems[:5]),
            hint="Put a backup back with `livecount restore`, and check the disk",
        )
    if not as_json:
        say(f"{chosen} is sound: {tally.seen} frames, {tally.counted} counted")
