"""Which frames of nuclei and of cells are one pair: place, time, area, and why others are not."""

from __future__ import annotations

import pandas as pd
import pytest

from livecount.errors import CalibrationError
from livecount.pairing import fit_pairs, pair_frames

START = pd.Timestamp("2026-01-05T08:00:00Z")


def frames(*rows, **shared):
    """Rows of a count table; a number is minutes after the start."""
    plain = {
        "plate": "P", "well": "A1", "field": "1", "position": None, "elapsed_h": 0.0,
        "time_point": 1, "elapsed_s": None, "area_mm2": 0.5, "excluded": "", "flags": "",
        "watched_folder": "/scans", "page": 0, "count": 10, "acquired_at": START,
    }  # fmt: skip
    made = [{**plain, **shared, "source": f"{n}.tif", **row} for n, row in enumerate(rows)]
    return pd.DataFrame(made)


def at(minutes, **more):
    return {"acquired_at": START + pd.Timedelta(minutes=minutes), **more}


def test_the_nearest_frame_of_the_same_place_is_the_partner():
    cells = frames(at(0), at(100), at(112), at(110, well="A2"), at(110, field="2"))
    found = pair_frames(cells, frames(at(110, count=8)), 30)
    assert found.table["source"].tolist() == ["2.tif"]
    assert found.table["apart_min"].tolist() == [2.0]
    assert found.table[["count", "nuclei"]].to_numpy().tolist() == [[10, 8]]
    assert found.left_out == {}


@pytest.mark.parametrize(
    ("cells", "nuclei", "reason"),
    [
        (frames(at(0)), frames(at(31)), "no frame of cells of the same field within 30 min"),
        (frames(at(0, well="B1")), frames(at(0)), "no frame of cells shows the same plate, well"),
        (frames(at(0, excluded="dirt")), frames(at(0)), "no frame of cells shows the same plate"),
        (frames(at(0)), frames(at(0, excluded="dirt")), "excluded: dirt"),
        (frames(at(0)), frames(at(0, flags="x;nuclei_saturated")), "flagged nuclei_saturated"),
        (frames(at(0)), frames(at(0, area_mm2=0.6)), "shows another area"),
        (frames(at(0, acquired_at=pd.NaT)), frames(at(0, time_point=None)), "no time that it and"),
    ],
    ids=["late", "well", "cells excluded", "excluded", "flag", "area", "no time"],
)
def test_what_is_not_paired_has_its_reason(cells, nuclei, reason):
    found = pair_frames(cells, nuclei, 30)
    assert found.table.empty
    ((said, number),) = found.left_out.items()
    assert said.startswith(reason)
    assert number == 1


def test_seconds_of_one_acquisition_and_equal_time_points_do_where_there_are_no_dates():
    undated = {"acquired_at": pd.NaT}
    seconds = pair_frames(
        frames({"elapsed_s": 0.0}, {"elapsed_s": 3600.0}, **undated),
        frames({"elapsed_s": 3660.0, "time_point": 9}, **undated), 30,
    )  # fmt: skip
    assert seconds.table[["source", "apart_min"]].to_numpy().tolist() == [["1.tif", 1.0]]
    elsewhere = frames({"elapsed_s": 3660.0, "time_point": 9}, watched_folder="/end", **undated)
    assert pair_frames(frames({"elapsed_s": 3600.0}, **undated), elsewhere, 30).table.empty
    points = pair_frames(
        frames({"time_point": 1}, {"time_point": 2}, **undated),
        frames({"time_point": 2}, **undated), 30,
    )  # fmt: skip
    assert points.table["source"].tolist() == ["1.tif"]
    assert points.table["apart_min"].isna().all()


def test_a_frame_of_cells_has_one_partner_the_nearest():
    found = pair_frames(frames(at(0)), frames(at(9), at(-4, count=7), at(6)), 30)
    assert found.table["nuclei"].tolist() == [7]
    assert found.left_out == {"another frame of nuclei lies nearer to the same frame of cells": 2}


def test_fields_without_cells_or_well_do_not_count_and_plates_keep_wells_apart():
    rows = [
        at(0, well=f"A{1 + n // 4}", field=str(n % 4), plate=plate, count=20 * 2 ** (n % 4))
        for plate in "PQ"
        for n in range(8)
    ]
    rows += [at(0, well="C1", count=0), at(0, well=None)]
    pairs = pair_frames(frames(*rows), frames(*rows), 30)
    fitted = fit_pairs(pairs)
    assert (fitted.n_pairs, fitted.n_wells) == (16, 4)
    assert (fitted.density_unit, fitted.density_low) == ("per mm2", pytest.approx(40))
    unsized = [{**row, "area_mm2": None} for row in rows]
    per_field = fit_pairs(pair_frames(frames(*unsized), frames(*unsized), 30))
    assert (per_field.density_unit, per_field.density_low) == ("per field", pytest.approx(20))
    nowhere = frames(*({**row, "well": None} for row in rows[:8]))
    with pytest.raises(CalibrationError, match="0 pairs of frames in 0 wells"):
        fit_pairs(pair_frames(nowhere, nowhere, 30))
