"""Acquisitions that begin again on a clock without dates."""

import pytest

from livecount.experiment import TimeAxis
from livecount.storage import Exclusion, Said
from tests.test_tables import T0, arranged, kept, scans

ADA = Said("Ada", T0)


def taken(rows: list[dict[str, object]], run: str) -> list[dict[str, object]]:
    """The same frames with pictures of their own."""
    return [row | {"content_hash": f"{run} {n}"} for n, row in enumerate(rows)]


@pytest.mark.parametrize("clock", ["elapsed", "interval"])
@pytest.mark.parametrize(
    "name", ["{}/{:02}.tif", "day/{}/t{:02}/x.tif", "well A1 {} {:02}.tif", "unhashed/{}/{:02}.tif"]
)
def test_a_longer_restart_that_only_counts_from_its_own_start_is_not_used(
    clock: str, name: str
) -> None:
    def run(called: str, n_scans: int) -> list[dict[str, object]]:
        rows = scans("", [3600.0 * n for n in range(n_scans)], clock)
        rows = [row | {"source": name.format(called, n)} for n, row in enumerate(rows)]
        return rows if "unhashed" in name else taken(rows, called)

    axis = TimeAxis(frame_interval_min=60)
    first, again = run("run1", 25), run("run2", 49)
    table = arranged(first + again, axis)
    assert kept(table) == [row["source"] for row in first]
    reasons = set(table.loc[[row["source"] for row in again], "excluded"])
    assert len(reasons) == 1
    assert "no date says when it was taken" in reasons.pop()
    # An exclusion of somebody's does not let frames of the other acquisition in.
    without = [Exclusion("bubble", ADA, frame_id=at) for at in (0, 7)]
    found = kept(arranged(first + again, axis, exclusions=without))
    assert found == [row["source"] for n, row in enumerate(first) if n not in (0, 7)]
    # What to do is said before the second is longer than the first, where pictures tell.
    if "unhashed" not in name:
        early = arranged(first + again[:5], axis)
        assert "no date says" in early.loc[again[2]["source"], "excluded"]


@pytest.mark.parametrize("clock", ["elapsed", "interval"])
def test_a_longer_export_of_the_same_scan_goes_on_where_the_first_ended(clock: str) -> None:
    first = taken(scans("a", [3600.0 * n for n in range(5)], clock), "scan")
    longer = taken(scans("b", [3600.0 * n for n in range(9)], clock), "scan")
    table = arranged(first + longer, TimeAxis(frame_interval_min=60))
    assert kept(table) == [row["source"] for row in [*first, *longer[5:]]]
    assert table.loc["b/04.tif", "excluded"] == "same place and time as a/04.tif"
    # Parts of one acquisition that share a scan, whose pictures may differ, are no restart.
    part = taken(scans("b", [3600.0 * n for n in range(9)], clock), "part")[4:]
    found = kept(arranged(first + part, TimeAxis(frame_interval_min=60)))
    assert found == [row["source"] for row in [*first, *part[1:]]]


def test_a_longer_series_of_a_plate_that_nothing_names_is_not_used() -> None:
    times = [600.0 * n for n in range(7)]
    one = taken(scans("s", times[:5], "elapsed", watched_folder="/one"), "one")
    two = taken(scans("u", times, "elapsed", watched_folder="/two"), "two")
    table = arranged(one + two)
    assert kept(table) == [row["source"] for row in one]
    assert table.loc["u/03.tif", "excluded"].startswith("claims the times of s/00.tif in /one ")


def test_weeks_are_not_left_out_for_a_try_of_a_few_scans_before_them() -> None:
    tried = taken(scans("0 try", [3600.0 * n for n in range(3)], "elapsed"), "try")
    run = taken(scans("run", [3600.0 * n for n in range(40)], "elapsed"), "run")
    table = arranged(tried + run)
    assert kept(table) == [row["source"] for row in [*tried, *run[3:]]]
    assert table.loc["run/00.tif", "excluded"] == "same place and time as 0 try/00.tif"
