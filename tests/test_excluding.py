"""What people exclude: which counts are met, that another frame steps in, and that it is listed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livecount.arranging import arrange_counts
from livecount.errors import AmbiguousPlaceError
from livecount.excluding import (
    EXCLUSION_COLUMNS,
    describe_exclusion,
    exclusion_table,
    insist_on_one_plate,
)
from livecount.experiment import TimeAxis
from livecount.growth import growth_table
from livecount.storage import Exclusion, Instant, Said
from livecount.time_axis import hours_of, instant_at, zero_of
from tests.test_tables import T0, arranged, at, kept, scans, stored

ADA = Said("Ada", datetime(2026, 11, 28, 9, 30, tzinfo=UTC))
HOURS = [0.0, 1.0, 2.0, 3.0]
ROWS = [*scans("a", HOURS, field="1"), *scans("b", HOURS, well="B2", field="2", position="p2")]


def left_out(*exclusions: Exclusion, axis: TimeAxis | None = None) -> list[str]:
    table = arranged(ROWS, axis, exclusions=exclusions)
    return list(table.index[table["excluded"] != ""])


@pytest.mark.parametrize(
    ("scope", "met"),
    [
        ({"well": "A1"}, ["a/00.tif", "a/01.tif", "a/02.tif", "a/03.tif"]),
        ({"well": "A1", "start": Instant(2)}, ["a/02.tif", "a/03.tif"]),
        ({"start": Instant(1), "end": Instant(1)}, ["a/01.tif", "b/01.tif"]),
        ({"field": "p2", "end": Instant(0)}, ["b/00.tif"]),
        ({"field": "2", "end": Instant(0)}, ["b/00.tif"]),
        ({"frame_id": 5}, ["b/01.tif"]),
        ({"plate": "P"}, []),
    ],
)
def test_what_agrees_with_place_and_time_is_excluded(scope: dict, met: list[str]) -> None:
    assert left_out(Exclusion("bubble", ADA, **scope)) == met
    withdrawn = Exclusion("bubble", ADA, withdrawn=ADA, **scope)
    assert left_out(withdrawn) == []


def test_the_reason_who_and_when_stand_beside_the_count() -> None:
    table = arranged(ROWS, exclusions=[Exclusion("bubble", ADA, well="B2")])
    listed = exclusion_table(table.reset_index())
    assert tuple(listed.columns) == EXCLUSION_COLUMNS
    assert set(listed["excluded"]) == {"bubble"}
    assert set(listed["excluded_by"]) == {"Ada"}
    assert set(listed["excluded_at"]) == {ADA.made_at}
    assert set(listed["well"]) == {"B2"}
    assert table["count"].notna().all()


def test_another_frame_of_the_same_place_and_time_takes_its_place() -> None:
    rows = [{**at(1), "well": "A1", "source": name} for name in ("first.tif", "second.tif")]
    assert kept(arranged(rows)) == ["first.tif"]
    assert kept(arranged(rows, exclusions=[Exclusion("blurred", ADA, frame_id=0)])) == [
        "second.tif"
    ]
    table = arranged(rows)
    assert list(table["excluded_by"].fillna("")) == ["", "rule"]


def test_the_next_sharpest_plane_takes_the_place_of_an_excluded_one() -> None:
    rows = [
        {**at(hour), "well": "A1", "time_point": hour, "z": z, "focus": focus}
        | {"source": f"{hour} z{z}.tif"}
        for hour in (0, 1)
        for z, focus in ((1, 0.2), (2, 0.9), (3, 0.5))
    ]
    table = arranged(rows, exclusions=[Exclusion("bubble", ADA, frame_id=1)])
    assert kept(table) == ["0 z3.tif", "1 z2.tif"]
    assert table.loc["0 z1.tif", "excluded"] == "z 3 is sharper"
    # A stack of which nothing is left has no plane, and another one is chosen from as ever.
    whole = [Exclusion("bubble", ADA, frame_id=number) for number in range(3)]
    table = arranged(rows, exclusions=whole)
    assert kept(table) == ["1 z2.tif"]
    assert set(table["excluded"][:3]) == {"bubble"}
    assert kept(arranged(rows, exclusions=[Exclusion("all", ADA, well="A1")])) == []


def test_an_exclusion_stays_where_it_is_when_t0_is_declared_anew() -> None:
    table = arrange_counts(stored(ROWS), TimeAxis())
    since_two = Exclusion("bubble", ADA, start=instant_at(table, 2.0))
    earlier = TimeAxis(t0=T0 - timedelta(hours=10))
    assert left_out(since_two, axis=earlier) == left_out(since_two) == [
        "a/02.tif", "a/03.tif", "b/02.tif", "b/03.tif",
    ]  # fmt: skip
    by_hours = replace(since_two, start=Instant(2.0))
    assert len(left_out(by_hours, axis=earlier)) == len(ROWS)


def test_an_exclusion_is_described_where_it_holds_on_the_present_axis() -> None:
    since_two = Exclusion("bubble", ADA, start=Instant(2.0, T0 + timedelta(hours=2)))
    table = arrange_counts(stored(ROWS), TimeAxis(t0=T0 - timedelta(hours=10)))
    zero = zero_of(table).to_pydatetime(warn=False)
    assert describe_exclusion(since_two, zero) == "from 12 h on"
    assert describe_exclusion(since_two) == "from 2 h on"


def test_a_well_of_several_plates_is_not_excluded_on_all_unsaid() -> None:
    rows = [{**at(1), "well": "B3", "plate": plate} for plate in ("P2", "P1", None)]
    table = arrange_counts(stored([*rows, {**at(1), "well": "A1", "plate": "P1"}]), TimeAxis())
    said = "Well B3 is on several plates: P1, P2, one without a name. Name the plate"
    with pytest.raises(AmbiguousPlaceError, match=said):
        insist_on_one_plate(table, Exclusion("bubble", ADA, well="B3"))
    for scope in ({"well": "B3", "plate": "P1"}, {"well": "A1"}, {"field": "1"}):
        insist_on_one_plate(table, Exclusion("bubble", ADA, **scope))


def test_without_dates_a_time_is_hours_only() -> None:
    rows = scans("a", [0, 3600, 7200], "elapsed")
    table = arrange_counts(stored(rows), TimeAxis())
    assert zero_of(table) is None
    assert instant_at(table, 1.0) == Instant(1.0)
    assert hours_of(table, Instant(1.0, ADA.made_at)) == 1.0


@given(st.floats(-1e4, 1e4))
def test_a_time_survives_being_kept_as_a_date(hours: float) -> None:
    table = arrange_counts(stored(ROWS), TimeAxis())
    kept_as = instant_at(table, hours)
    assert kept_as.at is not None
    assert hours_of(table, kept_as) == pytest.approx(hours, abs=1e-6)


def test_excluded_counts_are_in_no_rate() -> None:
    rows = [
        row | {"count": 10 * 2**n, "area_mm2": float("nan")}
        for n, row in enumerate(scans("a", [float(h) for h in range(8)]))
    ]
    rows[3]["count"] = 5000
    table = arrange_counts(
        stored(rows), TimeAxis(), exclusions=[Exclusion("debris", ADA, frame_id=3)]
    )
    (well,) = [row for row in growth_table(table) if row.level == "well"]
    assert well.n_points == 7
    assert well.doubling_time_h == pytest.approx(1.0)
