"""TIFF tags of the makers of microscopes -> attributes of one page."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import tzinfo
from typing import Any
from xml.etree import ElementTree

from livecount.frame import AttributeSource, FrameAttributes
from livecount.readers.calibration import plausible_pixel_size
from livecount.readers.grey import DecodedPlane
from livecount.readers.micromanager import attributes_from_record, bit_depth, number
from livecount.readers.ome import is_ome, parse_ome
from livecount.readers.stamps import parse_stamp
from livecount.readers.tiff import TiffContent
from livecount.readers.wells import well_and_field

__all__ = ["attributes_of_tiff_page", "record_of", "with_camera_depth"]

_UM_PER_TIFF_UNIT = {2: 25_400.0, 3: 10_000.0}
_UM = {"micron": 1.0, "microns": 1.0, "um": 1.0, "µm": 1.0, "μm": 1.0, "\\u00b5m": 1.0, "nm": 1e-3}
_UM |= {"mm": 1e3, "cm": 1e4, "m": 1e6, "inch": 25_400.0, "micrometer": 1.0}
_SECONDS = {"us": 1e-6, "µs": 1e-6, "ms": 1e-3, "msec": 1e-3, "s": 1.0, "sec": 1.0, "second": 1.0}
_SECONDS |= {
    "min": 60.0,
    "minute": 60.0,
    "h": 3600.0,
    "hr": 3600.0,
    "hour": 3600.0,
    "day": 86_400.0,
}
_NIS_CHANNEL = re.compile(r"^\s*Name: ([^\r\n\0]{1,80}?)\s*$", re.MULTILINE)
_STAGE_LABEL = re.compile(r"(?:(?P<well>[A-P]\d{1,2})\s*:\s*)?Site\s*(?P<field>\d+)", re.IGNORECASE)

Tags = Mapping[int, Any]


@dataclass(frozen=True, slots=True)
class _Page:
    """What the readers below need of a page."""

    content: TiffContent
    number: int
    file_name: str
    time_zone: tzinfo

    @property
    def tags(self) -> Tags:
        return self.content.tags

    @property
    def description(self) -> str:
        text = self.tags.get(270)
        return text if isinstance(text, str) else ""


def attributes_of_tiff_page(
    content: TiffContent, page: int, file_name: str, time_zone: tzinfo
) -> FrameAttributes:
    """Gather what a page's own tags and the file's OME-XML say, the more specific first.

    Parameters
    ----------
    content
        The page with its tags.
    page
        Its number in the file, from 0.
    file_name
        Name of the file, for sets of OME-TIFF files.
    time_zone
        Zone of stamps without one.

    Returns
    -------
    FrameAttributes
        Each with its source: the page's tags before OME-XML; resolution tags last, and only where
        they make sense for a microscope.
    """
    subject = _Page(content, page, file_name, time_zone)
    found = FrameAttributes()
    for read in _READERS:
        found = found.completed_by(read(subject))
    return found


def record_of(tags: Tags) -> Mapping[str, Any] | None:
    """Find the JSON record that Micro-Manager leaves in a page: its own tag, or ImageJ's "Info"."""
    record = tags.get(51123)
    if isinstance(record, str | bytes):
        record = _json_object(record)
    if not isinstance(record, Mapping):
        imagej = tags.get(50839)
        info = imagej.get("Info") if isinstance(imagej, Mapping) else None
        record = _json_object(info) if isinstance(info, str) else None
    return record if record else None


def with_camera_depth(plane: DecodedPlane, content: TiffContent) -> DecodedPlane:
    """Refine the value at which the camera clips by what the file says of its bit depth.

    Parameters
    ----------
    plane
        With the saturation level of its pixels' type.
    content
        The page with its tags.

    Returns
    -------
    DecodedPlane
        With, for example, 4095 for a 12-bit camera. A claim below the brightest pixel is wrong and
        left aside.
    """
    if plane.saturation_level is None:
        return plane
    record = record_of(content.tags)
    bits = bit_depth(record) if record else None
    claims = [float(2**bits - 1)] if bits else []
    largest = number(content.tags.get(281))
    # Some writers put the image's own maximum here: only a full scale is believed.
    if largest is not None and largest >= 255 and (int(largest) + 1) & int(largest) == 0:
        claims.append(largest)
    brightest = float(plane.pixels.max()) if claims else 0.0
    for claim in claims:
        if brightest <= claim < plane.saturation_level:
            return replace(plane, saturation_level=claim)
    return plane


def _micro_manager(page: _Page) -> FrameAttributes:
    record = record_of(page.tags)
    if record is None:
        return FrameAttributes()
    return attributes_from_record(record, AttributeSource.FILE_TAG, page.time_zone)


def _nis_elements(page: _Page) -> FrameAttributes:
    elapsed_ms, pixel_size_um = number(page.tags.get(65325)), number(page.tags.get(65326))
    return FrameAttributes.from_source(
        AttributeSource.FILE_TAG,
        elapsed_s=None if elapsed_ms is None or elapsed_ms < 0 else elapsed_ms / 1000.0,
        pixel_size_um=pixel_size_um if pixel_size_um and pixel_size_um > 0 else None,
        channel=_nis_channel(page.tags.get(65330)),
    )


def _nis_channel(text_info: Any) -> str | None:
    """Read the optical configuration's name, where only one was used."""
    if not isinstance(text_info, bytes):
        return None
    names = set(_NIS_CHANNEL.findall(text_info.decode("utf-16-le", "replace").replace("\0", "\n")))
    return names.pop() if len(names) == 1 else None


def _meta_series(page: _Page) -> FrameAttributes:
    if not page.description.lstrip().startswith("<MetaData>"):
        return FrameAttributes()
    try:
        root = ElementTree.fromstring(page.description.strip())
    except (ElementTree.ParseError, ValueError):
        return FrameAttributes()
    said = {p.get("id", ""): p.get("value", "") for p in root.iter("prop")}
    said |= {p.get("id", ""): p.get("value", "") for p in root.iter("custom-prop")}
    factor = _UM.get(said.get("spatial-calibration-units", "").strip().lower())
    size = number(said.get("spatial-calibration-x"))
    label = _STAGE_LABEL.search(said.get("stage-label", ""))
    well, _ = well_and_field(label["well"]) if label and label["well"] else (None, None)
    return FrameAttributes.from_source(
        AttributeSource.FILE_TAG,
        well=well,
        field=label["field"] if label else None,
        position=None if label else said.get("stage-label") or None,
        channel=said.get("_IllumSetting_") or said.get("image-name") or None,
        acquired_at=parse_stamp(said.get("acquisition-time-local"), page.time_zone),
        pixel_size_um=size * factor if size and size > 0 and factor else None,
    )


def _ome(page: _Page) -> FrameAttributes:
    xml = page.content.first_description
    if not is_ome(xml):
        return FrameAttributes()
    return parse_ome(xml, page.file_name, page.time_zone).of(page.number)


def _imagej(page: _Page) -> FrameAttributes:
    """Read ImageJ's key = value lines; its planes follow each other in the order c, z, t."""
    first = page.content.first_description
    if not first.startswith("ImageJ="):
        return FrameAttributes()
    said = dict(line.split("=", 1) for line in first.splitlines() if "=" in line)
    sizes = [int(number(said.get(k)) or 1) for k in ("channels", "slices", "frames")]
    c_and_rest = divmod(page.number, max(1, sizes[0]))
    z, t = c_and_rest[0] % max(1, sizes[1]), c_and_rest[0] // max(1, sizes[1])
    interval = number(said.get("finterval"))
    seconds = _seconds(said.get("tunit", ""))
    factor = _UM.get(said.get("unit", "").strip().lower(), _UM.get(said.get("unit", "").strip()))
    return FrameAttributes.from_source(
        AttributeSource.FILE_TAG,
        channel=f"c{c_and_rest[1] + 1}" if sizes[0] > 1 else None,
        z=z if sizes[1] > 1 else None,
        time_point=t if sizes[2] > 1 else None,
        elapsed_s=t * interval * seconds if interval and seconds and sizes[2] > 1 else None,
        pixel_size_um=plausible_pixel_size(factor, _rational(page.tags.get(282))),
    )


def _seconds(unit: str) -> float | None:
    """Give the seconds in ImageJ's time unit: seconds where none is said, None for an unknown one.

    The unit is free text in ImageJ: to guess one would put every growth rate out by that factor.
    """
    said = unit.strip().lower()
    return _SECONDS.get(said or "s", _SECONDS.get(said.removesuffix("s")))


def _resolution(page: _Page) -> FrameAttributes:
    across, down = _rational(page.tags.get(282)), _rational(page.tags.get(283))
    unit = page.tags.get(296, 2)
    factor = _UM_PER_TIFF_UNIT.get(int(unit)) if isinstance(unit, int) else None
    if not across or not down or abs(across / down - 1) > 0.01:
        return FrameAttributes()
    return FrameAttributes.from_source(
        AttributeSource.FILE_TAG, pixel_size_um=plausible_pixel_size(factor, across)
    )


def _rational(value: Any) -> float | None:
    if isinstance(value, tuple) and len(value) == 2 and all(isinstance(v, int) for v in value):
        return value[0] / value[1] if value[0] > 0 and value[1] > 0 else None
    found = number(value)
    return found if found and found > 0 else None


def _json_object(text: str | bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


_READERS: tuple[Callable[[_Page], FrameAttributes], ...] = (
    _micro_manager,
    _nis_elements,
    _meta_series,
    _ome,
    _imagej,
    _resolution,
)
