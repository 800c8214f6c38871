"""Simulated treatments: the rate that a dose leaves, and what wells it acts on."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livecount.errors import PlateMapError
from livecount.plate import (
    Concentration,
    PlateMap,
    Role,
    Treatment,
    WellContents,
)
from livecount.plate.dosing import Effect, doubling_times


@given(st.floats(1e-3, 1e3), st.floats(0, 0.49), st.floats(0.2, 5))
def test_at_gr50_the_gr_value_is_half(gr50: float, gr_inf: float, hill: float) -> None:
    effect = Effect(gr50, gr_inf, hill)
    assert effect.relative_rate(gr50) == pytest.approx(math.log2(1.5))
    assert effect.relative_rate(0.0) == 1.0
    assert effect.relative_rate(gr50 / 2) > effect.relative_rate(gr50 * 2)


@pytest.mark.parametrize(
    "wrong", [(0.0, 0, 1), (1, -0.1, 1), (1, 0.5, 1), (1, 0, 0), (math.nan, 0, 1), (1, 0, math.inf)]
)
def test_an_impossible_effect_is_refused(wrong: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="above 0"):
        Effect(*wrong)


def test_controls_grow_as_stated_and_blanks_not_at_all() -> None:
    drug = (Treatment("drug", Concentration(500, "nM")),)
    plate_map = PlateMap(
        (
            WellContents("A1", cell_line="L", role=Role.CONTROL, treatments=drug),
            WellContents("A2", cell_line="L"),
            WellContents("A3", cell_line="L", treatments=drug),
            WellContents("A4", cell_line="L", treatments=(Treatment("knock-out"),)),
            WellContents("A5", role=Role.BLANK),
        )
    )
    times = doubling_times(plate_map, 20.0, Effect(500.0))
    assert times == {"A1": 20.0, "A2": 20.0, "A3": pytest.approx(20 / math.log2(1.5)), "A4": 20.0}
    assert set(doubling_times(plate_map, 20.0, None).values()) == {20.0}
    assert doubling_times(plate_map, 20.0, Effect(1e-9))["A3"] == math.inf


def test_what_cannot_be_simulated_is_said() -> None:
    two = PlateMap((WellContents("A1", "P", cell_line="L"), WellContents("A1", "Q", cell_line="L")))
    with pytest.raises(PlateMapError, match="2 plates"):
        doubling_times(two, 20.0, None)
    with pytest.raises(PlateMapError, match="holds cells"):
        doubling_times(PlateMap(), 20.0, None)
