"""Zeiss CZI files, through pylibCZIrw."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import timedelta, tzinfo
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from livecount.frame import AttributeSource, FrameAttributes
from livecount.readers.micromanager import number
from livecount.readers.stamps import parse_stamp
from livecount.readers.wells import normalise_well, well_and_field

__all__ = ["open_czi"]

_AXES: Final = ("T", "C", "Z")
_BYTES: Final = {"Gray8": 1, "Gray16": 2, "Gray32Float": 4, "Bgr24": 3, "Bgr48": 6}


def open_czi(path: Path) -> _Czi:
    """Open a CZI file; the tiles of a mosaic come as one plane, each scene as a position."""
    return _Czi(path)


class _Czi:
    def __init__(self, path: Path) -> None:
        from pylibCZIrw import czi

        self._document = czi.CziReader(os.fspath(path))
        box = self._document.total_bounding_box
        self._sizes = [max(1, box[axis][1] - box[axis][0]) if axis in box else 1 for axis in _AXES]
        self._starts = [box[axis][0] if axis in box else 0 for axis in _AXES]
        self._box = box
        self._scenes = sorted(self._document.scenes_bounding_rectangle.items())
        self._image = _image(self._document.metadata)

    @property
    def n_pages(self) -> int:
        return int(np.prod(self._sizes)) * max(1, len(self._scenes))

    def claim(self, page: int) -> tuple[tuple[int, ...], int]:
        scene, (_, channel, _) = self._at(page)
        if scene is None:
            shape = tuple(self._box[axis][1] - self._box[axis][0] for axis in ("Y", "X"))
        else:
            shape = (self._scenes[scene][1].h, self._scenes[scene][1].w)
        kind = str(self._document.pixel_types.get(channel, ""))
        return shape, shape[0] * shape[1] * _BYTES.get(kind, 16)

    def pixels(self, page: int) -> npt.NDArray[Any]:
        scene, places = self._at(page)
        starts = zip(_AXES, places, self._starts, strict=True)
        plane = {axis: place + start for axis, place, start in starts if axis in self._box}
        number_of_scene = None if scene is None else self._scenes[scene][0]
        samples = np.asarray(self._document.read(plane=plane, scene=number_of_scene))
        return samples[..., 0] if samples.shape[-1] == 1 else samples[..., ::-1]

    def attributes(self, page: int, time_zone: tzinfo) -> FrameAttributes:
        scene, (time_point, channel, z) = self._at(page)
        position, well = self._place(scene)
        named_well, field = well_and_field(position) if position else (None, None)
        begun = parse_stamp(self._begun(), time_zone)
        elapsed_s = self._offset_s(time_point)
        return FrameAttributes.from_source(
            AttributeSource.FILE_TAG,
            position=position,
            well=well or named_well,
            field=field,
            time_point=time_point if self._sizes[0] > 1 else None,
            channel=self._channel(channel),
            z=z if self._sizes[2] > 1 else None,
            acquired_at=begun + timedelta(seconds=elapsed_s or 0.0)
            if begun is not None and (elapsed_s is not None or self._sizes[0] == 1)
            else None,
            elapsed_s=elapsed_s,
            pixel_size_um=self._pixel_size_um(),
        )

    def close(self) -> None:
        self._document.close()

    def _at(self, page: int) -> tuple[int | None, tuple[int, int, int]]:
        """Find the scene of a page and its place in time, channel and z, counted from 0."""
        scene, rest = divmod(page, int(np.prod(self._sizes)))
        time_point, channel, z = (int(place) for place in np.unravel_index(rest, self._sizes))
        return (scene if self._scenes else None), (time_point, channel, z)

    def _place(self, scene: int | None) -> tuple[str | None, str | None]:
        """Name a scene's position and, where it lies on a plate, its well."""
        if scene is None:
            return None, None
        described = _listed(_below(self._image, "Dimensions", "S", "Scenes"), "Scene")
        said = described[scene] if scene < len(described) else {}
        shape = _below(said, "Shape").get("@Name")
        name = said.get("@Name") or f"scene {self._scenes[scene][0]}"
        well = normalise_well(shape) if isinstance(shape, str) else None
        return str(name), well

    def _begun(self) -> Any:
        return _below(self._image, "Dimensions", "T").get("StartTime") or self._image.get(
            "AcquisitionDateAndTime"
        )

    def _offset_s(self, time_point: int) -> float | None:
        positions = _below(self._image, "Dimensions", "T", "Positions")
        listed = str(_below(positions, "List").get("Offsets") or "").split()
        if time_point < len(listed):
            return number(listed[time_point])
        interval = _below(positions, "Interval")
        start, step = number(interval.get("Start")), number(interval.get("Increment"))
        return None if step is None else (start or 0.0) + step * time_point

    def _channel(self, index: int) -> str | None:
        channels = _listed(_below(self._image, "Dimensions", "Channels"), "Channel")
        said = channels[index] if index < len(channels) else {}
        contrast = said.get("ContrastMethod")
        # "Phase" says what is to be counted; of fluorescence the dye's name says more.
        tells = isinstance(contrast, str) and contrast not in ("Fluorescence", "Other")
        for text in (contrast if tells else None, said.get("Fluor"), said.get("@Name")):
            if isinstance(text, str) and text.strip():
                return text.strip()
        return str(index) if self._sizes[1] > 1 else None

    def _pixel_size_um(self) -> float | None:
        metadata = _below(self._document.metadata, "ImageDocument", "Metadata")
        for item in _listed(_below(metadata, "Scaling", "Items"), "Distance"):
            metres = number(item.get("Value"))
            if item.get("@Id") == "X" and metres is not None and metres > 0:
                return metres * 1e6
        return None


def _image(metadata: Any) -> Mapping[str, Any]:
    return _below(metadata, "ImageDocument", "Metadata", "Information", "Image")


def _below(holder: Any, *names: str) -> Mapping[str, Any]:
    for name in names:
        holder = holder.get(name) if isinstance(holder, Mapping) else None
    return holder if isinstance(holder, Mapping) else {}


def _listed(holder: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """Give the entries of an XML list, which stands alone where there is only one."""
    found = holder.get(name)
    entries = found if isinstance(found, list) else [found]
    return [entry for entry in entries if isinstance(entry, Mapping)]
