"""Fold changes compare wells over the same scans."""

import numpy as np
import pandas as pd
import pytest

from livecount.run_tables import RunTables

WELLS = [f"{row}{column}" for row in "ABC" for column in range(1, 5)]


def plate(name: str = "P", *, scan_takes_h: float = 0.9, begins_h: float = 0.0) -> pd.DataFrame:
    """Twelve alike wells that double each 24 h, seen hourly for 72 h, one after another.

    Rates differ a little, by what is counted between 5 and 20 h.
    """
    random, parts = np.random.default_rng(4), []
    for number, well in enumerate(WELLS):
        scans = np.arange(73.0)
        noise = np.where((scans > 5) & (scans < 20), random.normal(1, 0.05, 73), 1)
        times = begins_h + scans + scan_takes_h * number / len(WELLS)
        is_control = well.startswith("A")
        parts.append(
            pd.DataFrame(
                {
                    "experiment": "e", "plate": name, "well": well, "field": "1",
                    "elapsed_h": times, "excluded": "", "count": 300 * noise * 2 ** (scans / 24),
                    "scan": scans, "role": "control" if is_control else "sample",
                    "cell_line": "T98G", "seeding_density": None, "passage": None,
                    "treatment": None if is_control else "drug",
                    "concentration": None if is_control else 1.0,
                    "concentration_unit": None if is_control else "uM",
                    "further_treatments": None, "group": "control" if is_control else well[0],
                }
            )
        )  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def fold_of(counts: pd.DataFrame, window: tuple[float, float] | None = None) -> pd.DataFrame:
    return RunTables(counts, window).groups.set_index("group")


def leave_out(counts: pd.DataFrame, wells: list[str], scans: range) -> pd.DataFrame:
    met = counts["well"].isin(wells) & counts["scan"].isin(scans)
    counts.loc[met, "excluded"] = "bubble"
    return counts


def test_a_well_without_the_last_scan_has_no_fold_change_and_that_is_said() -> None:
    groups = fold_of(leave_out(plate(), ["B3"], range(36, 73)))
    assert list(groups["fold_change"]) == pytest.approx([8.0] * 3)
    assert list(groups["fold_change_sd"]) == pytest.approx([0.0] * 3, abs=1e-9)
    assert "no fold change without the last of the scans from 0" in groups.loc["B", "reason"]
    assert "(B3)" in groups.loc["B", "reason"]
    assert groups.loc["B", "n_wells"] == 4
    assert "fold change" not in groups.loc["C", "reason"]
    (doses,) = RunTables(leave_out(plate(), ["B3"], range(36, 73))).doses.to_dict("records")
    assert "no fold change without the last" in doses["ic_reason"]


def test_a_failed_first_frame_shifts_no_scan() -> None:
    counts = plate()
    counts = counts[~((counts["well"] == "B3") & (counts["scan"] == 0))]
    groups = fold_of(counts)
    assert list(groups["fold_change"]) == pytest.approx([8.0] * 3)
    assert "no fold change without the first of the scans" in groups.loc["B", "reason"]


def test_many_wells_that_end_early_shorten_the_span_of_all() -> None:
    groups = fold_of(leave_out(plate(), ["B1", "B2", "B3"], range(49, 73)))
    assert list(groups["fold_change"]) == pytest.approx([4.0] * 3)
    assert "fold change only over the shared scans from 0" in groups.loc["C", "reason"]


def test_a_scan_that_is_being_taken_is_not_waited_for() -> None:
    counts = plate()
    counts = counts[counts["elapsed_h"] < 72.4]
    groups = fold_of(counts)
    assert list(groups["fold_change"]) == pytest.approx([2 ** (71 / 24)] * 3)
    assert not groups["reason"].str.contains("fold change").any()


def test_plates_that_were_begun_at_other_times_are_compared_from_their_own_start() -> None:
    both = pd.concat([plate("P1"), plate("P2", begins_h=30.4)], ignore_index=True)
    assert list(fold_of(both)["fold_change"]) == pytest.approx([8.0] * 3)


def test_a_window_is_kept() -> None:
    groups = fold_of(plate(scan_takes_h=0.2), (4.0, 28.5))
    assert list(groups["fold_change"]) == pytest.approx([2.0] * 3)
