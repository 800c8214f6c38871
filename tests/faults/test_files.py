"""Files as software really writes them, and files that are none."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile

from tests.faults.laboratory import Laboratory, Verdict, insist, run, start, status


def in_pieces(source: Path, target: Path) -> None:
    content = source.read_bytes()
    with target.open("wb", buffering=0) as file:
        for piece in range(4):
            file.write(content[piece * len(content) // 4 : (piece + 1) * len(content) // 4])
            time.sleep(0.25)


def pre_sized(source: Path, target: Path) -> None:
    content = source.read_bytes()
    with target.open("wb", buffering=0) as file:
        file.truncate(3 * len(content))
        for piece in range(4):
            file.write(content[piece * len(content) // 4 : (piece + 1) * len(content) // 4])
            time.sleep(0.25)
        file.truncate(len(content))


def by_rename(source: Path, target: Path) -> None:
    shutil.copyfile(source, target.with_name(f"{target.name}.part"))
    time.sleep(0.3)
    target.with_name(f"{target.name}.part").rename(target)


def with_old_times(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)
    os.utime(target, (1_000_000_000, 1_000_000_000))


@pytest.mark.long
@pytest.mark.parametrize(
    "manner",
    [in_pieces, pre_sized, by_rename, with_old_times],
)
def test_every_manner_of_writing(manner, laboratory: Laboratory, tmp_path: Path) -> None:
    watched, database = tmp_path / "watched", tmp_path / "run.db"
    watched.mkdir()
    monitor = start(watched, database, "--until-idle", 3)
    for name in laboratory.names:
        manner(laboratory.frames / name, watched / name)
    said, _ = monitor.communicate(timeout=120)
    assert monitor.returncode == 0, said
    insist(
        f"written {manner.__name__.replace('_', ' ')}",
        len(laboratory.names),
        laboratory.judge(database, tmp_path),
    )


def _bad_files(folder: Path, good: Path) -> int:
    """Make files that cannot be counted; give their number."""
    content = good.read_bytes()
    made = {
        b"zero.tif": b"",
        b"garbage.tif": os.urandom(5000),
        b"truncated.tif": content[: len(content) // 2],
        b"text.png": b"not an image",
        b"line\nbreak.tif": b"II*\0",
        b"caf\xe9.tif": b"II*\0\xff\xff",
        b"=HYPERLINK(1).tif": b"MM\0*",
        b"<img src=x onerror=alert(1)>.tif": b"",
    }
    for name, data in made.items():
        Path(os.fsdecode(os.path.join(os.fsencode(folder), name))).write_bytes(data)  # noqa: PTH118
    tifffile.imwrite(folder / "complex.tif", np.ones((64, 64), np.complex64))
    return len(made) + 1


@pytest.mark.long
def test_bad_files_never_hold_up_good_ones(laboratory: Laboratory, tmp_path: Path) -> None:
    watched, database = laboratory.copy(tmp_path), tmp_path / "run.db"
    bad = _bad_files(watched, laboratory.frames / laboratory.names[0])
    quick = {
        "LIVECOUNT_WATCH__RETRY__ATTEMPTS": "2",
        "LIVECOUNT_WATCH__RETRY__FIRST_WAIT_S": "0.3",
    }
    run(watched, database, extra=quick)
    tally = status(database)
    good = len(laboratory.names)
    verdict = Verdict(
        good,
        max(0, good - tally["counted"]),
        max(0, tally["counted"] - good),
        tally["quarantined"] == bad and tally["pending"] == 0,
    )
    insist("files that cannot be counted", bad, verdict)


@pytest.mark.long
def test_a_frame_that_is_replaced_while_it_is_counted_is_counted_anew(
    laboratory: Laboratory, tmp_path: Path
) -> None:
    """In the end each path has one current count: that of what lies there now."""
    watched, database = laboratory.copy(tmp_path), tmp_path / "run.db"
    monitor = start(watched, database, "--until-idle", 3)
    first, last = laboratory.names[0], laboratory.names[-1]
    for _ in range(6):
        time.sleep(0.5)
        shutil.copyfile(laboratory.frames / last, watched / first)
        time.sleep(0.5)
        shutil.copyfile(laboratory.frames / first, watched / first)
    said, _ = monitor.communicate(timeout=120)
    assert monitor.returncode == 0, said
    tally = status(database)
    counted = tally["counted"]
    verdict = Verdict(
        len(laboratory.names), len(laboratory.names) - counted, 0, tally["pending"] == 0
    )
    insist("frame replaced again and again", 12, verdict)
