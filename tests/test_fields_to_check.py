"""Which frames a person is asked to look through, given those that were."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from livecount.checked_fields import fields_to_check, order_by_density
from livecount.scattering import scattered
from tests.test_picking import table

Counts = st.lists(st.integers(0, 50), min_size=1, max_size=60)


@given(Counts, st.integers(3, 15), st.data())
def test_every_part_has_what_is_checked_or_one_to_check(
    counts: list[int], n: int, data: st.DataObject
) -> None:
    made = table(counts)
    checked = data.draw(st.sets(st.sampled_from(made.index.tolist())))
    found = fields_to_check(order_by_density(made), n, checked)
    assert len(found) == min(n, len(counts))
    frames = np.concatenate(found).tolist()
    assert len(set(frames)) == len(frames)
    assert checked <= set(frames), "nothing that somebody checked is forgotten"
    for part in found:
        assert checked.issuperset(part) or (len(part) == 1 and not checked.intersection(part))
    least = [made.loc[part, "count"].min() for part in found]
    assert least == sorted(least), "from sparse to dense"


@given(Counts, st.integers(3, 15))
def test_the_ends_are_the_sparsest_and_the_densest(counts: list[int], n: int) -> None:
    made = table(counts)
    found = fields_to_check(order_by_density(made), n, ())
    assert made.loc[found[0][0], "count"] == min(counts)
    if len(found) > 1:
        assert made.loc[found[-1][0], "count"] == max(counts)


@given(Counts, st.integers(3, 15))
def test_checking_what_is_suggested_ends_it(counts: list[int], n: int) -> None:
    made = table(counts)
    suggested = set(np.concatenate(fields_to_check(order_by_density(made), n, ())).tolist())
    again = set(np.concatenate(fields_to_check(order_by_density(made), n, suggested)).tolist())
    assert again == suggested


def test_wells_take_turns_and_most_frames_stay_suggested_while_more_are_counted() -> None:
    counts = list(range(10, 250))
    found = np.concatenate(fields_to_check(order_by_density(table(counts, wells=6)), 12, ()))
    assert table(counts, wells=6).loc[found, "well"].nunique() == 6
    assert table(counts, wells=6).loc[found[1:7], "well"].nunique() == 6
    later = np.concatenate(
        fields_to_check(order_by_density(table([*counts, 260], wells=6)), 12, ())
    )
    assert len(set(found.tolist()) & set(later.tolist())) >= 9


def test_what_is_excluded_or_of_another_objective_is_not_asked_for() -> None:
    made = table(list(range(40)), pixel_size_um=[0.65] * 30 + [1.3] * 10)
    made.loc[100:104, "excluded"] = "bubble"
    frames = np.concatenate(fields_to_check(order_by_density(made), 6, {100, 135}))
    assert len(frames) == 6
    assert all(105 <= frame < 130 for frame in frames)


def test_without_a_pixel_size_the_count_stands_for_the_density() -> None:
    made = table([5, 1, 9, 3], density_per_mm2=np.nan, pixel_size_um=np.nan)
    found = fields_to_check(order_by_density(made), 4, ())
    assert [int(made.loc[part[0], "count"]) for part in found] == [1, 3, 5, 9]


@given(st.sets(st.integers(0, 2**53), max_size=50))
def test_scattered_numbers_stay_different(numbers: set[int]) -> None:
    assert len(set(scattered(np.array(sorted(numbers), np.int64)).tolist())) == len(numbers)
