"""Another h on stored candidates: what it changes of a count and what it leaves."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from livecount.errors import NotInStoreError
from livecount.frame import (
    Candidates,
    FrameAttributes,
    FrameCount,
    FrameKey,
    FrameQuality,
    Provenance,
)
from livecount.recounting import catch_up, family_of, recount
from livecount.storage import AnalysisSettings, CountStore, FileStamp
from tests.storage.made_frames import make_look, make_shapes

SETTINGS = AnalysisSettings("deepdistance", "ab" * 32, 24.0, "px", h=0.1)
PROMINENCES = np.array([0.9, 0.5, 0.3, 0.30000001, 0.2, 0.1, 0.05], np.float32)
STAMP = FileStamp(10, 10)


def count_of(number: int, analysis_id: str, *, segmented: bool = False) -> FrameCount:
    prominence = np.sort(PROMINENCES[: len(PROMINENCES) - number % 3])[::-1].copy()
    candidates = Candidates(prominence * 10, prominence * 20, prominence)
    n = candidates.count_at(0.1)
    return FrameCount(
        key=FrameKey("/scans", b"%d.tif" % number, 0, str(number)),
        attributes=FrameAttributes(),
        analysis_id=analysis_id,
        count=n,
        candidates=candidates,
        quality=FrameQuality(1.0, 0.5, 0.0, make_look(number)),
        height_px=10,
        width_px=10,
        area_mm2=0.5,
        flags=("padding", "doubtful_cells"),
        provenance=Provenance("onnxruntime CPU", "fp32", "0.1"),
        confluence_percent=20.0 if segmented else None,
        shapes=make_shapes(n) if segmented else None,
    )


@pytest.fixture
def store(tmp_path: Path):
    with CountStore.open(tmp_path / "run.db") as opened:
        experiment = opened.ensure_experiment("e")
        source = opened.ensure_source(experiment, "/scans")
        analysis = opened.ensure_analysis(experiment, SETTINGS)
        with opened.together():
            for number in range(450):
                made = count_of(number, analysis.id, segmented=number % 2 == 0)
                opened.record(source, made, stamp=STAMP, n_pages=1)
        yield opened


@pytest.mark.parametrize("h", [0.05, 0.2, 0.3, 0.31, 0.9, 1.0])
def test_a_count_is_the_number_of_peaks_that_reach_h(store: CountStore, h: float) -> None:
    experiment = store.experiment("e")
    first = store.counts(store.analysis(experiment))
    seen: list[int] = []
    made = recount(store, experiment, h, on_frames=seen.append)
    assert (made.n_new, made.n_without_masks, sum(seen)) == (450, 225, 450)
    counts = store.counts(made.analysis)
    assert counts.frame_id.tolist() == first.frame_id.tolist()
    for frame, n in zip(store.iter_candidates(made.analysis), counts.count, strict=True):
        assert n == int((frame.candidates.prominence >= np.float32(h)).sum())
    assert counts.area_mm2.tolist() == first.area_mm2.tolist()
    assert counts.provenance == first.provenance
    assert np.isnan(counts.confluence_percent).all()
    assert store.verify() == []
    assert recount(store, experiment, h).n_new == 0


def test_doubts_are_judged_anew_by_the_stored_calibration(store: CountStore) -> None:
    experiment = store.experiment("e")
    without = store.counts(recount(store, experiment, 0.2).analysis)
    assert set(without.flags) == {("padding",)}
    store.keep_calibration(
        SETTINGS.model_sha256,
        {"intercept": 0.0, "slope": 2.0, "found_share": 0.9, "frame_sd": 0.1, "n_frames": 9},
    )
    doubtful = store.counts(recount(store, experiment, 0.05).analysis)
    assert set(doubtful.flags) == {("padding", "doubtful_cells")}


def test_what_differs_in_more_than_h_is_no_source_for_it(store: CountStore) -> None:
    experiment = store.experiment("e")
    other = store.ensure_analysis(experiment, replace(SETTINGS, cell_diameter=30.0))
    assert family_of(store, experiment, other) == [other]
    assert catch_up(store, experiment, other).n_new == 0


def test_frames_that_an_analysis_took_over_are_at_hand_for_those_before(store: CountStore) -> None:
    experiment = store.experiment("e")
    first = store.analysis(experiment)
    second = recount(store, experiment, 0.3).analysis
    store.make_primary(second)
    (source,) = store.sources(experiment)
    late = count_of(451, second.id)
    store.record(source, replace(late, count=late.candidates.count_at(0.3)), stamp=STAMP)
    assert recount(store, experiment, 0.1).n_new == 1
    assert store.n_counted(first) == 451


def test_a_pixel_size_that_came_late_is_copied_as_it_is_by_then(store: CountStore) -> None:
    experiment = store.experiment("e")
    made = recount(store, experiment, 0.3)
    (source,) = store.sources(experiment)
    store.refine_attributes(source, [(b"7.tif", 0, FrameAttributes(pixel_size_um=1.0))])
    areas = [store.counts(one).area_mm2[7] for one in (store.analysis(experiment), made.analysis)]
    assert areas[0] == areas[1]


@pytest.mark.parametrize("h", [0.01, 1.5, float("nan")])
def test_an_h_that_nothing_was_kept_for_is_refused(store: CountStore, h: float) -> None:
    with pytest.raises(NotInStoreError, match=r"0\.02 to 1 were kept"):
        recount(store, store.experiment("e"), h)


def test_what_a_frame_looks_like_goes_with_it(store: CountStore) -> None:
    """Else no frame of the recount could be said to show another place or a hidden part."""
    experiment = store.experiment("e")
    made = recount(store, experiment, 0.3)
    looks = store.looks(store.analysis(experiment))
    assert len(looks) == 450
    assert store.looks(made.analysis) == looks
