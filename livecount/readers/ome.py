"""OME-XML -> attributes of each page (schema 2016-06, openmicroscopy.org)."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, timedelta, tzinfo
from typing import Any
from xml.etree import ElementTree

from livecount.frame import AttributeSource, FrameAttributes
from livecount.readers.micromanager import number, stage_position
from livecount.readers.stamps import parse_stamp
from livecount.readers.wells import well_and_field, well_from_numbers

__all__ = ["OmePages", "is_ome", "parse_ome"]

_UM = {"nm": 1e-3, "µm": 1.0, "μm": 1.0, "um": 1.0, "micron": 1.0, "mm": 1e3, "cm": 1e4, "m": 1e6}
_SECONDS = {"ns": 1e-9, "µs": 1e-6, "μs": 1e-6, "us": 1e-6, "ms": 1e-3, "s": 1.0}
_SECONDS |= {"min": 60.0, "h": 3600.0, "d": 86400.0}
_MAX_CHARACTERS = 64 * 1024**2
_MAX_PLANES = 1_000_000


@dataclass(frozen=True, slots=True)
class OmePages:
    """What OME-XML says of each directory of one file, by its number."""

    pages: dict[int, FrameAttributes]

    def of(self, page: int) -> FrameAttributes:
        """Attributes of a page; empty where the XML does not mention it."""
        return self.pages.get(page, FrameAttributes())


def is_ome(description: str) -> bool:
    """Tell whether an ImageDescription is OME-XML."""
    return description.lstrip("\ufeff \r\n\t")[:64].startswith(("<?xml", "<OME")) and (
        "</OME>" in description[-32:] or ":OME>" in description[-32:]
    )


@functools.lru_cache(maxsize=4)
def parse_ome(xml: str, file_name: str, time_zone: tzinfo = UTC) -> OmePages:
    """Read OME-XML.

    Parameters
    ----------
    xml
        The document.
    file_name
        Name of the file it describes, to tell its pages from those of other files of the set.
    time_zone
        Zone of an AcquisitionDate without one.

    Returns
    -------
    OmePages
        Empty where the document cannot be read: it is metadata, the pixels count without it.
    """
    if len(xml) > _MAX_CHARACTERS or "<!DOCTYPE" in xml[:4096] or "<!ENTITY" in xml[:4096]:
        return OmePages({})
    try:
        root = ElementTree.fromstring(xml.lstrip("\ufeff \r\n\t"))
    except (ElementTree.ParseError, ValueError):
        return OmePages({})
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    try:
        return OmePages(_Document(root, file_name, time_zone).pages())
    except (KeyError, ValueError, OverflowError, TypeError):
        return OmePages({})


class _Document:
    def __init__(self, root: ElementTree.Element, file_name: str, time_zone: tzinfo) -> None:
        self._root = root
        self._file_name = file_name
        self._time_zone = time_zone
        self._places = dict(self._wells())

    def pages(self) -> dict[int, FrameAttributes]:
        images = self._root.findall("Image")
        found: dict[int, FrameAttributes] = {}
        next_free = 0
        for image in images:
            pixels = image.find("Pixels")
            if pixels is None:
                continue
            planes = _Planes(pixels)
            whole = self._of_image(image, pixels, several=len(images) > 1)
            for page, coordinates in self._placed(pixels, planes, next_free):
                found[page] = planes.at(coordinates, image, self._time_zone).completed_by(whole)
                next_free = max(next_free, page + 1)
        return found

    def _placed(
        self, pixels: ElementTree.Element, planes: _Planes, next_free: int
    ) -> Iterator[tuple[int, tuple[int, int, int]]]:
        """Pair directory numbers with (c, z, t), from TiffData."""
        entries = pixels.findall("TiffData")
        if not entries:
            for step in range(planes.n):
                yield next_free + step, planes.coordinates(step)
        for entry in entries:
            if not self._is_here(entry.find("UUID")):
                continue
            first = int(entry.get("IFD", "0"))
            start = planes.step(
                *(int(entry.get(name, "0")) for name in ("FirstC", "FirstZ", "FirstT"))
            )
            count = entry.get("PlaneCount", "1" if "IFD" in entry.attrib else str(planes.n))
            for step in range(min(int(count), planes.n - start)):
                yield first + step, planes.coordinates(start + step)

    def _is_here(self, uuid: ElementTree.Element | None) -> bool:
        if uuid is None:
            return True
        own = self._root.get("UUID")
        if own is not None and uuid.text is not None:
            return own.strip() == uuid.text.strip()
        return uuid.get("FileName") in (None, self._file_name)

    def _of_image(
        self, image: ElementTree.Element, pixels: ElementTree.Element, *, several: bool
    ) -> FrameAttributes:
        name = image.get("Name") if several else None
        if name == self._file_name:
            name = None
        plate, well, field = self._places.get(image.get("ID", ""), (None, None, None))
        if well is None and name is not None:
            well, field = well_and_field(name)
        return FrameAttributes.from_source(
            AttributeSource.OME_XML,
            plate=plate,
            well=well,
            field=field,
            position=name or None,
            pixel_size_um=_quantity(pixels, "PhysicalSizeX", _UM, "µm"),
        )

    def _wells(self) -> Iterator[tuple[str, tuple[str | None, str | None, str | None]]]:
        """Pair image IDs with plate, well and field."""
        for plate in self._root.findall("Plate"):
            for well in plate.findall("Well"):
                name = well_from_numbers(
                    int(well.get("Row", -1)) + 1, int(well.get("Column", -1)) + 1
                )
                for order, sample in enumerate(well.findall("WellSample")):
                    reference = sample.find("ImageRef")
                    if reference is not None:
                        place = (plate.get("Name") or plate.get("ID"), name, str(order + 1))
                        yield reference.get("ID", ""), place


class _Planes:
    """The planes of one Pixels element: their order, and what is said of each."""

    def __init__(self, pixels: ElementTree.Element) -> None:
        order = pixels.get("DimensionOrder", "XYCZT")[2:]
        self._sizes = {axis: max(1, int(pixels.get(f"Size{axis}", "1"))) for axis in "CZT"}
        channels = pixels.findall("Channel")
        if len(channels) >= 1:
            # One Channel may hold several samples (RGB), which share a plane.
            self._sizes["C"] = len(channels)
        if sorted(order) != ["C", "T", "Z"]:
            raise ValueError(order)
        self._order = order
        self.n = min(_MAX_PLANES, self._sizes["C"] * self._sizes["Z"] * self._sizes["T"])
        self._channels = [channel.get("Name") or channel.get("Fluor") for channel in channels]
        self._increment_s = _quantity(pixels, "TimeIncrement", _SECONDS, "s")
        self._said = {
            (int(p.get("TheC", 0)), int(p.get("TheZ", 0)), int(p.get("TheT", 0))): p
            for p in pixels.findall("Plane")
        }

    def coordinates(self, step: int) -> tuple[int, int, int]:
        """Turn a plane's number in storage order into (c, z, t)."""
        place = {}
        for axis in self._order:
            step, place[axis] = divmod(step, self._sizes[axis])
        return place["C"], place["Z"], place["T"]

    def step(self, c: int, z: int, t: int) -> int:
        """Invert :meth:`coordinates`."""
        place, factor, found = {"C": c, "Z": z, "T": t}, 1, 0
        for axis in self._order:
            found += place[axis] * factor
            factor *= self._sizes[axis]
        return found

    def at(
        self, coordinates: tuple[int, int, int], image: ElementTree.Element, time_zone: tzinfo
    ) -> FrameAttributes:
        c, z, t = coordinates
        said = self._said.get(coordinates)
        elapsed_s = None if said is None else _quantity(said, "DeltaT", _SECONDS, "s")
        if elapsed_s is None and self._increment_s:
            elapsed_s = t * self._increment_s
        began = parse_stamp(image.findtext("AcquisitionDate"), time_zone)
        acquired_at = began if t == 0 else None
        if began is not None and elapsed_s is not None:
            # AcquisitionDate is the start of the acquisition, DeltaT counts from there.
            acquired_at = began + timedelta(seconds=elapsed_s)
        return FrameAttributes.from_source(
            AttributeSource.OME_XML,
            channel=self._channels[c] if c < len(self._channels) else None,
            z=z if self._sizes["Z"] > 1 else None,
            time_point=t if self._sizes["T"] > 1 else None,
            elapsed_s=elapsed_s,
            acquired_at=acquired_at,
            **({} if said is None else stage_position(_place(said, "X"), _place(said, "Y"))),
        )


def _place(plane: ElementTree.Element, axis: str) -> float | None:
    """Read a stage coordinate in um; without a unit it is in one that only the microscope knows."""
    value = number(plane.get(f"Position{axis}"))
    factor = _UM.get(plane.get(f"Position{axis}Unit", ""))
    return None if value is None or factor is None else value * factor


def _quantity(
    element: ElementTree.Element, name: str, units: dict[str, float], default: str
) -> float | None:
    value = number(element.get(name))
    factor: Any = units.get(element.get(f"{name}Unit", default))
    if value is None or factor is None or value < 0 or (units is _UM and value == 0):
        return None
    return value * float(factor)
