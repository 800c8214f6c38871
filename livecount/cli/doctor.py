"""``doctor``: what is wrong with this machine, and how a folder's names are understood."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from livecount.cli.options import AsJson, ConfigFile, DatabaseFile, Pattern, load_settings
from livecount.cli.terminal import FAILED, progress_bar, terminal, write_json
from livecount.errors import EngineError, LivecountError

if TYPE_CHECKING:
    from livecount.config import Config
    from livecount.readers import FolderUnderstanding

_ENOUGH_DISK_GB = 2.0


@dataclass(frozen=True, slots=True)
class _Check:
    what: str
    fine: bool
    finding: str


def doctor(
    folder: Annotated[
        Path | None, typer.Argument(help="A folder of frames: how would they be understood?")
    ] = None,
    config: ConfigFile = None,
    database: DatabaseFile = None,
    pattern: Pattern = None,
    as_json: AsJson = False,
) -> None:
    """Check machine, settings and model; show how a folder's files are understood before a run.

    Ends with status 1 where something must be put right first.

    Example: livecount doctor D:/scans/experiment7
    """
    settings = load_settings(config, {"database.file": database, "watch.pattern": pattern})
    checks = list(_checks(settings))
    understood = _understand(folder, settings) if folder is not None else None
    if as_json:
        found: dict[str, Any] = {"checks": [asdict(check) for check in checks]}
        if understood is not None:
            found["folder"] = understood.as_dict() | {"channels": _channels(understood, settings)}
        write_json(found)
    else:
        _show_checks(checks)
        if understood is not None:
            _show_folder(understood, settings)
    if not all(check.fine for check in checks):
        raise typer.Exit(FAILED)


def _checks(settings: Config) -> Iterator[_Check]:
    yield _attempt("model and runtime", lambda: _try_engine(settings))
    yield _attempt("database", lambda: _try_database(settings.database.file))
    yield _disk(settings.database.file)
    for folder in settings.folders:
        yield _watched(folder)


def _attempt(what: str, work: Callable[[], str]) -> _Check:
    try:
        return _Check(what, True, work())
    except LivecountError as error:
        return _Check(what, False, str(error))


def _try_engine(settings: Config) -> str:
    import numpy as np

    from livecount.inference import find_model, open_engine
    from livecount.platform.process import usable_cores

    threads = settings.counting.threads or usable_cores()
    model = find_model(settings.counting.model)
    engine = open_engine(model, runtime=settings.counting.runtime, threads=threads)
    engine.infer(np.zeros((model.multiple_px * 4, model.multiple_px * 4), np.float32))
    if engine.reservation:
        raise EngineError(engine.reservation, hint="See `livecount engine list`")
    return (
        f"{model.name} {model.version} ({model.folder}), {engine.runtime}, {engine.precision}, "
        f"{threads} threads ({engine.why})"
    )


def _try_database(file: Path) -> str:
    from livecount.storage import CountStore

    if not file.exists():
        return f"{file} (made by the first run)"
    with CountStore.open(file, read_only=True) as store:
        problems = store.verify()
        if problems:
            raise LivecountError(
                f"{file} is damaged: {problems[0]}", hint="Restore it from a backup"
            )
        return f"{file}: sound, {store.tally().counted} frames counted"


def _disk(file: Path) -> _Check:
    existing = next(parent for parent in file.parents if parent.exists())
    free_gb = shutil.disk_usage(existing).free / 1e9
    return _Check("disk", free_gb >= _ENOUGH_DISK_GB, f"{free_gb:.1f} GB free for {file}")


def _watched(folder: Path) -> _Check:
    from livecount.platform.filesystem import file_system_kind

    if not folder.is_dir():
        return _Check(f"folder {folder}", False, "there is no such folder, or it is offline")
    system = file_system_kind(folder)
    how = "polled" if system.kind == "network" else "watched by events and scans"
    return _Check(f"folder {folder}", True, f"{system.kind} file system {system.name}, {how}")


def _understand(folder: Path, settings: Config) -> FolderUnderstanding:
    from livecount.monitor import patterns_for
    from livecount.readers import describe_folder

    if not folder.is_dir():
        raise LivecountError(f"There is no folder {folder}", hint="Name the folder of the frames")
    with progress_bar("looking at files", None) as advance:
        return describe_folder(
            folder,
            patterns_for(settings),
            time_zone=ZoneInfo(settings.experiment.time_zone),
            progress=lambda _: advance(),
        )


def _channels(understood: FolderUnderstanding, settings: Config) -> dict[str, str]:
    """Say of each channel whether a run would count it, by the rule of the run itself."""
    from livecount.monitor import channel_rule

    rule = channel_rule(settings)
    refused = rule.refusals(filter(None, understood.channels))
    return {
        name or "(none named)": refused.get(name, "counted") for name in sorted(understood.channels)
    }


def _show_checks(checks: list[_Check]) -> None:
    console = terminal()
    for check in checks:
        console.print("ok " if check.fine else "BAD", end=" ", style=None if check.fine else "red")
        console.print(f"{check.what}: {check.finding}", markup=False)


def _show_folder(understood: FolderUnderstanding, settings: Config) -> None:
    console = terminal()
    console.print(
        f"\n{understood.folder}: {understood.n_files} files, {understood.n_frame_files} of frames",
        markup=False,
    )
    for use in understood.patterns:
        console.print(
            f"\n{use.n_files} files by {use.name} ({use.vendor or 'no vendor'})", markup=False
        )
        console.print(f"  such as {use.examples[0]!a}", markup=False)
        for name, values in use.attributes.items():
            span = f"{values.first}" if values.n == 1 else f"{values.first} ... {values.last}"
            console.print(f"  {name}: {span} ({values.n} different)", markup=False)
    for name, decision in _channels(understood, settings).items():
        console.print(f"channel {name!a:.120}: {decision!s:.300}", markup=False)
    _show_rest(understood.n_channels - len(understood.channels), "channels")
    for group in understood.ignored:
        paths = _such_as(group.examples, group.n_files)
        console.print(f"{group.n_files} files ignored, {group.what}: {paths}", markup=False)
    for group in understood.unreadable_folders:
        paths = _such_as(group.examples, group.n_files)
        console.print(f"cannot be listed, {group.what}: {paths}", markup=False)
    _show_samples(understood)
    for conflict in understood.conflicts:
        paths = _such_as(conflict.paths, conflict.n_files)
        console.print(f"same place and time ({conflict.where}): {paths}", markup=False)
    _show_rest(understood.n_conflicts - len(understood.conflicts), "places and times claimed twice")


def _such_as(examples: tuple[str, ...], n: int) -> str:
    listed = ", ".join(f"{example!a}" for example in examples)
    return listed if n == len(examples) else f"{listed} and {n - len(examples)} more"


def _show_rest(n: int, what: str) -> None:
    if n:
        terminal().print(f"... and {n} more {what}")


def _show_samples(understood: FolderUnderstanding) -> None:
    console = terminal()
    console.print("\nopened to look inside:")
    for sample in understood.samples:
        if sample.shape is None:
            console.print(f"  {sample.path!a}: {sample.error}", markup=False)
            continue
        height, width = sample.shape
        flags = f", {', '.join(sample.flags)}" if sample.flags else ""
        console.print(
            f"  {sample.path!a}: {sample.n_pages} page(s) of {height} x {width}, "
            f"{sample.dtype}{flags}",
            markup=False,
        )
        for name, origin in sample.attributes.sources.items():
            value = getattr(sample.attributes, name)
            console.print(f"    {name} = {value} ({origin})", markup=False)
