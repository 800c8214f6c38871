"""Which files a run has dealt with: counted, pending, set aside, ignored, superseded."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from livecount.errors import StoreError
from livecount.frame import AttributeSource, FrameAttributes
from livecount.storage import (
    FileStamp,
    FrameState,
    Recorded,
    Tally,
)

AT = datetime(2026, 3, 4, 5, 6, 7, 89, tzinfo=UTC)


def test_known_files_are_those_dealt_with(run, made):
    stamps = {b"%d.tif" % number: made.stamp_of(number) for number in range(5)}
    run.store.note_seen(run.source, stamps.items())
    assert run.store.known_files(run.source) == {}
    assert run.store.tally() == Tally(pending=5)
    run.record(b"0.tif", stamp=stamps[b"0.tif"], n_pages=1)
    run.record(b"1.tif", stamp=stamps[b"1.tif"])
    run.store.ignore(run.source, b"2.tif", stamps[b"2.tif"], "fluorescence")
    run.store.quarantine(run.source, b"3.tif", stamps[b"3.tif"], "cut off")
    done = {path: stamps[path] for path in (b"0.tif", b"2.tif", b"3.tif")}
    assert run.store.known_files(run.source) == done
    run.store.note_seen(run.source, [(path, FileStamp(1, 1)) for path in done])
    assert run.store.known_files(run.source) == {}
    assert run.store.quarantined() == []


def test_growing_stack_is_pending_until_done(run, made):
    early, late = made.stamp_of(1), made.stamp_of(2)
    run.store.note_seen(run.source, [(b"s.tif", early)])
    run.record(b"s.tif", page=0, content="p0", stamp=early)
    run.store.note_pages(run.source, b"s.tif", early, 3)
    assert run.store.tally() == Tally(counted=1, pending=2)
    with pytest.raises(StoreError, match="3 pages was called done, but 1"):
        run.store.file_done(run.source, b"s.tif", early, 3)
    run.record(b"s.tif", page=1, content="p1", stamp=late)
    run.store.quarantine(run.source, b"s.tif", late, "torn", page=2, n_pages=3)
    assert run.store.tally() == Tally(counted=2, quarantined=1)
    (bad,) = run.store.quarantined(run.experiment)
    assert (bad.page, bad.reason, bad.display_path) == (2, "torn", "s.tif")
    pages = run.store.known_pages(run.source, b"s.tif", run.analysis)
    assert {page: (one.state, one.is_counted) for page, one in pages.items()} == {
        0: (FrameState.COUNTED, True),
        1: (FrameState.COUNTED, True),
        2: (FrameState.QUARANTINED, False),
    }
    assert {one.stamp for one in pages.values()} == {late}


def test_pages_that_are_gone_are_superseded(run, made):
    for page in range(3):
        run.record(b"s.tif", page=page, content=f"p{page}", stamp=made.stamp_of(1))
    run.store.file_done(run.source, b"s.tif", made.stamp_of(1), 3)
    run.store.note_seen(run.source, [(b"s.tif", made.stamp_of(2))])
    run.store.note_pages(run.source, b"s.tif", made.stamp_of(2), 5)
    run.store.file_done(run.source, b"s.tif", made.stamp_of(2), 1)
    assert run.store.tally() == Tally(counted=1, superseded=2)
    assert run.store.pages_counted(run.source, b"s.tif", run.analysis) == {0: "p0"}


def test_quarantine_keeps_a_count_of_the_same_content_only(run, made):
    run.record(stamp=made.stamp_of(1), n_pages=1)
    run.store.quarantine(run.source, b"a.tif", made.stamp_of(1), "share gone", page=0)
    assert run.store.tally() == Tally(counted=1)
    run.store.ignore(
        run.source, b"a.tif", made.stamp_of(5), "other channel", page=0, content_hash="a"
    )
    assert run.store.tally() == Tally(counted=1)
    run.store.note_seen(run.source, [(b"a.tif", made.stamp_of(2))])
    run.store.quarantine(run.source, b"a.tif", made.stamp_of(2), "torn", page=0, n_pages=1)
    assert run.store.tally() == Tally(quarantined=1, superseded=1)
    assert len(run.store.counts(run.analysis)) == 0
    run.store.note_seen(run.source, [(b"a.tif", made.stamp_of(3))])
    assert run.store.tally() == Tally(pending=1, superseded=1)
    assert run.record(stamp=made.stamp_of(3), n_pages=1) is Recorded.NEW
    assert run.store.tally() == Tally(counted=1)


def test_ignored_page_keeps_its_place_and_can_be_counted_later(run, made):
    about = {"channel": "GFP"}
    attributes = FrameAttributes.from_source(AttributeSource.FILE_NAME, **about)
    run.store.ignore(
        run.source,
        b"g.tif",
        made.stamp_of(1),
        "fluorescence",
        page=0,
        attributes=attributes,
        n_pages=1,
    )
    assert run.store.tally() == Tally(ignored=1)
    assert run.store.counted_channels(run.source) == []
    run.record(b"g.tif", content="x", stamp=made.stamp_of(1), n_pages=1, **about)
    assert run.store.tally() == Tally(counted=1)
    assert run.store.counted_channels(run.source) == ["GFP"]


def test_setting_aside_does_not_forget_what_is_known_of_a_frame(run, made):
    run.record(well="A1", pixel_size_um=1.0, stamp=made.stamp_of(1), n_pages=1)
    for content in (None, "a"):
        run.store.quarantine(
            run.source, b"a.tif", made.stamp_of(1), "no engine", page=0, content_hash=content
        )
    found = run.store.counts(run.analysis)
    assert (found.well, found.pixel_size_um.tolist()) == (["A1"], [1.0])


def test_set_aside_is_taken_up_again_on_request(run, made):
    run.store.quarantine(run.source, b"q.tif", made.stamp_of(1), "no pixel size")
    for page in range(2):
        run.store.ignore(run.source, b"i.tif", made.stamp_of(1), "fluorescence", page=page)
    run.store.file_done(run.source, b"i.tif", made.stamp_of(1), 2)
    assert run.store.tally() == Tally(quarantined=1, ignored=2)
    assert run.store.reopen(run.source, FrameState.QUARANTINED) == 1
    assert run.store.known_files(run.source).keys() == {b"i.tif"}
    assert run.store.reopen(run.source, FrameState.IGNORED) == 1
    assert run.store.known_files(run.source) == {}
    assert run.store.tally() == Tally(pending=3)
    with pytest.raises(ValueError, match="not set aside"):
        run.store.reopen(run.source, FrameState.COUNTED)


def test_attempts_count_vain_tries_with_one_stamp(run, made):
    first, second = made.stamp_of(1), made.stamp_of(2)
    tries = [run.store.retry_later(run.source, b"a.tif", first, "cut off") for _ in range(3)]
    assert tries == [1, 2, 3]
    assert run.store.attempts(run.source, b"a.tif") == 3
    assert run.store.retry_later(run.source, b"a.tif", second, "cut off") == 1
    run.store.quarantine(run.source, b"a.tif", second, "cut off")
    (given_up,) = run.store.quarantined()
    assert (given_up.page, given_up.attempts, given_up.reason) == (None, 1, "cut off")
    run.store.note_seen(run.source, [(b"a.tif", first)])
    assert run.store.attempts(run.source, b"a.tif") == 0
