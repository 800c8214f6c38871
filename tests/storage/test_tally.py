"""Under any order of what can happen to files, no frame is lost, doubled or unaccounted for."""

from __future__ import annotations

import runpy
import sqlite3
import tempfile
from collections import Counter
from contextlib import closing
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from livecount.errors import StoreError
from livecount.storage import AnalysisSettings, CountStore, FileStamp, FrameState, Recorded

made = runpy.run_path(str(Path(__file__).with_name("made_frames.py")))
PATHS = st.sampled_from([b"a.tif", b"b\xff.tif", b"c\n.tif"])
PAGES = st.integers(0, 2)
STAMPS = st.integers(1, 3).map(lambda n: FileStamp(n, n * 10))
CONTENTS = st.sampled_from(["x", "y", "z"])
WHICH = st.integers(0, 1)


class Microscope(RuleBasedStateMachine):
    """A model of the rules: what is current at each page, what was ever counted, which files."""

    @initialize()
    def start(self):
        self.folder = tempfile.TemporaryDirectory()
        self.database = Path(self.folder.name) / "counts.db"
        self.store = CountStore.open(self.database)
        experiment = self.store.ensure_experiment("e")
        self.source = self.store.ensure_source(experiment, made["FOLDER"])
        self.analyses = [
            self.store.ensure_analysis(experiment, AnalysisSettings("m", "00", d, "px"))
            for d in (20, 30)
        ]
        self.files = {}  # path -> [stamp, state]
        self.current = {}  # (path, page) -> [content or None, state, stamp]
        self.superseded = Counter()  # (path, page, content) -> rows
        self.counted = {}  # (path, page, content, analysis) -> n

    def see(self, path, stamp):
        if self.files.get(path, [None])[0] == stamp:
            return
        self.files[path] = [stamp, "pending"]
        for (of, _), page in self.current.items():
            if of == path and page[0] is None and page[1] == "quarantined":
                page[1] = "pending"

    def place(self, path, page, content, state, stamp):
        old = self.current.get((path, page))
        if old and old[0] is not None and old[0] != content:
            self.superseded[path, page, old[0]] += 1
        if content is not None and self.superseded[path, page, content]:
            self.superseded[path, page, content] -= 1
        self.current[path, page] = [content, state, stamp]

    def has_count(self, path, page, content):
        return any(key[:3] == (path, page, content) for key in self.counted)

    @rule(seen=st.lists(st.tuples(PATHS, STAMPS), max_size=3))
    def note_seen(self, seen):
        self.store.note_seen(self.source, seen)
        for path, stamp in seen:
            self.see(path, stamp)

    @rule(path=PATHS, stamp=STAMPS, n_pages=st.integers(1, 3))
    def note_pages(self, path, stamp, n_pages):
        self.store.note_pages(self.source, path, stamp, n_pages)
        if path not in self.files:
            self.see(path, stamp)
        for page in range(n_pages):
            if (path, page) not in self.current:
                self.current[path, page] = [None, "pending", None]
                self.files[path][1] = "pending"

    @rule(path=PATHS, page=PAGES, content=CONTENTS, stamp=STAMPS, which=WHICH, n=st.integers(0, 5))
    def record(self, path, page, content, stamp, which, n):
        analysis = self.analyses[which]
        count = made["make_count"](analysis.id, path, page, content, n)
        recorded = self.store.record(self.source, count, stamp=stamp)
        if path not in self.files:
            self.see(path, stamp)
        old = self.current.get((path, page))
        again = (path, page, content, which) in self.counted and old and old[0] == content
        assert (recorded is Recorded.ALREADY) == bool(again)
        revised = old is not None and old[0] not in (None, content)
        assert (recorded is Recorded.REVISED) == revised
        self.place(path, page, content, "counted", stamp)
        self.counted.setdefault((path, page, content, which), n)

    @rule(
        path=PATHS,
        page=PAGES,
        content=st.none() | CONTENTS,
        stamp=STAMPS,
        state=st.sampled_from(["ignored", "quarantined"]),
    )
    def set_page_aside(self, path, page, content, stamp, state):
        method = self.store.ignore if state == "ignored" else self.store.quarantine
        method(self.source, path, stamp, "because", page=page, content_hash=content)
        if path not in self.files:
            self.see(path, stamp)
        old = self.current.get((path, page))
        if content is None and old and old[2] == stamp:
            content = old[0]
        keeps = content is not None and self.has_count(path, page, content)
        self.place(path, page, content, "counted" if keeps else state, stamp)

    @rule(path=PATHS, stamp=STAMPS, state=st.sampled_from(["ignored", "quarantined", "pending"]))
    def set_file_aside(self, path, stamp, state):
        if state == "pending":
            self.store.retry_later(self.source, path, stamp, "because")
            self.see(path, stamp)
        else:
            method = self.store.ignore if state == "ignored" else self.store.quarantine
            method(self.source, path, stamp, "because")
            for key in [key for key, page in self.current.items() if page[1] == "pending"]:
                if key[0] == path:
                    del self.current[key]
        self.files[path] = [stamp, state]

    @rule(state=st.sampled_from([FrameState.IGNORED, FrameState.QUARANTINED]))
    def reopen(self, state):
        again = {path for path, one in self.files.items() if one[1] == state}
        for (path, _), one in self.current.items():
            if one[1] == state:
                one[1] = "pending"
                again.add(path)
        for path in again:
            self.files[path][1] = "pending"
        assert self.store.reopen(self.source, state) == len(again)

    @precondition(lambda self: self.files)
    @rule(path=PATHS, stamp=STAMPS, n_pages=st.integers(1, 3))
    def file_done(self, path, stamp, n_pages):
        pages = {page: one for (of, page), one in self.current.items() if of == path}
        settled = {page for page, one in pages.items() if one[1] != "pending"}
        whole = set(range(n_pages)) <= settled
        try:
            self.store.file_done(self.source, path, stamp, n_pages)
            assert whole
        except StoreError:
            assert not whole
            return
        self.files[path] = [stamp, "done"]
        for page, one in pages.items():
            if page < n_pages:
                one[2] = stamp
                continue
            del self.current[path, page]
            if one[1] != "pending":
                self.superseded[path, page, one[0]] += 1

    @rule()
    def restart(self):
        self.store.close()
        self.store = CountStore.open(self.database)

    @invariant()
    def every_frame_is_in_its_state(self):
        expected = Counter(one[1] for one in self.current.values())
        expected["superseded"] = sum(self.superseded.values())
        announced = {path for (path, _), one in self.current.items() if one[1] == "pending"}
        for path, (_, state) in self.files.items():
            if state != "done" and not (state == "pending" and path in announced):
                expected[state] += 1
        tally = self.store.tally()
        states = ("pending", "counted", "ignored", "quarantined", "superseded")
        assert {name: getattr(tally, name) for name in states} == {
            name: expected[name] for name in states
        }
        assert tally.seen == sum(expected.values())

    @invariant()
    def every_count_is_there_once(self):
        for which, analysis in enumerate(self.analyses):
            found = self.store.counts(analysis)
            got = sorted(
                zip(found.relative_path, found.page.tolist(), found.count.tolist(), strict=True)
            )
            wanted = sorted(
                (path, page, self.counted[path, page, one[0], which])
                for (path, page), one in self.current.items()
                if (path, page, one[0], which) in self.counted
            )
            assert got == wanted
        with closing(sqlite3.connect(self.database)) as connection:
            kept = connection.execute("SELECT count(*) FROM candidates").fetchone()[0]
        assert kept == len(self.counted)

    @invariant()
    def known_files_are_those_that_need_no_work(self):
        assert self.store.known_files(self.source) == {
            path: stamp for path, (stamp, state) in self.files.items() if state != "pending"
        }

    def teardown(self):
        self.store.close()
        self.folder.cleanup()


Microscope.TestCase.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
TestMicroscope = Microscope.TestCase
