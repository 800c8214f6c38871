"""Which frame of stained nuclei shows the same field, at the same time, as which frame of cells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from livecount.nuclei import UNUSABLE
from livecount.nuclei_calibration import NucleiCalibration, fit_calibration

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PAIR_COLUMNS", "Pairs", "fit_pairs", "pair_frames"]

PAIR_COLUMNS: Final = (
    "plate",
    "well",
    "field",
    "position",
    "elapsed_h",
    "apart_min",
    "count",
    "nuclei",
    "area_mm2",
    "source",
    "page",
    "nuclei_source",
    "nuclei_page",
)

_SAME_AREA: Final = 0.02
"""Fields of view this close are one: files round pixel sizes."""

_PLACE: Final = ("plate", "well", "field", "position")


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Frames that show the same field at the same time, and those that found no partner.

    Attributes
    ----------
    table
        Columns :data:`PAIR_COLUMNS`; ``apart_min`` is NaN where only the time point is known.
    left_out
        Why frames of nuclei have no part in it, and how many.
    """

    table: pd.DataFrame
    left_out: Mapping[str, int]


def pair_frames(cells: pd.DataFrame, nuclei: pd.DataFrame, within_min: float) -> Pairs:
    """Pair every usable frame of nuclei with the nearest frame of cells of the same field.

    Time is compared as dates where both frames have one, else as seconds from the start of the
    acquisition where both lie in the same watched folder, else by equal time points.

    Parameters
    ----------
    cells, nuclei
        Results of :func:`livecount.tables.count_table` with the stored ``elapsed_s`` and
        ``area_mm2`` beside; what is excluded there is not paired.
    within_min
        Farther apart in time is no pair.
    """
    import pandas as pd

    places: dict[tuple[str, ...], list[Any]] = {}
    for row in cells[cells["excluded"] == ""].itertuples():
        places.setdefault(_place(row), []).append(row)
    left_out: Counter[str] = Counter()
    nearest: dict[int, tuple[float, dict[str, Any]]] = {}
    for stained in nuclei.itertuples():
        reason, found = _partner(stained, places.get(_place(stained), []), within_min)
        if found is None:
            left_out[reason] += 1
            continue
        partner, apart_min = found
        rank = -1.0 if apart_min != apart_min else apart_min
        if partner.Index in nearest:
            left_out["another frame of nuclei lies nearer to the same frame of cells"] += 1
            if nearest[partner.Index][0] <= rank:
                continue
        nearest[partner.Index] = (rank, _pair(partner, stained, apart_min))
    table = pd.DataFrame([pair for _, pair in nearest.values()], columns=list(PAIR_COLUMNS))
    return Pairs(table, dict(left_out))


def fit_pairs(pairs: Pairs) -> NucleiCalibration:
    """Fit counts to nuclei over paired fields that have both; plates keep equal wells apart.

    Per mm2 where the area of every field is known, else per field.

    Raises
    ------
    CalibrationError
        As :func:`livecount.nuclei_calibration.fit_calibration`; so where no well is named.
    """
    table = pairs.table
    table = table[(table["count"] > 0) & (table["nuclei"] > 0) & table["well"].notna()]
    known = bool(len(table)) and bool(table["area_mm2"].notna().all())
    area = table["area_mm2"].astype(float) if known else 1.0
    return fit_calibration(
        list(zip(table["plate"].fillna(""), table["well"], strict=True)),
        (table["count"] / area).to_numpy(float),
        (table["nuclei"] / area).to_numpy(float),
        density_unit="per mm2" if known else "per field",
    )


def _place(row: Any) -> tuple[str, ...]:
    return tuple(
        "" if _absent(value) else str(value) for value in map(row.__getattribute__, _PLACE)
    )


def _partner(
    stained: Any, there: list[Any], within_min: float
) -> tuple[str, tuple[Any, float] | None]:
    """Find the frame of cells nearest in time; say why there is none."""
    if stained.excluded:
        return f"excluded: {stained.excluded}", None
    unusable = sorted(UNUSABLE.intersection(stained.flags.split(";")))
    if unusable:
        return f"flagged {', '.join(unusable)}", None
    if not there:
        return "no frame of cells shows the same plate, well, field and position", None
    known = [(apart, row) for row in there if (apart := _apart_min(stained, row)) is not None]
    if not known:
        return "no time that it and the frames of cells have in common", None
    apart, row = min(known, key=lambda each: (each[0] == each[0], each[0], str(each[1].source)))
    if apart > within_min:
        return f"no frame of cells of the same field within {within_min:g} min", None
    if not _same_area(stained.area_mm2, row.area_mm2):
        return "shows another area than the frame of cells of the same field", None
    return "", (row, apart)


def _apart_min(stained: Any, row: Any) -> float | None:
    """Give the minutes between two frames; NaN where only equal time points say so."""
    if not _absent(stained.acquired_at) and not _absent(row.acquired_at):
        return abs(float((stained.acquired_at - row.acquired_at).total_seconds())) / 60
    same_folder = stained.watched_folder == row.watched_folder
    if same_folder and not _absent(stained.elapsed_s) and not _absent(row.elapsed_s):
        return float(abs(stained.elapsed_s - row.elapsed_s)) / 60
    if not _absent(stained.time_point) and stained.time_point == row.time_point:
        return float("nan")
    return None


def _same_area(one: float, other: float) -> bool:
    if _absent(one) or _absent(other):
        return True
    return abs(one / other - 1) <= _SAME_AREA


def _pair(row: Any, stained: Any, apart_min: float) -> dict[str, Any]:
    return {
        **{name: getattr(row, name) for name in (*_PLACE, "elapsed_h", "count", "source", "page")},
        "apart_min": apart_min,
        "nuclei": stained.count,
        "area_mm2": row.area_mm2,
        "nuclei_source": stained.source,
        "nuclei_page": stained.page,
    }


def _absent(value: Any) -> bool:
    import pandas as pd

    return value is None or bool(pd.isna(value))
