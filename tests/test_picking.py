"""Which frames a person is asked to click on."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from livecount.errors import LivecountError
from livecount.picking import as_picture, choose_fields, write_copy


def table(counts: list[int], wells: int = 4, **columns: object) -> pd.DataFrame:
    n = len(counts)
    made = pd.DataFrame(
        {
            "plate": None,
            "well": [f"A{number % wells + 1}" for number in range(n)],
            "field": "1",
            "position": None,
            "elapsed_h": np.arange(n) // wells * 2.0,
            "count": counts,
            "density_per_mm2": np.array(counts) / 0.5,
            "pixel_size_um": 0.65,
            "excluded": "",
            "source": [f"{number:04d}.tif" for number in range(n)],
            "page": 0,
        },
        index=pd.Index(range(100, 100 + n), name="frame_id"),
    )
    return made.assign(**columns)


@given(st.lists(st.integers(0, 50), max_size=60), st.integers(1, 15), st.integers(0, 9))
def test_choice_spans_all_densities_and_is_the_same_again(
    counts: list[int], n: int, seed: int
) -> None:
    made = table(counts)
    chosen = choose_fields(made, n, seed=seed)
    assert chosen == choose_fields(made, n, seed=seed)
    assert len(chosen) == len(set(chosen)) == min(n, len(counts))
    if len(chosen) > 1:
        assert {min(counts), max(counts)} <= set(made.loc[chosen, "count"])


def test_choice_is_spread_over_wells_and_time() -> None:
    chosen = table(list(range(10, 130)), wells=6).loc[
        choose_fields(table(list(range(10, 130)), wells=6), 12, seed=1)
    ]
    assert chosen["well"].value_counts().tolist() == [2] * 6
    assert chosen["elapsed_h"].nunique() > 8


def test_excluded_and_unreadable_frames_and_other_objectives_are_not_chosen() -> None:
    counts = list(range(40))
    made = table(counts, pixel_size_um=[0.65] * 30 + [1.3] * 10)
    made.loc[100:104, "excluded"] = "bubble"
    chosen = choose_fields(made, 6, seed=2, is_there=lambda frame_id: frame_id % 2 == 1)
    assert len(chosen) == 6
    assert all(frame_id % 2 == 1 and 105 <= frame_id < 130 for frame_id in chosen)
    assert choose_fields(made, 6, seed=2, is_there=lambda _: False) == []


def test_without_a_pixel_size_density_is_the_count_itself() -> None:
    made = table([5, 1, 9, 3], density_per_mm2=np.nan, pixel_size_um=np.nan)
    chosen = choose_fields(made, 3, seed=1)
    assert {1, 9} <= set(made.loc[chosen, "count"])


@pytest.mark.parametrize(
    "pixels",
    [
        np.arange(12, dtype=np.uint8).reshape(3, 4),
        np.arange(12, dtype=np.uint16).reshape(3, 4) * 5000,
    ],
)
def test_eight_and_sixteen_bit_are_copied_as_they_are(pixels, tmp_path) -> None:
    write_copy(pixels, tmp_path / "new" / "copy.tif")
    with tifffile.TiffFile(tmp_path / "new" / "copy.tif") as file:
        assert np.array_equal(file.asarray(), pixels)
        # Else Fiji would measure in another unit than pixels.
        assert file.pages[0].tags["ResolutionUnit"].value == 1


@pytest.mark.parametrize("dtype", [np.float32, np.int32, np.bool_, np.float64])
def test_other_values_become_sixteen_bit_in_the_same_order(dtype) -> None:
    pixels = np.array([[0, 1], [3, 7]]).astype(dtype)
    picture = as_picture(pixels)
    assert picture.dtype == np.uint16
    assert picture.min() == 0
    assert picture.max() == 65535
    assert np.array_equal(np.argsort(picture.ravel()), np.argsort(pixels.ravel()))
    assert as_picture(np.full((2, 2), 7.5)).tolist() == [[0, 0], [0, 0]]


def test_a_copy_that_cannot_be_written_is_said(tmp_path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LivecountError, match="cannot be written"):
        write_copy(np.zeros((2, 2), np.uint8), tmp_path / "file" / "copy.tif")
