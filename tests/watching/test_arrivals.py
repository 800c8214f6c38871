"""Files that arrive in every way that software writes them: real files, threads and events."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from livecount.watching import FileStamp, SettleRule, Sighting, Watcher

Watch = Callable[..., Watcher]
Drain = Callable[..., list[Sighting]]
Until = Callable[..., None]


def names(sightings: list[Sighting]) -> list[str]:
    return [os.fsdecode(sighting.relative_path) for sighting in sightings]


@pytest.mark.parametrize("use_events", [True, False], ids=["events", "scans only"])
def test_a_burst_of_5000_files_in_new_folders_is_seen_whole(
    tmp_path: Path, watch: Watch, drain: Drain, use_events: bool
) -> None:
    watcher = watch(tmp_path, use_events=use_events)

    def write() -> None:
        for number in range(5000):
            folder = tmp_path / f"Pos{number % 97}" / f"t{number % 7}"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{number}.tif").write_bytes(b"frame")

    writer = threading.Thread(target=write)
    writer.start()
    seen = drain(watcher, 5000, timeout_s=120)
    writer.join()
    assert len(set(names(seen))) == len(seen) == 5000
    assert watcher.next_complete(0.3) is None
    assert watcher.status().known == 5000


def test_files_present_at_start_come_newest_first_and_ties_by_name(
    tmp_path: Path, watch: Watch, drain: Drain, until: Until
) -> None:
    for name, mtime_s in [("b", 30), ("a", 30), ("future", 2**33), ("old", 10), ("sub/new", 40)]:
        path = tmp_path / f"{name}.tif"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
        os.utime(path, (0, mtime_s))
    newest = ["future.tif", "sub/new.tif", "a.tif", "b.tif", "old.tif"]
    oldest = ["old.tif", "a.tif", "b.tif", "sub/new.tif", "future.tif"]
    for order, expected in (("newest", newest), ("oldest", oldest)):
        watcher = watch(tmp_path, order=order)
        until(lambda watcher=watcher: watcher.status().due == 5)
        assert names(drain(watcher, 5)) == expected


@pytest.mark.parametrize("order", ["newest", "oldest"])
def test_a_frame_that_lands_now_goes_before_the_backlog(
    order: str, tmp_path: Path, watch: Watch, drain: Drain, until: Until
) -> None:
    for number in range(20):
        (tmp_path / f"old{number:02d}.tif").write_bytes(b"frame")
    watcher = watch(tmp_path, order=order)
    until(lambda: watcher.status().due == 20)
    landed = tmp_path / "new.tif"
    landed.write_bytes(b"frame")
    os.utime(landed, (1, 1) if order == "newest" else (2**33, 2**33))  # the last by its time
    until(lambda: watcher.status().due == 21)
    assert names(drain(watcher, 1)) == ["new.tif"]
    assert len(drain(watcher, 20)) == 20


def test_known_files_are_not_shown_and_changed_ones_are(
    tmp_path: Path, watch: Watch, drain: Drain, until: Until
) -> None:
    known = {}
    for number in range(50):
        path = tmp_path / f"{number:02}.tif"
        path.write_bytes(b"x")
        known[os.fsencode(path.name)] = FileStamp(1, path.stat().st_mtime_ns)
    (tmp_path / "07.tif").write_bytes(b"replaced while the monitor was off")
    watcher = watch(tmp_path, known=known)
    assert names(drain(watcher, 1)) == ["07.tif"]
    until(watcher.is_idle)
    assert watcher.next_complete(0) is None


def test_a_slow_writer_settles_only_after_its_end_and_shows_growth(
    tmp_path: Path, watch: Watch
) -> None:
    settle = SettleRule(unchanged_for_s=0.6, growth_every_s=0.3)
    watcher = watch(tmp_path, settle=settle)
    ended = threading.Event()
    ended_s = []

    def write() -> None:
        with (tmp_path / "stack.tif").open("wb") as file:
            for _ in range(12):
                file.write(b"page" * 100)
                file.flush()
                time.sleep(0.1)
        ended_s.append(time.monotonic())
        ended.set()

    writer = threading.Thread(target=write)
    writer.start()
    growing, sighting = [], None
    while sighting is None or not sighting.settled:
        sighting = watcher.next_complete(20)
        assert sighting is not None
        if not sighting.settled:
            growing.append(sighting)
    assert ended.is_set()
    # The writer's last write lies at most its pause of 0.1 s before its end.
    assert time.monotonic() - ended_s[0] >= 0.6 - 0.15
    assert sighting.stamp.size_bytes == 4800
    assert sighting.unchanged_for_s >= 0.6
    assert len(growing) >= 1
    sizes = [seen.stamp.size_bytes for seen in growing]
    assert sizes == sorted(sizes)
    assert sizes[-1] <= 4800
    writer.join()


def test_a_presized_file_truncated_at_close_is_shown_at_its_final_size(
    tmp_path: Path, watch: Watch, drain: Drain
) -> None:
    watcher = watch(tmp_path, settle=SettleRule(unchanged_for_s=0.5, growth_every_s=0.2))

    def write() -> None:
        with (tmp_path / "stack.ome.tif").open("wb") as file:
            file.truncate(10_000_000)
            for page in range(10):
                file.seek(page * 1000)
                file.write(b"p" * 1000)
                file.flush()
                time.sleep(0.1)
            file.truncate(10_000)

    writer = threading.Thread(target=write)
    writer.start()
    (seen,) = drain(watcher, 1)
    writer.join()
    assert seen.stamp.size_bytes == 10_000


def test_a_file_replaced_after_it_was_done_comes_again(
    tmp_path: Path, watch: Watch, drain: Drain
) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(b"first")
    watcher = watch(tmp_path)
    (first,) = drain(watcher, 1)
    path.write_bytes(b"second one")
    (second,) = drain(watcher, 1)
    # The same size again: only the time tells.
    (tmp_path / "other.tmp").write_bytes(b"THIRD one!")
    (tmp_path / "other.tmp").replace(path)
    (third,) = drain(watcher, 1)
    assert [seen.stamp.size_bytes for seen in (first, second, third)] == [5, 10, 10]
    assert second.stamp != third.stamp


def test_temp_and_rename_is_shown_once_under_its_final_name(
    tmp_path: Path, watch: Watch, drain: Drain, until: Until
) -> None:
    watcher = watch(tmp_path)
    for number in range(20):
        part = tmp_path / f"{number}.tif.part"
        part.write_bytes(b"half")
        with part.open("ab") as file:
            file.write(b" and half")
        part.rename(tmp_path / f"{number}.tif")
    seen = drain(watcher, 20)
    assert sorted(names(seen)) == sorted(f"{number}.tif" for number in range(20))
    assert {sighting.stamp.size_bytes for sighting in seen} == {13}
    until(watcher.is_idle)


def test_folders_moved_in_and_trees_deeper_than_the_events_know(
    tmp_path: Path, watch: Watch, drain: Drain
) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    for level in range(5):
        folder = outside.joinpath(*[f"level{depth}" for depth in range(level + 1)])
        folder.mkdir(parents=True)
        (folder / "f.tif").write_bytes(b"x")
    watcher = watch(root)
    assert watcher.next_complete(0.5) is None
    outside.rename(root / "moved")
    assert len(drain(watcher, 5)) == 5


HOSTILE = [
    b"caf\xe9.tif",
    b"line\nbreak.tif",
    b"<img src=x onerror=alert(1)>.tif",
    b"=HYPERLINK(1).tif",
    b"-rf .tif",
    "caf\u00e9.tif".encode(),
    "cafe\u0301.tif".encode(),
    b"quote'\"`$(x).tif",
    b"back\\slash.tif",
    b" .tif",
    b"\xff\xfe/\x80.tif",
]


@pytest.mark.skipif(os.name == "nt", reason="POSIX file names")
@pytest.mark.parametrize("use_events", [True, False], ids=["events", "scans only"])
def test_hostile_names_come_back_byte_for_byte(
    tmp_path: Path, watch: Watch, drain: Drain, use_events: bool
) -> None:
    watcher = watch(tmp_path, use_events=use_events, interval_s=5.0 if use_events else 0.2)
    assert watcher.next_complete(0.5) is None
    for name in HOSTILE:
        path = tmp_path / os.fsdecode(name)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    seen = drain(watcher, len(HOSTILE))
    assert {sighting.relative_path for sighting in seen} == set(HOSTILE)


def test_ignored_and_irregular_files_are_left_alone(
    tmp_path: Path, watch: Watch, drain: Drain, until: Until
) -> None:
    (tmp_path / "real.tif").write_bytes(b"x")
    (tmp_path / "notes.txt").write_bytes(b"x")
    (tmp_path / ".hidden.tif").write_bytes(b"x")
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "thumb.tif").write_bytes(b"x")
    (tmp_path / "link.tif").symlink_to(tmp_path / "real.tif")
    (tmp_path / "folder.tif").mkdir()
    os.mkfifo(tmp_path / "pipe.tif")
    watcher = watch(tmp_path)
    assert names(drain(watcher, 1)) == ["real.tif"]
    until(watcher.is_idle)
    status = watcher.status()
    assert (status.files_seen, status.ignored, status.links_skipped) == (1, 2, 1)


def test_symlink_loops_end(tmp_path: Path, watch: Watch, drain: Drain, until: Until) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (inner / "f.tif").write_bytes(b"x")
    (inner / "up").symlink_to(tmp_path)
    (tmp_path / "self").symlink_to(tmp_path / "self")
    watcher = watch(tmp_path)
    assert names(drain(watcher, 1)) == ["a/b/f.tif"]
    (tmp_path / "late").symlink_to(tmp_path / "a")
    (inner / "g.tif").write_bytes(b"x")
    assert names(drain(watcher, 1)) == ["a/b/g.tif"]
    until(lambda: watcher.status().links_skipped == 3)
    assert watcher.next_complete(0.2) is None


def test_folders_nested_without_end_are_reported_not_followed(
    tmp_path: Path, watch: Watch, drain: Drain
) -> None:
    deep = tmp_path.joinpath(*["d"] * 70)
    deep.mkdir(parents=True)
    (deep / "too_deep.tif").write_bytes(b"x")
    (tmp_path / "fine.tif").write_bytes(b"x")
    watcher = watch(tmp_path, use_events=False)
    assert names(drain(watcher, 1)) == ["fine.tif"]
    assert watcher.status().n_problems == 1
    assert "deeper" in watcher.status().problems[0]


def test_an_idle_start_is_shown_on_the_second_look(
    tmp_path: Path, watch: Watch, drain: Drain
) -> None:
    """Files that lay there for long wait for two looks, not for two scans."""
    (tmp_path / "a.tif").write_bytes(b"x")
    began_s = time.monotonic()
    watcher = watch(tmp_path, interval_s=30.0)
    assert len(drain(watcher, 1)) == 1
    assert 0.1 <= time.monotonic() - began_s < 10
