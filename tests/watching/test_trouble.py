"""Folders that go away and come back, faulty rules, lost events, locked folders."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from livecount.watching import FileStamp, Sighting, Watcher

Watch = Callable[..., Watcher]
Drain = Callable[..., list[Sighting]]
Until = Callable[..., None]


def names(sightings: list[Sighting]) -> list[str]:
    return [os.fsdecode(sighting.relative_path) for sighting in sightings]


def test_a_root_that_is_absent_at_first_is_waited_for(
    tmp_path: Path, watch: Watch, drain: Drain, until: Until
) -> None:
    root = tmp_path / "not yet"
    watcher = watch(root)
    until(lambda: watcher.status().offline_reason not in {"", "not looked at yet"})
    assert not watcher.status().online
    assert not watcher.is_idle()
    assert watcher.idle_for_s() == 0
    root.mkdir()
    (root / "a.tif").write_bytes(b"x")
    assert names(drain(watcher, 1)) == ["a.tif"]
    assert watcher.status().online


@pytest.mark.parametrize("use_events", [True, False], ids=["events", "scans only"])
def test_a_root_renamed_away_and_back_loses_and_repeats_nothing(
    tmp_path: Path, watch: Watch, drain: Drain, until: Until, use_events: bool
) -> None:
    root, away = tmp_path / "root", tmp_path / "away"
    root.mkdir()
    (root / "done.tif").write_bytes(b"x")
    watcher = watch(root, use_events=use_events)
    drain(watcher, 1)
    (root / "pending.tif").write_bytes(b"x")
    pending = watcher.next_complete(20)
    assert pending is not None
    watcher.look_again(pending.relative_path, 0.2)
    root.rename(away)
    until(lambda: not watcher.status().online)
    assert watcher.next_complete(0.5) is None
    status = watcher.status()
    assert status.waiting == 1
    assert status.vanished == 0
    assert status.known == 1
    assert status.offline_for_s > 0
    assert not watcher.is_idle()
    (away / "meanwhile.tif").write_bytes(b"x")
    away.rename(root)
    assert sorted(names(drain(watcher, 2))) == ["meanwhile.tif", "pending.tif"]
    until(watcher.is_idle)
    (root / "after.tif").write_bytes(b"x")
    assert names(drain(watcher, 1)) == ["after.tif"]


def test_a_root_deleted_and_recreated_is_heard_again(
    tmp_path: Path, watch: Watch, drain: Drain, until: Until
) -> None:
    root = tmp_path / "root"
    watcher = watch(root)
    for turn in range(3):
        root.mkdir()
        (root / f"{turn}.tif").write_bytes(b"x")
        assert names(drain(watcher, 1)) == [f"{turn}.tif"]
        until(lambda: watcher.status().mode == "events")
        heard = watcher.status().events
        (root / f"{turn} again.tif").write_bytes(b"x")
        assert names(drain(watcher, 1)) == [f"{turn} again.tif"]
        until(lambda heard=heard: watcher.status().events > heard)
        for path in root.iterdir():
            path.unlink()
        root.rmdir()
        until(lambda: not watcher.status().online)
    assert watcher.status().known == 6


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a tmpfs")
def test_an_unmounted_share_is_offline_though_its_empty_mount_point_is_there(
    tmp_path: Path, watch: Watch, drain: Drain, until: Until
) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    point = os.fsencode(tmp_path)

    def mount() -> None:
        if libc.mount(b"none", point, b"tmpfs", 0, b"size=1m") != 0:
            pytest.skip("mounting is not allowed here")

    mount()
    try:
        (tmp_path / "a.tif").write_bytes(b"x")
        watcher = watch(tmp_path)
        assert names(drain(watcher, 1)) == ["a.tif"]
        libc.umount2(point, 2)
        until(lambda: not watcher.status().online)
        assert "mounted" in watcher.status().offline_reason
        assert not watcher.is_idle()
        mount()
        time.sleep(0.5)
        (tmp_path / "b.tif").write_bytes(b"x")
        assert names(drain(watcher, 1)) == ["b.tif"]
        watcher.stop()
    finally:
        libc.umount2(point, 2)


def test_deleted_files_are_forgotten_while_pending_and_remembered_once_done(
    tmp_path: Path, watch: Watch, drain: Drain, until: Until
) -> None:
    done, pending = tmp_path / "done.tif", tmp_path / "pending.tif"
    done.write_bytes(b"x")
    watcher = watch(tmp_path)
    drain(watcher, 1)
    pending.write_bytes(b"x")
    sighting = watcher.next_complete(20)
    assert sighting is not None
    watcher.look_again(sighting.relative_path, 0.3)
    pending.unlink()
    status_of_done = done.stat()
    done.rename(tmp_path.parent / "aside.tif")
    until(watcher.is_idle)
    assert watcher.status().vanished == 1
    assert watcher.status().known == 1
    (tmp_path.parent / "aside.tif").rename(done)
    assert done.stat().st_mtime_ns == status_of_done.st_mtime_ns
    assert watcher.next_complete(0.6) is None


def test_a_faulty_ignore_rule_hides_nothing(tmp_path: Path, watch: Watch, drain: Drain) -> None:
    def faulty(path: bytes) -> bool:
        if path.startswith(b"bad"):
            raise ValueError("what is this")
        return True

    (tmp_path / "bad.tif").write_bytes(b"x")
    (tmp_path / "good.tif").write_bytes(b"x")
    watcher = watch(tmp_path, accepts=faulty)
    assert sorted(names(drain(watcher, 2))) == ["bad.tif", "good.tif"]
    assert "what is this" in watcher.status().last_error


def test_errors_in_the_event_handler_never_end_the_listening(
    tmp_path: Path, watch: Watch, drain: Drain, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    watcher = watch(tmp_path)
    until(lambda: watcher.status().mode == "events")
    events = watcher._events
    assert events is not None
    with monkeypatch.context() as patch:
        patch.setattr(events, "_relative", lambda path: 1 / 0)
        (tmp_path / "a.tif").write_bytes(b"x")
        assert names(drain(watcher, 1)) == ["a.tif"]
    heard = events.received
    (tmp_path / "b.tif").write_bytes(b"x")
    assert names(drain(watcher, 1)) == ["b.tif"]
    until(lambda: events.received > heard)
    assert events.is_alive


def test_a_dead_observer_is_replaced(
    tmp_path: Path, watch: Watch, drain: Drain, until: Until
) -> None:
    watcher = watch(tmp_path)
    events = watcher._events
    assert events is not None
    until(lambda: events.is_alive)
    dead = events._observer
    dead.stop()
    dead.join()
    until(lambda: events.is_alive and events._observer is not dead)
    heard = events.received
    (tmp_path / "a.tif").write_bytes(b"x")
    assert names(drain(watcher, 1)) == ["a.tif"]
    until(lambda: events.received > heard)


def test_a_deaf_observer_is_replaced_once_scans_find_more_than_it_heard(
    tmp_path: Path, watch: Watch, drain: Drain, until: Until
) -> None:
    watcher = watch(tmp_path)
    events = watcher._events
    assert events is not None
    until(lambda: events.is_alive)
    until(lambda: watcher.status().scans >= 3)
    deaf = events._observer
    for emitter in deaf.emitters:
        emitter.queue_event = lambda event: None
    for name in ("a.tif", "a again.tif"):
        (tmp_path / name).write_bytes(b"x")
        assert names(drain(watcher, 1)) == [name]
    until(lambda: events.is_alive and events._observer is not deaf)
    heard = events.received
    (tmp_path / "b.tif").write_bytes(b"x")
    assert names(drain(watcher, 1)) == ["b.tif"]
    until(lambda: events.received > heard)
    assert watcher.status().mode == "events"


LOCKED = """
import os, sys, time
from pathlib import Path
import structlog
from livecount.watching import SettleRule, Watcher
structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
root = Path(sys.argv[1])
if os.getuid() == 0:
    os.setgid(65534); os.setuid(65534)
with Watcher(root, known={}, accepts=lambda path: path.endswith(b".tif"), interval_s=0.2,
             settle=SettleRule(0.1)) as watcher:
    def take():
        sighting = watcher.next_complete(20)
        watcher.mark_done(sighting.relative_path, sighting.stamp)
        return sighting.relative_path.decode()
    print(take(), flush=True)
    while not watcher.status().problems:
        time.sleep(0.02)
    print(*watcher.status().problems, flush=True)
    print(take(), flush=True)
    while watcher.status().problems:
        time.sleep(0.02)
    print("no problems", flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
def test_locked_folders_are_reported_and_read_once_unlocked(tmp_path: Path) -> None:
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.getuid() and not folder.stat().st_mode & 0o001:
            if "pytest" not in folder.parts[-1] and "pytest" not in str(folder.parent):
                pytest.skip("another user could not reach the folder")
            folder.chmod(0o755)
    locked = tmp_path / "locked"
    locked.mkdir()
    (locked / "inside.tif").write_bytes(b"x")
    (tmp_path / "open.tif").write_bytes(b"x")
    locked.chmod(0o000)
    with subprocess.Popen(
        [sys.executable, "-c", LOCKED, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "open.tif\n"
            assert process.stdout.readline() == "locked: Permission denied\n"
            locked.chmod(0o755)
            assert process.stdout.readline() == "locked/inside.tif\n"
            assert process.stdout.readline() == "no problems\n"
        finally:
            locked.chmod(0o755)
            process.kill()


def test_too_many_hints_end_in_a_scan(tmp_path: Path, watch: Watch, drain: Drain) -> None:
    watcher = watch(tmp_path, interval_s=5.0)
    assert watcher.next_complete(0.5) is None
    events = watcher._events
    assert events is not None
    (tmp_path / "a.tif").write_bytes(b"x")
    with events._lock:
        events._paths.clear()
        events._overflowed = True
    assert names(drain(watcher, 1)) == ["a.tif"]


def test_known_frames_in_an_empty_folder_are_pointed_out(
    tmp_path: Path, watch: Watch, until: Until
) -> None:
    watcher = watch(tmp_path, known={b"a.tif": FileStamp(1, 1)})
    until(lambda: watcher.status().n_problems == 1)
    assert "mounted" in watcher.status().problems[0]
    assert watcher.status().known == 1


def test_stop_ends_waiting_callers_and_leaves_no_thread(tmp_path: Path, until: Until) -> None:
    import threading

    from livecount.watching import SettleRule

    before = set(threading.enumerate())
    watcher = Watcher(tmp_path, known={}, accepts=lambda path: True, settle=SettleRule(0.1))
    watcher.start()
    with pytest.raises(RuntimeError):
        watcher.start()
    with pytest.raises(RuntimeError):
        watcher.scan_once()
    until(lambda: watcher.status().mode == "events")
    answers: list[Sighting | None] = []
    caller = threading.Thread(target=lambda: answers.append(watcher.next_complete(60)))
    caller.start()
    began_s = time.monotonic()
    assert watcher.stop()
    caller.join(10)
    assert answers == [None]
    assert time.monotonic() - began_s < 5
    until(lambda: set(threading.enumerate()) <= before)
    assert watcher.next_complete(0) is None
