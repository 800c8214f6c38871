"""The ground truth that stands beside a simulated acquisition."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["FrameTruth", "GroundTruth", "TruthKeeper", "WellTruth", "fitted_doubling_time_h"]

FOLDER = "truth"
COLUMNS = (
    "source",
    "page",
    "well",
    "field",
    "time_point",
    "elapsed_h",
    "count",
    "dividing",
    "dead",
)


@dataclass(frozen=True, slots=True)
class FrameTruth:
    """What really lies in one frame.

    Attributes
    ----------
    source
        Path below the acquisition's folder, with ``/``.
    page
        Page in that file, from 0.
    well, field, time_point
        Where and when; fields count from 1, time points from 0.
    elapsed_h
        Hours since the start.
    count
        Live cells whose centre lies in the field.
    dividing
        Those of them in mitosis.
    dead
        Dead bodies, not in ``count``.
    """

    source: str
    page: int
    well: str
    field: int
    time_point: int
    elapsed_h: float
    count: int
    dividing: int
    dead: int


@dataclass(frozen=True, slots=True)
class WellTruth:
    """Growth of one well.

    Attributes
    ----------
    doubling_time_h
        As set; infinite for a well that does not grow.
    realised_doubling_time_h
        Fitted to the true counts of the well's fields together; None where they do not grow or are
        too few to tell. It differs from the set one by the chance of a finite number of cells.
    """

    well: str
    doubling_time_h: float
    realised_doubling_time_h: float | None


@dataclass(frozen=True, slots=True)
class GroundTruth:
    """Everything that a simulated acquisition knows of itself.

    Attributes
    ----------
    folder
        The acquisition's folder: what a monitor watches.
    frames
        In the order of acquisition.
    wells
        In the order of the settings.
    complete
        False where the simulation was stopped early.
    """

    folder: Path
    frames: tuple[FrameTruth, ...]
    wells: tuple[WellTruth, ...]
    complete: bool

    @property
    def truth_csv(self) -> Path:
        """The table of true counts, one row a frame."""
        return self.folder / FOLDER / "truth.csv"


def fitted_doubling_time_h(
    elapsed_h: Sequence[float] | npt.NDArray[np.float64],
    counts: Sequence[float] | npt.NDArray[np.float64],
) -> float | None:
    """Fit exponential growth to true counts.

    Least squares of ``ln N`` on time, weighted by ``N`` (the inverse of the variance of ``ln N``
    for Poisson counts).

    Parameters
    ----------
    elapsed_h
        Shape (n,), hours.
    counts
        Shape (n,); zeros are left out.

    Returns
    -------
    float or None
        Doubling time in hours; None under two different times or where nothing grows.

    Examples
    --------
    >>> round(fitted_doubling_time_h([0, 10, 20], [50, 100, 200]), 6)
    10.0
    """
    times, numbers = np.asarray(elapsed_h, float), np.asarray(counts, float)
    seen = numbers > 0
    if len(np.unique(times[seen])) < 2:
        return None
    rate = float(np.polyfit(times[seen], np.log(numbers[seen]), 1, w=np.sqrt(numbers[seen]))[0])
    return math.log(2) / rate if rate > 1e-9 else None


class TruthKeeper:
    """Writes the truth as it becomes known, so that an interrupted run has its truth as well.

    Parameters
    ----------
    folder
        The acquisition's folder.
    settings
        What ``truth.json`` says of the settings.
    doubling_times_h
        The set doubling time of each well.
    """

    def __init__(
        self, folder: Path, settings: dict[str, Any], doubling_times_h: dict[str, float]
    ) -> None:
        self._folder = folder
        self._settings = settings
        self._doubling_times_h = doubling_times_h
        self.frames: list[FrameTruth] = []
        (folder / FOLDER).mkdir(parents=True, exist_ok=True)
        self._table = (folder / FOLDER / "truth.csv").open("w", encoding="utf-8", newline="")
        self._rows = csv.writer(self._table, lineterminator="\n")
        self._rows.writerow(COLUMNS)
        self._table.flush()
        self._write_json(complete=False)

    def add(self, frame: FrameTruth) -> None:
        """Note one frame."""
        self.frames.append(frame)
        values = (getattr(frame, name) for name in COLUMNS)
        self._rows.writerow([f"{v:.6f}" if isinstance(v, float) else v for v in values])
        self._table.flush()

    def close(self, *, complete: bool) -> GroundTruth:
        """Finish the files and return all of it."""
        self._table.close()
        return GroundTruth(
            self._folder, tuple(self.frames), self._write_json(complete=complete), complete
        )

    def _write_json(self, *, complete: bool) -> tuple[WellTruth, ...]:
        wells = tuple(
            WellTruth(well, set_h, self._realised(well))
            for well, set_h in self._doubling_times_h.items()
        )
        content = {
            "settings": self._settings,
            "complete": complete,
            "wells": {
                w.well: {
                    "doubling_time_h": _finite(w.doubling_time_h),
                    "realised_doubling_time_h": w.realised_doubling_time_h,
                }
                for w in wells
            },
        }
        path = self._folder / FOLDER / "truth.json"
        path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        return wells

    def _realised(self, well: str) -> float | None:
        """Fit the sums over the fields of a well, at the time points that all fields have."""
        scans: dict[int, list[FrameTruth]] = {}
        for frame in self.frames:
            if frame.well == well:
                scans.setdefault(frame.time_point, []).append(frame)
        n_fields = max(map(len, scans.values()), default=0)
        whole = [scan for scan in scans.values() if len(scan) == n_fields]
        return fitted_doubling_time_h(
            [sum(frame.elapsed_h for frame in scan) / n_fields for scan in whole],
            [sum(frame.count for frame in scan) for scan in whole],
        )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
