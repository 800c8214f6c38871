"""Leica LIF files, through liffile."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from livecount.frame import AttributeSource, FrameAttributes
from livecount.platform.files import open_shared
from livecount.readers.wells import well_and_field

__all__ = ["open_lif"]

_SPATIAL: Final = ("Y", "X")
_SAMPLES: Final = "S"


def open_lif(path: Path) -> _Lif:
    """Open a LIF file; its images that are no (y, x) planes, such as line scans, are left out."""
    return _Lif(path)


class _Lif:
    def __init__(self, path: Path) -> None:
        import liffile

        self._handle = open_shared(path)
        try:
            self._file = liffile.LifFile(self._handle, squeeze=True)
            self._images = [image for image in self._file.images if _is_planar(image.dims)]
        except BaseException:
            self._handle.close()
            raise
        self._sizes = [_n_frames(image) for image in self._images]

    @property
    def n_pages(self) -> int:
        return sum(self._sizes)

    def claim(self, page: int) -> tuple[tuple[int, ...], int]:
        image, _ = self._at(page)
        n_samples = image.sizes.get(_SAMPLES, 1)
        shape = (image.sizes["Y"], image.sizes["X"])
        return shape, shape[0] * shape[1] * n_samples * image.dtype.itemsize

    def pixels(self, page: int) -> npt.NDArray[Any]:
        image, index = self._at(page)
        return np.asarray(image.frame(**index))

    def attributes(self, page: int, time_zone: tzinfo) -> FrameAttributes:  # noqa: ARG002 (UTC)
        image, index = self._at(page)
        position = image.name
        if image.sizes.get("M", 1) > 1:
            position = f"{position} {index['M']}"
        well, field = well_and_field(position)
        acquired_at, elapsed_s = _times(image, index)
        step_m = _step(image.coords.get("X"))
        return FrameAttributes.from_source(
            AttributeSource.FILE_TAG,
            position=position or None,
            well=well,
            field=field,
            time_point=index.get("T"),
            channel=_channel(image, index),
            z=index.get("Z"),
            acquired_at=acquired_at,
            elapsed_s=elapsed_s,
            pixel_size_um=None if step_m is None else step_m * 1e6,
        )

    def close(self) -> None:
        self._file.close()
        self._handle.close()

    def _at(self, page: int) -> tuple[Any, dict[str, int]]:
        """Find the image of a page, and the page's place along the image's other axes."""
        for image, n in zip(self._images, self._sizes, strict=True):
            if page < n:
                return image, _index(image, page)
            page -= n
        raise IndexError(f"no plane {page}")


def _is_planar(dims: tuple[str, ...]) -> bool:
    spatial = tuple(dim for dim in dims if dim != _SAMPLES)[-2:]
    return spatial == _SPATIAL


def _others(image: Any) -> list[str]:
    return [dim for dim in image.dims if dim not in (*_SPATIAL, _SAMPLES)]


def _n_frames(image: Any) -> int:
    return int(np.prod([image.sizes[dim] for dim in _others(image)], dtype=np.int64))


def _index(image: Any, page: int) -> dict[str, int]:
    names = _others(image)
    places = np.unravel_index(page, [image.sizes[name] for name in names]) if names else ()
    return {name: int(place) for name, place in zip(names, places, strict=True)}


def _channel(image: Any, index: dict[str, int]) -> str | None:
    """Name a channel by its number, or by that of the wavelengths that were swept."""
    places = [
        f"{name}{place}"
        for name, place in index.items()
        if name not in ("T", "Z", "M") and image.sizes[name] > 1
    ]
    return " ".join(places).removeprefix("C") or None


def _times(image: Any, index: dict[str, int]) -> tuple[datetime | None, float | None]:
    """Look up a frame's time stamp (a Windows FILETIME, which is UTC) and its lag to the first."""
    stamps = image.timestamps
    names = _others(image)
    if stamps is None or len(stamps) != _n_frames(image):
        return None, None
    sizes = [image.sizes[name] for name in names]
    at = int(np.ravel_multi_index([index[name] for name in names], sizes)) if names else 0
    milliseconds = stamps.astype("datetime64[ms]").astype(np.int64)
    taken = datetime.fromtimestamp(int(milliseconds[at]) / 1000, UTC)
    return taken, float(milliseconds[at] - milliseconds.min()) / 1000


def _step(coordinates: npt.NDArray[np.float64] | None) -> float | None:
    """Distance of neighbouring coordinates, in their unit (metres)."""
    if coordinates is None or len(coordinates) < 2:
        return None
    step = abs(float(coordinates[-1] - coordinates[0])) / (len(coordinates) - 1)
    return step if step > 0 else None
