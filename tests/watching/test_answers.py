"""What the monitor answers, retries, idleness, and the rules in slow motion under a made clock."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from livecount.watching import FileStamp, SettleRule, Sighting, Watcher
from livecount.watching.ledger import Ledger, Look
from livecount.watching.pace import Pace

Watch = Callable[..., Watcher]
Drain = Callable[..., list[Sighting]]
Until = Callable[..., None]


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def slow(tmp_path: Path, clock: Clock) -> Watcher:
    """A watcher that looks only when told to."""
    return Watcher(
        tmp_path,
        known={},
        accepts=lambda path: path.endswith(b".tif"),
        settle=SettleRule(unchanged_for_s=2.0, growth_every_s=5.0),
        clock=clock,
        use_events=False,
    )


def take(watcher: Watcher) -> Sighting:
    sighting = watcher.next_complete(0)
    assert sighting is not None
    return sighting


def settle(watcher: Watcher, clock: Clock) -> None:
    watcher.scan_once()
    clock.now_s += 2.0
    watcher.scan_once()


def test_retries_come_when_due_and_in_the_order_of_their_times(
    tmp_path: Path, slow: Watcher, clock: Clock
) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.tif").write_bytes(b"x")
    settle(slow, clock)
    for after_s in (30.0, 10.0, 20.0):
        slow.look_again(take(slow).relative_path, after_s)
    assert slow.status().waiting == 3
    assert slow.status().next_retry_in_s == 10.0
    seen = []
    for _ in range(4):
        slow.scan_once()
        sighting = slow.next_complete(0)
        if sighting is not None:
            seen.append((clock.now_s - 102, sighting.settled, sighting.unchanged_for_s))
            slow.mark_done(sighting.relative_path, sighting.stamp)
        clock.now_s += 10
    assert seen == [(10, True, 12), (20, True, 22), (30, True, 32)]
    assert slow.status().next_retry_in_s is None


def test_a_change_ends_the_waiting_for_a_retry(tmp_path: Path, slow: Watcher, clock: Clock) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(b"")
    settle(slow, clock)
    slow.look_again(take(slow).relative_path, 3600)
    path.write_bytes(b"now complete")
    settle(slow, clock)
    sighting = take(slow)
    assert sighting.settled
    assert sighting.stamp.size_bytes == 12


def test_a_file_read_at_another_stamp_than_shown_is_looked_at_again(
    tmp_path: Path, slow: Watcher, clock: Clock
) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(b"x")
    settle(slow, clock)
    shown = take(slow)
    path.write_bytes(b"xyz")
    read = FileStamp(3, path.stat().st_mtime_ns)
    slow.mark_done(shown.relative_path, read)
    assert not slow.is_idle()
    slow.scan_once()
    assert slow.is_idle()
    assert slow.status().known == 1


def test_done_at_the_old_stamp_does_not_hide_a_change_during_the_read(
    tmp_path: Path, slow: Watcher, clock: Clock
) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(b"x")
    settle(slow, clock)
    shown = take(slow)
    path.write_bytes(b"changed while it was read")
    slow.scan_once()
    slow.mark_done(shown.relative_path, shown.stamp)
    assert slow.status().settling == 1
    clock.now_s += 2
    slow.scan_once()
    assert take(slow).stamp.size_bytes == 25


def test_a_done_file_can_be_taken_up_again(tmp_path: Path, slow: Watcher, clock: Clock) -> None:
    (tmp_path / "a.tif").write_bytes(b"x")
    settle(slow, clock)
    shown = take(slow)
    slow.mark_done(shown.relative_path, shown.stamp)
    slow.look_again(shown.relative_path, 0)
    slow.scan_once()
    again = take(slow)
    assert again.settled
    assert again.stamp == shown.stamp


def test_a_growing_file_is_shown_unsettled_at_most_every_few_seconds(
    tmp_path: Path, slow: Watcher, clock: Clock
) -> None:
    path = tmp_path / "stack.tif"
    shown = []
    for second in range(21):
        with path.open("ab") as file:
            file.write(b"page")
        os.utime(path, (0, second))
        slow.scan_once()
        sighting = slow.next_complete(0)
        if sighting is not None:
            assert not sighting.settled
            shown.append((second, sighting.stamp.size_bytes))
        clock.now_s += 1
    # Looks come every 2 s; of their findings every third is told.
    assert shown == [(2, 12), (8, 36), (14, 60), (20, 84)]
    clock.now_s += 2
    slow.scan_once()
    final = take(slow)
    assert final.settled
    assert final.stamp.size_bytes == 84


def test_a_shrinking_file_starts_to_settle_anew(
    tmp_path: Path, slow: Watcher, clock: Clock
) -> None:
    path = tmp_path / "stack.tif"
    path.write_bytes(b"0" * 1000)
    slow.scan_once()
    clock.now_s += 1.9
    os.truncate(path, 10)
    clock.now_s += 0.1
    slow.scan_once()
    clock.now_s += 1.9
    slow.scan_once()
    assert slow.status().due == 0
    clock.now_s += 0.1
    slow.scan_once()
    sightings = [take(slow)]
    assert [(s.settled, s.stamp.size_bytes) for s in sightings] == [(True, 10)]
    assert slow.next_complete(0) is None


def test_clocks_of_the_file_system_do_not_matter(
    tmp_path: Path, slow: Watcher, clock: Clock
) -> None:
    for name, mtime_s in (("past", 1), ("future", 2**32), ("negative", -(10**6))):
        path = tmp_path / f"{name}.tif"
        path.write_bytes(b"x")
        os.utime(path, (0, mtime_s))
    slow.scan_once()
    clock.now_s += 1.999
    slow.scan_once()
    assert slow.next_complete(0) is None
    clock.now_s += 0.001
    slow.scan_once()
    assert [take(slow).relative_path for _ in range(3)] == [
        b"future.tif",
        b"past.tif",
        b"negative.tif",
    ]


def test_idleness_is_proved_by_scans(tmp_path: Path, slow: Watcher, clock: Clock) -> None:
    assert not slow.is_idle()
    slow.scan_once()
    assert slow.is_idle()
    clock.now_s += 30
    assert slow.idle_for_s() == 0, "no scan has looked since"
    (tmp_path / "a.tif").write_bytes(b"x")
    slow.scan_once()
    assert not slow.is_idle()
    clock.now_s += 2
    slow.scan_once()
    shown = take(slow)
    assert not slow.is_idle(), "in hand"
    slow.look_again(shown.relative_path, 5)
    assert not slow.is_idle(), "waiting for a retry"
    clock.now_s += 5
    slow.scan_once()
    shown = take(slow)
    slow.mark_done(shown.relative_path, shown.stamp)
    assert slow.is_idle()
    clock.now_s += 7
    slow.scan_once()
    assert slow.idle_for_s() == 7


def test_idleness_of_a_running_watcher(
    tmp_path: Path, watch: Watch, drain: Drain, until: Until
) -> None:
    watcher = watch(tmp_path)
    until(watcher.is_idle)
    (tmp_path / "a.tif").write_bytes(b"x")
    until(lambda: not watcher.is_idle())
    drain(watcher, 1)
    until(watcher.is_idle)
    done_s = time.monotonic()
    until(lambda: watcher.idle_for_s() >= 0.5)
    assert time.monotonic() - done_s >= 0.4


@pytest.mark.parametrize("looks", [2, 3, 5])
def test_settling_takes_all_its_looks_and_all_its_time(looks: int) -> None:
    ledger = Ledger({}, SettleRule(unchanged_for_s=2.0, looks=looks), "newest")
    stamp = FileStamp(1, 1)
    made, now_s = 0, 0.0
    while ledger.take(now_s) is None:
        ledger.record(Look(b"a", stamp, now_s, now_s))
        made += 1
        # Many more looks than needed, as hints may bring: the early ones do not count.
        now_s += 0.0625
    # The last look began one step before now.
    assert now_s - 0.0625 == 2.0
    assert made == 33


def test_slow_looks_count_from_the_end_of_one_to_the_beginning_of_the_next() -> None:
    ledger = Ledger({}, SettleRule(unchanged_for_s=2.0), "newest")
    stamp = FileStamp(1, 1)
    ledger.record(Look(b"a", stamp, 0.0, 10.0))
    ledger.record(Look(b"a", stamp, 11.0, 13.0))
    assert ledger.take(13.0) is None
    ledger.record(Look(b"a", stamp, 14.0, 14.0))
    settled = ledger.take(14.0)
    assert settled is not None
    assert settled.unchanged_for_s == 4.0


def test_network_folders_settle_longer() -> None:
    rule = SettleRule(unchanged_for_s=2.0, on_network_s=10.0)
    assert rule.settling_time_s(on_network=False) == 2.0
    assert rule.settling_time_s(on_network=True) == 10.0
    assert SettleRule(unchanged_for_s=30.0).settling_time_s(on_network=True) == 30.0
    for wrong in ({"looks": 1}, {"unchanged_for_s": 0.0}, {"growth_every_s": float("nan")}):
        with pytest.raises(ValueError):
            SettleRule(**wrong)


def test_costly_scans_come_less_often_but_come() -> None:
    pace = Pace(5.0)
    assert pace.due(0.0) == "full"
    pace.note("full", ended_s=10.0, wall_s=0.5, cpu_s=0.49)
    assert pace.due(14.9) is None
    assert pace.due(15.0) == "names"
    pace.note("names", ended_s=15.1, wall_s=0.1, cpu_s=0.1)
    assert pace.due(25.0) is None
    assert pace.due(25.2) == "names"
    assert pace.due(80.1) == "full"
    pace.want("names")
    assert pace.due(15.2) is None
    assert pace.due(16.2) == "names"
    pace.want("full", at_once=True)
    assert pace.due(15.2) == "full"
    pace.note("full", ended_s=100.0, wall_s=3600.0, cpu_s=1.0)
    assert pace.due(105.0 + 60.0) == "names"
    assert pace.due(100.0 + 900.0) == "full"


@pytest.mark.parametrize("order", ["newest", "oldest"])
def test_what_is_foreseen_is_what_comes(order: str) -> None:
    ledger = Ledger({}, SettleRule(unchanged_for_s=2.0), order)  # type: ignore[arg-type]
    assert ledger.foresee() is None
    for now_s in (0.0, 3.0):
        for number, name in enumerate((b"a", b"b", b"c")):
            ledger.record(Look(name, FileStamp(1, number), now_s, now_s))
    ledger.record(Look(b"b", FileStamp(2, 9), 4.0, 4.0))  # grows: not settled any more
    settled = 0
    while True:
        foreseen, taken = ledger.foresee(), ledger.take(4.0)
        if taken is None:
            break
        assert foreseen == ((taken.relative_path, taken.stamp) if taken.settled else None)
        settled += taken.settled
    assert settled == 2
    assert ledger.foresee() is None
