"""What becomes known late, kept whatever happens while it is read: real store, faults put in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import structlog.testing

from livecount.errors import (
    DatabaseFullError,
    UnreadableFrameError,
    WorkerLostError,
    WorkerSilentError,
)
from livecount.frame import AttributeSource, FrameAttributes
from livecount.monitor.late import LateMetadata
from livecount.storage import CountStore, Source
from tests.storage.made_frames import SETTINGS, make_count, stamp_of

N = 5


class FaultyReader:
    """Says of each page what a test wants: attributes, or trouble a given number of times."""

    def __init__(self) -> None:
        self.trouble: dict[bytes, list[Exception]] = {}
        self.said: dict[bytes, FrameAttributes] = {}
        self.stamps: tuple[tuple[str, int, int], ...] = (("metadata.txt", 1, 1),)
        self.root_is_absent = False
        self.asked = 0

    def read_attributes(self, root: Path, relative_path: bytes, page: int) -> FrameAttributes:
        self.asked += 1
        if self.trouble.get(relative_path):
            raise self.trouble[relative_path].pop()
        return self.said.get(relative_path, known(0.65))

    def companion_stamps(self, folder: Path) -> tuple[tuple[str, int, int], ...]:
        return self.stamps

    def is_absent(self, path: Path) -> bool:
        return self.root_is_absent


def known(pixel_size_um: float, **more: Any) -> FrameAttributes:
    return FrameAttributes.from_source(
        AttributeSource.COMPANION_FILE, pixel_size_um=pixel_size_um, elapsed_s=1.0, **more
    )


class Bed:
    """A store with five counted frames that lack their pixel size, and what reads it later."""

    def __init__(self, store: CountStore, source: Source, analysis: Any) -> None:
        self.store, self.analysis = store, analysis
        self.reader = FaultyReader()
        self.refined: list[bytes] = []
        self.late = LateMetadata(
            source,
            store,
            self.reader,
            lambda path, *_: self.refined.append(path),  # type: ignore[arg-type]
        )

    def pixel_sizes(self) -> list[float]:
        return self.store.counts(self.analysis).pixel_size_um.tolist()


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    with CountStore.open(tmp_path / "run.db") as store, structlog.testing.capture_logs():
        experiment = store.ensure_experiment("run")
        source = store.ensure_source(experiment, str(tmp_path))
        analysis = store.ensure_analysis(experiment, SETTINGS)
        for number in range(N):
            count = make_count(analysis.id, name(number), content=f"{number}", folder=str(tmp_path))
            store.record(source, count, stamp=stamp_of(number), n_pages=1)
        made = Bed(store, source, analysis)
        made.late.remember((name(number), 0) for number in range(N))
        made.late.look_up()
        yield made


def name(number: int) -> bytes:
    return b"f%d.tif" % number


def test_what_was_read_before_the_worker_fell_silent_is_kept_and_the_rest_follows(bed: Bed) -> None:
    bed.reader.trouble[name(3)] = [WorkerSilentError("no answer")]
    bed.late.advance()
    assert bed.pixel_sizes()[:3] == [0.65] * 3
    assert np.isnan(bed.pixel_sizes()[3:]).all()
    assert bed.late.n_queued == 2
    bed.late.advance()
    assert bed.pixel_sizes() == [0.65] * N
    assert sorted(bed.refined) == [name(number) for number in range(N)]
    assert bed.late.n_queued == 0


def test_a_page_that_ends_the_worker_each_time_is_left(bed: Bed) -> None:
    bed.reader.trouble[name(1)] = [WorkerLostError("gone")] * 50
    for _ in range(10):
        bed.late.advance()
    assert bed.late.n_queued == 0
    assert np.isnan(bed.pixel_sizes()).tolist() == [False, True, False, False, False]
    assert bed.reader.asked < 12


@pytest.mark.parametrize(
    "said", [known(0.65, time_point=10**30), RuntimeError("MemoryError: 300 MB of JSON")]
)
def test_what_no_column_holds_and_what_a_library_raises_cost_that_page_alone(
    bed: Bed, said: FrameAttributes | Exception
) -> None:
    if isinstance(said, Exception):
        bed.reader.trouble[name(2)] = [said]
    else:
        bed.reader.said[name(2)] = said
    bed.late.advance()
    assert np.isnan(bed.pixel_sizes()).tolist() == [False, False, True, False, False]
    assert bed.late.n_queued == 0


def test_a_folder_that_is_away_is_waited_for(bed: Bed) -> None:
    bed.reader.root_is_absent = True
    bed.reader.trouble[name(0)] = [UnreadableFrameError("no such file")]
    assert bed.late.advance() == 0
    assert bed.late.n_queued == N
    bed.reader.root_is_absent = False
    bed.late.advance()
    assert bed.pixel_sizes() == [0.65] * N


def test_a_file_that_cannot_be_read_now_is_read_when_more_is_said(bed: Bed) -> None:
    bed.reader.trouble[name(0)] = [UnreadableFrameError("locked")]
    bed.late.advance()
    assert bed.late.n_queued == 0
    bed.late.look_up()
    assert bed.late.n_queued == 0
    bed.reader.stamps = (("metadata.txt", 2, 2),)
    bed.late.look_up()
    bed.late.advance()
    assert bed.pixel_sizes() == [0.65] * N


def test_a_full_disk_loses_nothing_that_was_read(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise DatabaseFullError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(bed.store, "refine_attributes", full)
        with pytest.raises(DatabaseFullError):
            bed.late.advance()
    assert bed.late.n_queued == N
    bed.late.advance()
    assert bed.pixel_sizes() == [0.65] * N


def test_a_frame_that_was_in_flight_when_the_last_word_was_written_is_asked_again(bed: Bed) -> None:
    """It was read before the file beside it was complete, and counted after that was looked at."""
    bed.late.advance()
    bed.reader.asked = 0
    bed.late.note(name(4), 0, FrameAttributes())
    bed.late.look_up()
    assert bed.late.n_queued == 1
    bed.reader.said[name(4)] = FrameAttributes()
    bed.late.advance()
    bed.late.look_up()
    assert bed.late.n_queued == 0, "what said nothing is not read again while nothing changes"
    assert bed.reader.asked == 1
