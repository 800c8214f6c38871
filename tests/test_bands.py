"""The interval of counts under growth curves."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from livecount.plots import plot_growth
from livecount.plots.bands import bands_of


def counts(wells: int = 1, fields: int = 1, **columns: object) -> pd.DataFrame:
    rows = [
        {
            "experiment": "e",
            "well": f"A{well + 1}",
            "field": str(field),
            "elapsed_h": hour,
            "count": 10 * 2 ** (hour // 4),
            "excluded": "",
        }
        for well in range(wells)
        for field in range(fields)
        for hour in range(0, 24, 4)
    ]
    table = pd.DataFrame(rows)
    table["density_per_mm2"] = table["count"] / 0.25
    table["count_low"], table["count_high"] = table["count"] - 2, table["count"] * 1.5
    return table.assign(**columns)


def texts(path: Path) -> str:
    return " ".join("".join(node.itertext()) for node in ET.parse(path).iter())


@pytest.mark.parametrize("fields", [1, 3])
def test_a_band_is_the_mean_interval_in_the_unit_of_the_curve(fields: int) -> None:
    table = counts(fields=fields)
    (band,) = bands_of(table).values()
    one = table[table["field"] == "0"]
    assert np.allclose(band.low, one["count_low"] / 0.25)
    assert np.allclose(band.high, one["count_high"] / 0.25)
    (band,) = bands_of(table.assign(density_per_mm2=np.nan)).values()
    assert np.allclose(band.low, one["count_low"])


def test_frames_without_cells_have_a_band_too() -> None:
    table = counts()
    empty = table["elapsed_h"] == 0
    table.loc[empty, ["count", "density_per_mm2", "count_low", "count_high"]] = [0, 0, 0, 1]
    (band,) = bands_of(table).values()
    assert band.low[0] == 0
    assert band.high[0] == pytest.approx(4)


def test_no_interval_no_band() -> None:
    table = counts()
    assert bands_of(table.drop(columns=["count_low"])) == {}
    assert bands_of(table.assign(count_low=np.nan, count_high=np.nan)) == {}
    table.loc[2, ["count_low", "count_high"]] = np.nan
    assert bands_of(table) == {}


@pytest.mark.parametrize(("wells", "shown"), [(1, True), (2, False), (12, True)])
def test_bands_are_drawn_where_they_do_not_crowd(wells: int, shown: bool, tmp_path: Path) -> None:
    plot_growth(counts(wells), None, tmp_path / "growth.svg")
    assert ("95 % interval of a count" in texts(tmp_path / "growth.svg")) == shown
