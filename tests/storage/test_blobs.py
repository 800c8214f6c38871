"""Candidates survive the blob bit for bit, and damage is noticed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from livecount.errors import StoreError
from livecount.frame import Candidates, CellShapes
from livecount.storage.blobs import (
    pack_candidates,
    pack_shapes,
    unpack_candidates,
    unpack_shapes,
)

columns = st.integers(0, 200).flatmap(
    lambda n: st.tuples(*[hnp.arrays(np.float32, n, elements=st.floats(width=32))] * 3)
)


@given(columns)
def test_round_trip_keeps_every_bit(values):
    found = unpack_candidates(pack_candidates(Candidates(*values)))
    for got, wanted in zip((found.y_px, found.x_px, found.prominence), values, strict=True):
        assert got.dtype == np.float32
        assert got.tobytes() == wanted.tobytes()


def test_layout_is_little_endian_columns_behind_a_versioned_header():
    one = np.array([1.0], np.float32)
    assert pack_candidates(Candidates(one, one * 2, one * 4)) == (
        b"LCC\x01" + b"\x00\x00\x80\x3f" + b"\x00\x00\x00\x40" + b"\x00\x00\x80\x40"
    )


def test_columns_of_other_dtype_and_stride_are_packed_by_value():
    y_px = np.arange(10, dtype=np.float64)[::2]
    found = unpack_candidates(pack_candidates(Candidates(y_px, y_px, y_px)))
    assert found.y_px.tolist() == [0, 2, 4, 6, 8]


@pytest.mark.parametrize(
    ("blob", "words"),
    [
        (b"", "no LCC header"),
        (b"LCC", "no LCC header"),
        (b"JUNKJUNK", "no LCC header"),
        (b"LCC\x02", "version 2"),
        (b"LCC\x01" + b"\0" * 4, "8 bytes"),
        (b"LCC\x01" + b"\0" * 13, "17 bytes"),
    ],
)
def test_damage_and_later_versions_are_refused(blob, words):
    with pytest.raises(StoreError, match=words):
        unpack_candidates(blob)


def test_unequal_columns_are_refused():
    with pytest.raises(ValueError, match="equally long"):
        pack_candidates(Candidates(*(np.zeros(n, np.float32) for n in (1, 2, 3))))


@given(st.integers(0, 50), st.integers(0, 9))
def test_shapes_keep_every_bit_and_are_not_taken_for_centres(n, seed):
    columns = np.random.default_rng(seed).normal(size=(5, n)).astype(np.float32)
    columns[:4, ::3] = np.nan
    blob = pack_shapes(CellShapes(*columns))
    found = unpack_shapes(blob)
    assert len(found) == n
    for name, wanted in zip(CellShapes.__slots__, columns, strict=True):
        assert getattr(found, name).tobytes() == wanted.tobytes()
    with pytest.raises(StoreError, match="no LCC header"):
        unpack_candidates(blob)
    with pytest.raises(StoreError, match="cell shapes of a frame are damaged"):
        unpack_shapes(blob + b"\0\0\0\0")
