"""Masks are kept with their count or not at all, survive bit for bit, and damage is noticed."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from livecount.errors import StoreError
from livecount.recounting import recount
from livecount.segmentation import trace_masks
from livecount.storage import MasksKept
from livecount.storage.mask_blobs import pack_masks, unpack_masks
from tests.storage.test_released import assert_same_masks

label_maps = hnp.arrays(
    np.int32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12), elements=st.integers(0, 4)
)


@given(label_maps)
def test_every_map_survives_the_blob(labels: npt.NDArray[np.int32]) -> None:
    masks = trace_masks(labels)
    assert_same_masks(unpack_masks(pack_masks(masks)), masks)


@pytest.mark.parametrize(
    ("blob", "words"),
    [
        (b"", "no LCM header"),
        (b"LCM", "no LCM header"),
        (b"LCS\x01", "no LCM header"),
        (b"LCM\x02", "version 2, known is 1"),
        (b"LCM\x01" + b"junk", "damaged"),
    ],
)
def test_damage_and_later_versions_are_refused(blob: bytes, words: str) -> None:
    with pytest.raises(StoreError, match=words):
        unpack_masks(blob)


def test_a_blob_that_was_cut_is_refused(made) -> None:
    import zlib

    content = zlib.decompress(pack_masks(made.make_masks(7))[4:])
    for cut in (3, 20, len(content) - 2):
        with pytest.raises(StoreError, match="damaged"):
            unpack_masks(b"LCM\x01" + zlib.compress(content[:cut]))


def test_masks_stand_with_the_count_of_a_segmented_frame_alone(run, made) -> None:
    run.record(b"a.tif", n=5, segmented=True)
    run.record(b"b.tif", content="b", n=5)
    first, second = run.store.counts(run.analysis).frame_id.tolist()
    assert_same_masks(run.store.masks(run.analysis, first), made.make_masks(5))
    assert run.store.masks(run.analysis, second) is None
    assert run.store.masks_kept(run.analysis, first) == MasksKept(True, True, ("zero_tail",), ())
    assert run.store.masks_kept(run.analysis, second) == MasksKept(False, False, ("zero_tail",), ())
    assert run.store.masks(run.analysis, 99) is None
    assert run.store.verify() == []


def test_another_h_has_no_masks_but_knows_who_has(run) -> None:
    run.record(n=5, segmented=True)
    (frame,) = run.store.counts(run.analysis).frame_id.tolist()
    made = recount(run.store, run.experiment, 0.05)
    assert (made.n_new, made.n_without_masks) == (1, 1)
    assert run.store.masks(made.analysis, frame) is None
    kept = run.store.masks_kept(made.analysis, frame)
    assert (kept.has_masks, kept.has_shapes, kept.others_h) == (False, False, (0.1,))


def test_a_count_and_its_masks_are_one_transaction(run, database) -> None:
    """Whatever keeps the masks out keeps the count out."""
    with closing(sqlite3.connect(database)) as connection:
        connection.execute(
            "CREATE TRIGGER full BEFORE INSERT ON masks BEGIN SELECT RAISE(ABORT, 'full'); END"
        )
        connection.commit()
    with pytest.raises(StoreError):
        run.record(n=5, segmented=True)
    assert len(run.store.counts(run.analysis)) == 0
    assert run.store.tally().seen == 0


def test_masks_that_do_not_fit_their_count_are_found(run, database) -> None:
    run.record(n=5, segmented=True)
    run.record(b"b.tif", content="b", n=3, segmented=True)
    with closing(sqlite3.connect(database)) as connection:
        connection.execute(
            "UPDATE masks SET outlines = (SELECT outlines FROM masks WHERE count_id = 1)"
        )
        connection.commit()
    assert run.store.verify() == ["count 2 says 3 cells, but cell 5 has a mask"]
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("UPDATE masks SET outlines = x'4c434d01ff' WHERE count_id = 1")
        connection.commit()
    (said, _) = run.store.verify()
    assert "The masks of a frame are damaged" in said
