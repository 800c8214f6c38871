"""What a comparison with a person's cells says of fields with cells in one count alone."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from livecount.evaluation import FrameScore
from livecount.scored_fields import ScoredField, ScoredFields
from livecount.storage import Analysis, ValidatedField
from livecount.validated import is_usable
from tests.storage.made_frames import SETTINGS

AREA_MM2 = 0.5
AGREEING = [(50, 50), (80, 82), (120, 119)]


def compared(pairs: list[tuple[int, int]]) -> ScoredFields:
    fields = []
    for number, (counted, seen) in enumerate(pairs, start=1):
        paired = min(counted, seen)
        score = FrameScore(f"{number}.tif", 1e6, seen, counted, paired, paired, seen)
        kept = ValidatedField(number, counted, seen, paired, np.zeros((seen, 2)))
        density = counted / AREA_MM2
        fields.append(ScoredField(f"{number}.tif", "A1", score, kept, density, 0.65))
    analysis = Analysis(1, "a", 1, SETTINGS, is_primary=True, created_at=datetime.now(UTC))
    return ScoredFields(analysis, fields)


def span_of(pairs: list[tuple[int, int]]) -> tuple[float, float]:
    made = compared(pairs).validation("anna")
    return made.density_low, made.density_high


def test_debris_that_is_counted_validates_nothing() -> None:
    scored = compared([*AGREEING, *[(200 + n, 0) for n in range(9)]])
    made = scored.validation("anna")
    assert not is_usable(made)
    assert (made.density_low, made.density_high) == (100.0, 240.0)
    assert "50 to 119 cells per field" in scored.sentence
    assert "12.tif (208 counted, 0 seen), 11.tif (207 counted, 0 seen)" in scored.sentence
    assert "and 6 more: the model finds cells where there are none" in scored.sentence
    assert "validates no count" in scored.sentence
    assert "in either" not in scored.sentence


def test_fields_that_are_missed_validate_nothing() -> None:
    scored = compared([*AGREEING, (0, 3)])
    assert not is_usable(scored.validation("anna"))
    assert "4.tif (0 counted, 3 seen): the model misses fields altogether" in scored.sentence


def test_one_or_two_cells_against_none_are_named_alone() -> None:
    scored = compared([*AGREEING, (2, 0), (0, 0)])
    assert is_usable(scored.validation("anna"))
    assert "cells in one count alone in 4.tif (2 counted, 0 seen)" in scored.sentence
    assert "1 more without cells in either" in scored.sentence


@pytest.mark.parametrize(
    ("further", "low"),
    [([], 100.0), ([(0, 0)], 0.0), ([(0, 0), (1, 0)], 100.0), ([(0, 2)], 100.0)],
)
def test_the_range_goes_to_none_where_both_saw_none(further, low: float) -> None:
    assert span_of([*AGREEING, *further]) == (low, 240.0)
