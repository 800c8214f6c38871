"""Random histories of real files under a made clock: once per stamp, never before settling."""

from __future__ import annotations

import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from livecount.watching import FileStamp, SettleRule, Sighting, Watcher

SETTLE_S = 2.0
RULES = SettleRule(unchanged_for_s=SETTLE_S, looks=2, on_network_s=SETTLE_S, growth_every_s=3.0)
NAMES = [b"a.tif", b"b.tif", b"sub/c.tif", b"sub/deep/d.tif", b"caf\xe9 \n.tif", b"note.txt"]


@dataclass
class Truth:
    """What a file really is, and since when."""

    stamp: FileStamp
    since_s: float


class History(RuleBasedStateMachine):
    """Writers, a clock, scans and a monitor, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.root = Path(self.folder.name)
        self.now_s = 1000.0
        self.mtime_ns = 10**18
        self.truth: dict[bytes, Truth] = {}
        self.at_scan: dict[bytes, Truth] = {}
        self.scan_s = self.now_s
        self.reported: dict[tuple[bytes, FileStamp], int] = {}
        self.allowed: dict[tuple[bytes, FileStamp], int] = {}
        self.growth_s: dict[bytes, float] = {}
        self.in_hand: list[Sighting] = []
        self.answered: set[tuple[bytes, FileStamp]] = set()

    @initialize(
        known=st.sets(st.sampled_from(NAMES[:4])), order=st.sampled_from(["newest", "oldest"])
    )
    def begin(self, known: set[bytes], order: str) -> None:
        for name in sorted(known):
            self.write(name, 10)
        done = {name: self.truth[name].stamp for name in known}
        for name, stamp in done.items():
            self.allowed[(name, stamp)] = 0
            self.answered.add((name, stamp))
        self.order = order
        self.watcher = Watcher(
            self.root,
            known=done,
            accepts=lambda path: path.endswith(b".tif"),
            settle=RULES,
            order=order,  # type: ignore[arg-type]
            clock=lambda: self.now_s,
            use_events=False,
        )

    @rule(name=st.sampled_from(NAMES), size=st.integers(0, 50))
    def write(self, name: bytes, size: int) -> None:
        """A new file, growth, truncation or replacement; modification times go anywhere."""
        path = self.root / os.fsdecode(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * size)
        self.mtime_ns = self.mtime_ns * 16807 % (2**61 - 1)
        os.utime(path, ns=(0, self.mtime_ns))
        self.truth[name] = Truth(FileStamp(size, path.stat().st_mtime_ns), self.now_s)

    @precondition(lambda self: self.truth)
    @rule(choice=st.integers(0, 5))
    def delete(self, choice: int) -> None:
        name = self.one_of_the_files(choice)
        (self.root / os.fsdecode(name)).unlink()
        del self.truth[name]

    @precondition(lambda self: self.truth)
    @rule(choice=st.integers(0, 5), new_name=st.sampled_from(NAMES))
    def rename(self, choice: int, new_name: bytes) -> None:
        """Temp + rename: content and times move, only the name is new."""
        name = self.one_of_the_files(choice)
        if name == new_name:
            return
        target = self.root / os.fsdecode(new_name)
        target.parent.mkdir(parents=True, exist_ok=True)
        (self.root / os.fsdecode(name)).replace(target)
        stamp = self.truth.pop(name).stamp
        # Away and back between two scans is the same content under the same name.
        met = self.at_scan.get(new_name)
        back = met is not None and met.stamp == stamp
        self.truth[new_name] = Truth(stamp, met.since_s if met and back else self.now_s)

    def one_of_the_files(self, choice: int) -> bytes:
        names = sorted(self.truth)
        return names[choice % len(names)]

    @rule(seconds=st.sampled_from([0.125, 0.875, 1.125, 1.875, 2.0, 7.0]))
    def wait(self, seconds: float) -> None:
        self.now_s += seconds

    @rule()
    def scan(self) -> None:
        self.watcher.scan_once()
        self.scan_s = self.now_s
        self.at_scan = {name: Truth(t.stamp, t.since_s) for name, t in self.truth.items()}
        # A file that left, or went back to what is done, starts anew.
        for name in list(self.growth_s):
            truth = self.truth.get(name)
            if truth is None or (name, truth.stamp) in self.answered:
                del self.growth_s[name]

    @rule()
    def take(self) -> None:
        sighting = self.watcher.next_complete(0)
        if sighting is None:
            return
        if sighting.settled:
            self.check_settled(sighting)
            self.in_hand.append(sighting)
        else:
            self.check_growing(sighting)

    def check_settled(self, sighting: Sighting) -> None:
        name = sighting.relative_path
        assert name.endswith(b".tif")
        # A file that changed since the last scan is shown as that scan met it.
        seen = self.at_scan[name]
        assert sighting.stamp == seen.stamp
        assert self.scan_s - seen.since_s >= SETTLE_S
        assert sighting.unchanged_for_s >= SETTLE_S
        self.growth_s.pop(name, None)
        key = (name, sighting.stamp)
        self.reported[key] = self.reported.get(key, 0) + 1
        assert self.reported[key] <= self.allowed.get(key, 1), "shown twice at one stamp"

    def check_growing(self, sighting: Sighting) -> None:
        last_s = self.growth_s.get(sighting.relative_path)
        assert last_s is None or self.now_s - last_s >= RULES.growth_every_s
        self.growth_s[sighting.relative_path] = self.now_s

    @precondition(lambda self: self.in_hand)
    @rule()
    def done(self) -> None:
        sighting = self.in_hand.pop(0)
        name, stamp = sighting.relative_path, sighting.stamp
        # Only the last content dealt with is known: an earlier one that returns is a replacement.
        for other in [key for key in self.answered if key[0] == name and key[1] != stamp]:
            self.answered.discard(other)
            self.allowed[other] = self.reported.get(other, 0) + 1
        self.answered.add((name, stamp))
        self.watcher.mark_done(name, stamp)

    @precondition(lambda self: self.in_hand)
    @rule(after_s=st.sampled_from([0.0, 3.0, 30.0]))
    def retry(self, after_s: float) -> None:
        sighting = self.in_hand.pop(0)
        key = (sighting.relative_path, sighting.stamp)
        self.allowed[key] = self.allowed.get(key, 1) + 1
        self.watcher.look_again(sighting.relative_path, after_s)

    @invariant()
    def never_idle_with_work(self) -> None:
        for sighting in self.in_hand:
            truth = self.at_scan.get(sighting.relative_path)
            if truth is not None and truth.stamp == sighting.stamp:
                assert not self.watcher.is_idle()

    def teardown(self) -> None:
        try:
            if hasattr(self, "watcher") and sys.exc_info()[0] is None:
                self.let_it_end()
        finally:
            self.folder.cleanup()

    def let_it_end(self) -> None:
        """Nobody writes any more: every file must come out, once, and then all is idle."""
        for _ in range(8):
            self.scan()
            while (sighting := self.watcher.next_complete(0)) is not None:
                if sighting.settled:
                    self.check_settled(sighting)
                    self.in_hand.append(sighting)
            while self.in_hand:
                self.done()
            self.now_s += 10
        self.scan()
        for name, truth in self.truth.items():
            if name.endswith(b".tif"):
                key = (name, truth.stamp)
                assert self.reported.get(key, 0) >= 1 or self.allowed.get(key) == 0, name
        assert self.watcher.is_idle(), self.watcher.status()


TestHistory = History.TestCase
TestHistory.settings = settings(
    max_examples=150,
    stateful_step_count=40,
    deadline=None,
    report_multiple_bugs=False,
    phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)
