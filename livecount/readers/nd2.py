"""Nikon ND2 files, through nd2."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt

from livecount.frame import AttributeSource, FrameAttributes
from livecount.platform.files import open_shared
from livecount.readers.wells import well_and_field

__all__ = ["open_nd2"]

_JULIAN_OF_2000: Final = 2_451_544.5
"""Julian day number of 2000-01-01 00:00 UTC."""


def open_nd2(path: Path) -> _Nd2:
    """Open an ND2 file; each channel of each of its frames is a plane."""
    return _Nd2(path)


class _Nd2:
    def __init__(self, path: Path) -> None:
        import nd2

        self._handle = open_shared(path)
        try:
            self._file = nd2.ND2File(cast(Any, self._handle))
            self._sizes = dict(self._file.sizes)
            self._places = list(self._file.loop_indices)
        except BaseException:
            self._handle.close()
            raise
        self._n_channels = 1 if self._file.is_rgb else self._sizes.get("C", 1)

    @property
    def n_pages(self) -> int:
        return len(self._places) * self._n_channels

    def claim(self, page: int) -> tuple[tuple[int, ...], int]:  # noqa: ARG002 (all are alike)
        shape = (self._sizes["Y"], self._sizes["X"])
        # A frame is decoded with all of its channels.
        n_samples = max(self._n_channels, self._sizes.get("S", 1))
        return shape, shape[0] * shape[1] * n_samples * self._file.dtype.itemsize

    def pixels(self, page: int) -> npt.NDArray[Any]:
        frame, channel = divmod(page, self._n_channels)
        samples = np.asarray(self._file.read_frame(frame))
        return samples if self._file.is_rgb or samples.ndim == 2 else samples[channel]

    def attributes(self, page: int, time_zone: tzinfo) -> FrameAttributes:  # noqa: ARG002 (UTC)
        frame, channel = divmod(page, self._n_channels)
        place = self._places[frame]
        position = self._position(place.get("P"))
        well, field = well_and_field(position) if position else (None, None)
        said = self._frame_channel(frame, channel)
        acquired_at, elapsed_s = _times(getattr(said, "time", None))
        size_um = float(self._file.voxel_size(channel).x)
        return FrameAttributes.from_source(
            AttributeSource.FILE_TAG,
            position=position,
            well=well,
            field=field,
            time_point=place.get("T"),
            channel=self._channel(said) if self._n_channels > 1 else None,
            z=place.get("Z"),
            acquired_at=acquired_at,
            elapsed_s=elapsed_s,
            # 1 stands for a stage that was never calibrated.
            pixel_size_um=size_um if size_um > 0 and size_um != 1.0 else None,
        )

    def close(self) -> None:
        self._file.close()
        self._handle.close()

    def _frame_channel(self, frame: int, channel: int) -> Any:
        channels = getattr(self._file.frame_metadata(frame), "channels", None) or []
        return channels[channel] if channel < len(channels) else None

    def _channel(self, said: Any) -> str | None:
        name = getattr(getattr(said, "channel", None), "name", None)
        return name.strip() or None if isinstance(name, str) else None

    def _position(self, index: int | None) -> str | None:
        if index is None:
            return None
        for loop in self._file.experiment:
            points = getattr(loop.parameters, "points", None)
            if loop.type == "XYPosLoop" and points and index < len(points):
                return points[index].name or f"point {index + 1}"
        return f"point {index + 1}"


def _times(said: Any) -> tuple[datetime | None, float | None]:
    """Read the time since the start, and the absolute one (a Julian day number, UTC)."""
    if said is None:
        return None, None
    days = float(said.absoluteJulianDayNumber) - _JULIAN_OF_2000
    acquired_at = datetime(2000, 1, 1, tzinfo=UTC) + timedelta(days=days) if days > 0 else None
    return acquired_at, float(said.relativeTimeMs) / 1000
