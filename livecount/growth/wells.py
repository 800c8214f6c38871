"""Exported counts, arranged as one series per field of each well."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final, Literal, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from livecount.errors import LivecountError
from livecount.growth.series import GrowthSeries, Series

__all__ = [
    "INSIDE",
    "Identity",
    "Metric",
    "PositionSeries",
    "WellSeries",
    "values_of",
    "wells_of",
]

Identity = tuple[str | None, ...]
"""Experiment, plate, well, channel, z plane and analysis of a curve."""

Metric = Literal["count", "density_per_mm2", "count_inside", "density_inside_per_mm2"]

INSIDE: Final = "inside"
"""In the column ``curves_from``: curves are made of the counts without edges and overlaps."""

_APART = ("experiment", "plate", "well", "channel", "z", "analysis_id")
"""What never shares a curve: wells, and within them channels, z planes and analyses."""

_CELLS = ("cell_line", "passage", "seeding_density")
"""What wells share whose cells may be expected to wait equally long after seeding."""

Texts = npt.NDArray[np.object_]
_T = TypeVar("_T")

_WELL_NAME = re.compile(r"([A-Za-z]{1,2})0*(\d{1,2})")


@dataclass(frozen=True, slots=True, eq=False)
class PositionSeries:
    """One field's curve.

    Attributes
    ----------
    label
        Position or field as the microscope names it, or None where it has no name.
    used, excluded
        Its points that count and those that people or rules have excluded.
    """

    label: str | None
    used: GrowthSeries
    excluded: GrowthSeries


@dataclass(frozen=True, slots=True, eq=False)
class WellSeries:
    """One well's fields, in one channel and z plane, under one analysis.

    Attributes
    ----------
    experiment, plate, well, channel, z, analysis_id
        What keeps it apart; ``well`` is None where the microscope names none.
    group
        Its replicate group, where one is stated.
    metric
        What the values of ``fields`` are; where fields overlap, their densities inside are weighed
        by their shares of the area, so that the mean is the well's cells over its area.
    relative_to
        Name of the moment that they are relative to, or None where they are as measured.
    cells
        Cell line, passage and seeding density as the plate map states them, "" where it does not.
    """

    experiment: str | None
    plate: str | None
    well: str | None
    channel: str | None
    z: str | None
    analysis_id: str | None
    group: str | None
    metric: Metric
    fields: tuple[PositionSeries, ...]
    relative_to: str | None = None
    cells: tuple[str, ...] = ()

    @property
    def used(self) -> list[GrowthSeries]:
        """The series of the fields without what is excluded."""
        return [field.used for field in self.fields]

    @property
    def identity(self) -> Identity:
        """What keeps it apart from every other curve; that of its row in the growth table."""
        return (
            *(self.experiment, self.plate, self.well),
            *(self.channel, self.z, self.analysis_id),
        )

    @property
    def replicate_key(self) -> tuple[str | None, ...]:
        """What wells must share before a group of them means anything."""
        return (self.experiment, self.channel, self.z, self.analysis_id)

    @property
    def sown_with(self) -> tuple[str | None, ...]:
        """What wells share that were sown alike: plate and cells."""
        return (self.plate, *self.cells)


def together(items: Iterable[_T], key: Callable[[_T], Hashable]) -> list[list[_T]]:
    """Gather what has the same key, in the order in which the keys first come."""
    gathered: dict[Hashable, list[_T]] = {}
    for item in items:
        gathered.setdefault(key(item), []).append(item)
    return list(gathered.values())


def groups_in(wells: Iterable[WellSeries]) -> Iterator[list[WellSeries]]:
    """Give the wells of each stated replicate group, and every well that is in none by itself."""
    for members in together(wells, lambda well: well.group):
        if members[0].group is None:
            yield from ([well] for well in members)
        else:
            yield members


def wells_of(counts: pd.DataFrame, *, groups: Mapping[str, str] | None = None) -> list[WellSeries]:
    """Arrange exported counts as one series per field of each well.

    Parameters
    ----------
    counts, groups
        As in :func:`growth_table`.

    Returns
    -------
    list of WellSeries
        In order of experiment, plate and well (A1, A2, A10).

    Raises
    ------
    LivecountError
        When a needed column is missing.
    """
    if counts.empty:
        return []
    tidy = _tidy(counts, groups)
    return sorted(_wells_in(tidy), key=_plate_order)


def values_of(counts: pd.DataFrame) -> pd.DataFrame:
    """Tell of each count which well it belongs to and the value that the well's curve has for it.

    Parameters
    ----------
    counts
        As in :func:`growth_table`; excluded rows have values too.

    Returns
    -------
    pandas.DataFrame
        ``identity``, as of :class:`WellSeries`, and ``value``, with the index of the counts.
    """
    tidy = _tidy(counts, None)
    keys = zip(*(tidy[name] for name in _APART), strict=True)
    identities = [tuple(part or None for part in key) for key in keys]
    found = pd.DataFrame({"value": tidy["value"]}, index=counts.index)
    found["identity"] = pd.Series(identities, index=counts.index, dtype=object)
    return found


def _tidy(counts: pd.DataFrame, groups: Mapping[str, str] | None) -> pd.DataFrame:
    """Bring the columns to one form: names as text, "" for none; numbers as float."""
    measured = "_inside" if _is_inside(counts) else ""
    columns = {"count": f"count{measured}", "density_per_mm2": f"density{measured}_per_mm2"}
    if "elapsed_h" not in counts or not set(columns.values()) & set(counts):
        raise LivecountError(
            f"the counts lack a column elapsed_h, or both {' and '.join(columns.values())}",
            hint="Give a table as written by `livecount export counts`",
        )
    names = (*_APART, *_CELLS, "position", "field", "group", "excluded")
    tidy = pd.DataFrame({name: _texts(counts, name) for name in names}, index=counts.index)
    for name, source in {"elapsed_h": "elapsed_h", **columns}.items():
        column = counts[source] if source in counts else pd.Series(np.nan, index=counts.index)
        tidy[name] = pd.to_numeric(column, errors="coerce").astype(np.float64)
    if groups is not None:
        stated = {well: group for well, group in groups.items() if group}
        tidy["group"] = [stated.get(well, "") for well in tidy["well"]]
    if not _planes_are_apart(tidy):
        tidy["z"] = ""
    told = tidy["elapsed_h"].notna() & (tidy["excluded"] == "")
    told &= tidy["count"].notna() | tidy["density_per_mm2"].notna()
    lacking = (tidy["density_per_mm2"].isna() & told).groupby(tidy["experiment"]).transform("any")
    known = tidy["density_per_mm2"].notna().groupby(tidy["experiment"]).transform("any")
    tidy["by_area"] = known & ~lacking
    tidy["value"] = tidy["density_per_mm2"].where(tidy["by_area"], tidy["count"])
    tidy["label"] = _labels(tidy)
    tidy["metric"] = np.where(tidy["by_area"], columns["density_per_mm2"], columns["count"])
    if measured and "area_inside_mm2" in counts:
        area = pd.to_numeric(counts["area_inside_mm2"], errors="coerce").where(told)
        tidy["value"] *= _weights(tidy, area.astype(np.float64)).where(tidy["by_area"], 1.0)
    return tidy


def _is_inside(counts: pd.DataFrame) -> bool:
    """Tell whether the curves are to be made of the counts without edges and overlaps."""
    return "curves_from" in counts and bool((counts["curves_from"] == INSIDE).any())


def _weights(tidy: pd.DataFrame, area: pd.Series) -> pd.Series:
    """Weigh each field by its mean area, so that a well's mean is its cells over its area.

    1 where all fields of a well have the same area, as they do unless they overlap.
    """
    well, field = [tidy[name] for name in _APART], tidy["label"]
    of_field = area.groupby([*well, field]).transform("mean")
    first = ~tidy.assign(field=field).duplicated([*_APART, "field"]) & of_field.notna()
    of_well = of_field.where(first).groupby(well).transform("mean")
    return (of_field / of_well).fillna(1.0)


def _texts(counts: pd.DataFrame, name: str) -> Texts:
    """Read a column as text, as it was before a CSV reader took names for numbers."""
    if name not in counts:
        return np.full(len(counts), "", object)
    codes, values = pd.factorize(counts[name])  # -1 where there is none
    texts = np.array([*map(_text, values), ""], object)
    found: Texts = texts[codes]
    return found


def _is_absent(value: object) -> bool:
    return value is None or value is pd.NA or value is pd.NaT or value != value


def _text(value: Any) -> str:
    if _is_absent(value) or (isinstance(value, bool | np.bool_) and not value):
        return ""
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value).strip()


def _planes_are_apart(tidy: pd.DataFrame) -> bool:
    """Tell whether z planes are series of their own: where a place and time has several counts.

    Where one plane stands for each stack, as the sharpest one does, it may be another one at
    another time, and the curve is still one.
    """
    kept = tidy[tidy["excluded"] == ""]
    if kept["z"].nunique() < 2:
        return False
    place = [name for name in _APART if name != "z"]
    several = kept.groupby([*place, "position", "field", "elapsed_h"])["z"].nunique()
    return bool((several > 1).any())


def _labels(tidy: pd.DataFrame) -> Texts:
    """Name each field by its position; by both where one position holds several fields."""
    position, field = (tidy[name].to_numpy(object) for name in ("position", "field"))
    label = np.where(position != "", position, field)
    several = tidy.groupby([*_APART, "position"], sort=False)["field"].transform("nunique") > 1
    both = np.flatnonzero(several & (position != "") & (field != ""))
    label[both] = position[both] + " " + field[both]
    return label


def _wells_in(tidy: pd.DataFrame) -> list[WellSeries]:
    """Cut the counts into fields and wells; each row is moved once, however many fields."""
    well_of = tidy.groupby(list(_APART), sort=False).ngroup().to_numpy()
    field_of = tidy.groupby([*_APART, "label"], sort=False).ngroup().to_numpy()
    order = np.lexsort((field_of, well_of))
    rows = np.split(order, np.flatnonzero(np.diff(field_of[order])) + 1)
    texts = {name: tidy[name].to_numpy() for name in (*_APART, *_CELLS, "label", "metric")}
    groups, excluded = tidy["group"].to_numpy(str), (tidy["excluded"] != "").to_numpy()
    hours, values = tidy["elapsed_h"].to_numpy(), tidy["value"].to_numpy()
    wells = []
    for _, of_well in groupby(rows, key=lambda field: well_of[field[0]]):
        fields = list(of_well)
        first = fields[0][0]
        stated = [group for field in fields for group in np.unique(groups[field]) if group]
        positions = [
            _position(texts["label"][field[0]], hours, values, excluded, field) for field in fields
        ]
        wells.append(
            WellSeries(
                **{name: texts[name][first] or None for name in _APART},
                group=stated[0] if stated else None,
                metric=texts["metric"][first],
                fields=tuple(sorted(positions, key=lambda field: _natural(field.label))),
                cells=tuple(_stated(texts[name], fields) for name in _CELLS),
            )
        )
    return wells


def _stated(texts: Texts, fields: Sequence[npt.NDArray[Any]]) -> str:
    """Give the first text that any of a well's rows states, in alphabetical order."""
    return min((str(text) for rows in fields for text in texts[rows] if text), default="")


def _position(
    label: str,
    hours: Series,
    values: Series,
    excluded: npt.NDArray[np.bool_],
    rows: npt.NDArray[Any],
) -> PositionSeries:
    left_out = excluded[rows]
    used, not_used = rows[~left_out], rows[left_out]
    return PositionSeries(
        label or None,
        GrowthSeries(hours[used], values[used]).usable(),
        GrowthSeries(hours[not_used], values[not_used]).usable(),
    )


def _plate_order(well: WellSeries) -> tuple[Any, ...]:
    parts: Iterable[str | None] = (well.channel, well.z, well.analysis_id)
    return (
        _natural(well.experiment),
        *(part or "" for part in parts),
        _natural(well.plate),
        _well_order(well.well),
    )


def _well_order(well: str | None) -> tuple[Any, ...]:
    match = _WELL_NAME.fullmatch(well or "")
    if match:
        return (0, len(match[1]), match[1].upper(), int(match[2]))
    return (1, 0, "", 0, _natural(well))


def _natural(text: str | None) -> tuple[tuple[int, int, str], ...]:
    """Order key by which "field 2" goes before "field 10"."""
    parts = re.findall(r"\d+|\D+", text or "")
    return tuple((0, int(p), "") if p.isdecimal() else (1, 0, p) for p in parts)
