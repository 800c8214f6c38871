"""Putting bytes on the disk in the manner of real software: slowly, pre-sized, renamed, growing."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, BinaryIO, Protocol
from xml.sax.saxutils import quoteattr

import numpy as np
import numpy.typing as npt

from livecount.simulation.naming import Naming
from livecount.simulation.plan import (
    CHANNEL,
    Companion,
    FrameTags,
    Plan,
    Scheme,
    Shot,
    site_label,
)

__all__ = ["FileWriter", "FrameWriter", "Manner", "Pause", "StackWriter", "open_writer"]

Pause = Callable[[float], None]
"""Waits so many real seconds; the virtual microscope's may return early when it is stopped."""

_PIECES = 8


class Manner(StrEnum):
    """How a file comes to be on the disk."""

    IN_PLACE = "in-place"
    SLOW = "slow"
    PRE_SIZED = "pre-sized"
    TEMP_RENAME = "temp-rename"
    GROWING = "growing"


class FrameWriter(Protocol):
    """Writes the frames of one acquisition."""

    def write(self, shot: Shot, pixels: npt.NDArray[Any]) -> tuple[Path, int]:
        """Write one frame and return its file and page."""
        ...

    def close(self) -> None:
        """End the acquisition: everything is complete on the disk afterwards."""
        ...


class FileWriter:
    """One file a frame.

    Parameters
    ----------
    folder
        The acquisition's folder.
    naming
        Names, tags and companion files.
    manner
        Any but growing.
    write_s
        Real seconds that a file takes where the manner is not in place.
    pause
        Waits.
    """

    def __init__(
        self, folder: Path, plan: Plan, naming: Naming, manner: Manner, write_s: float, pause: Pause
    ) -> None:
        self._folder, self._naming, self._manner = folder, naming, manner
        self._gap_s, self._pause = write_s / _PIECES, pause
        self._shots: list[Shot] = []
        _write_companions(folder, naming.before(plan))

    def write(self, shot: Shot, pixels: npt.NDArray[Any]) -> tuple[Path, int]:
        """Write one frame, then what follows it."""
        path = self._folder / self._naming.path(shot)
        path.parent.mkdir(parents=True, exist_ok=True)
        content = _encode(pixels, self._naming.tags(shot), shot)
        if self._manner is Manner.TEMP_RENAME:
            temporary = path.with_name(path.name + ".tmp")
            self._write_slowly(temporary, content)
            temporary.replace(path)
        elif self._manner is Manner.IN_PLACE:
            path.write_bytes(content)
        else:
            self._write_slowly(path, content)
        self._shots.append(shot)
        _write_companions(self._folder, self._naming.after(shot))
        return path, 0

    def close(self) -> None:
        """Complete the companion files."""
        _write_companions(self._folder, self._naming.at_end(self._shots))

    def _write_slowly(self, path: Path, content: bytes) -> None:
        with path.open("wb", buffering=0) as file:
            if self._manner is Manner.PRE_SIZED:
                file.truncate(len(content))
            _write_in_pieces(file, content, self._gap_s, self._pause)


class StackWriter:
    """One multi-page file a position, which grows page by page.

    Parameters
    ----------
    folder
        The acquisition's folder.
    naming
        Names and tags.
    manner
        Growing, or pre-sized: the file has its full size, and more, from the first page on and is
        cut at the end.
    write_s
        Real seconds that a page takes.
    pause
        Waits.
    bigtiff
        64-bit offsets.
    ome_at_start
        Write OME-XML, without the times, before the first page instead of only at the end.
    """

    def __init__(
        self,
        folder: Path,
        plan: Plan,
        naming: Naming,
        manner: Manner,
        write_s: float,
        pause: Pause,
        *,
        bigtiff: bool,
        ome_at_start: bool,
    ) -> None:
        self._folder, self._plan, self._naming = folder, plan, naming
        self._pre_sized = manner is Manner.PRE_SIZED
        self._gap_s, self._pause = write_s / _PIECES, pause
        self._bigtiff, self._ome_at_start = bigtiff, ome_at_start
        self._stacks: dict[int, _Stack] = {}
        _write_companions(folder, naming.before(plan))

    def write(self, shot: Shot, pixels: npt.NDArray[Any]) -> tuple[Path, int]:
        """Append one page to its position's stack."""
        stack = self._stacks.get(shot.position)
        if stack is None:
            stack = self._open(shot)
            self._stacks[shot.position] = stack
        description = None
        if not stack.shots:
            # room for what is known only at the end
            plan = self._plan
            description = ome_xml(plan, shot.position, None) if self._ome_at_start else "-"
        stack.append(shot, pixels, self._naming.tags(shot), description)
        return stack.path, len(stack.shots) - 1

    def close(self) -> None:
        """Cut every stack to its length and give it its OME-XML."""
        import tifffile

        for position, stack in self._stacks.items():
            stack.close()
            xml = ome_xml(self._plan, position, stack.shots)
            with tifffile.TiffFile(stack.path, mode="r+") as tiff:
                tiff.pages.first.tags["ImageDescription"].overwrite(xml)
        _write_companions(self._folder, self._naming.at_end(()))

    def _open(self, shot: Shot) -> _Stack:
        path = self._folder / self._naming.path(shot)
        path.parent.mkdir(parents=True, exist_ok=True)
        plan = self._plan
        page = plan.height_px * plan.width_px * plan.dtype.itemsize
        size = plan.n_time_points * (page + 65536) if self._pre_sized else 0
        return _Stack(path, size, self._bigtiff, self._gap_s, self._pause)


class _Stack:
    """One growing file: the TIFF writer on top of a file whose pieces reach the disk slowly."""

    def __init__(self, path: Path, size: int, bigtiff: bool, gap_s: float, pause: Pause) -> None:
        import tifffile

        self.path = path
        self.shots: list[Shot] = []
        self._file = _GrowingFile(path, size, gap_s, pause)
        self._tiff = tifffile.TiffWriter(self._file, bigtiff=bigtiff)  # type: ignore[arg-type]

    def append(
        self, shot: Shot, pixels: npt.NDArray[Any], tags: FrameTags, description: str | None
    ) -> None:
        arguments = tag_arguments(tags, shot)
        if description is not None:
            arguments["description"] = description.encode()
        self._tiff.write(pixels, contiguous=False, **arguments)
        self._file.flush()
        self.shots.append(shot)

    def close(self) -> None:
        self._tiff.close()
        self._file.close()


class _GrowingFile(io.RawIOBase):
    """An unbuffered file whose end is where writing got to, even if it is larger on the disk."""

    def __init__(self, path: Path, size: int, gap_s: float, pause: Pause) -> None:
        super().__init__()
        self._raw = path.open("w+b", buffering=0)
        self._raw.truncate(size)
        self._end = 0
        self._gap_s, self._pause = gap_s, pause

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence == os.SEEK_END:
            return self._raw.seek(self._end + offset)
        return self._raw.seek(offset, whence)

    def tell(self) -> int:
        return self._raw.tell()

    def readinto(self, buffer: Any) -> int:
        return self._raw.readinto(buffer)

    def write(self, content: Any) -> int:
        content = bytes(content)
        # headers are small and written at once; only pixels take their time
        slow = len(content) >= 4096 and self._gap_s > 0
        written = 0
        if slow:
            written = _write_in_pieces(self._raw, content, self._gap_s, self._pause)
        else:
            written = self._raw.write(content)
        self._end = max(self._end, self._raw.tell())
        return written

    def close(self) -> None:
        if not self.closed:
            self._raw.truncate(self._end)
            self._raw.close()
        super().close()


def open_writer(
    scheme: Scheme,
    folder: Path,
    plan: Plan,
    naming: Naming,
    manner: Manner,
    write_s: float,
    pause: Pause,
    *,
    bigtiff: bool = False,
    ome_at_start: bool = False,
) -> FrameWriter:
    """Return the writer for a scheme; see :class:`FileWriter` and :class:`StackWriter`."""
    if not scheme.is_stack:
        return FileWriter(folder, plan, naming, manner, write_s, pause)
    return StackWriter(
        folder, plan, naming, manner, write_s, pause, bigtiff=bigtiff, ome_at_start=ome_at_start
    )


def tag_arguments(tags: FrameTags, shot: Shot) -> dict[str, Any]:
    """Turn tags into keyword arguments of :meth:`tifffile.TiffWriter.write`."""
    per_um = 1 / shot.plan.pixel_size_um
    arguments: dict[str, Any] = {
        "photometric": "minisblack",
        "extratags": list(tags.extratags),
        "metadata": None,
        "software": tags.software or False,
    }
    if tags.imagej_info is not None:
        arguments["metadata"] = {"unit": "um", "Info": tags.imagej_info}
        arguments["resolution"] = (per_um, per_um)
    if tags.description is not None:
        arguments["description"] = tags.description
    if tags.resolution:
        arguments["resolution"] = (1e4 * per_um, 1e4 * per_um)
        arguments["resolutionunit"] = "CENTIMETER"
    if tags.datetime:
        arguments["datetime"] = f"{shot.acquired_at:%Y:%m:%d %H:%M:%S}"
    return arguments


def ome_xml(plan: Plan, position: int, shots: Sequence[Shot] | None) -> str:
    """Describe one position's stack.

    Parameters
    ----------
    plan
        The acquisition.
    position
        Index into ``plan.positions``.
    shots
        The frames taken, with their times; None before the first, when only the plan is known.

    Returns
    -------
    str
        OME-XML 2016-06, ASCII.
    """
    n = plan.n_time_points if shots is None else len(shots)
    planes = "".join(
        f'<Plane TheZ="0" TheC="0" TheT="{t}" DeltaT="{shot.elapsed_s:.3f}" DeltaTUnit="s"/>'
        for t, shot in enumerate(shots or ())
    )
    size = f"{plan.pixel_size_um:.6g}"
    pixels = (
        f'<Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="{plan.dtype.name}" '
        f'SizeX="{plan.width_px}" SizeY="{plan.height_px}" SizeZ="1" SizeC="1" SizeT="{n}" '
        f'PhysicalSizeX="{size}" PhysicalSizeXUnit="&#181;m" '
        f'PhysicalSizeY="{size}" PhysicalSizeYUnit="&#181;m" '
        f'TimeIncrement="{plan.frame_interval_s:.6g}" TimeIncrementUnit="s">'
        f'<Channel ID="Channel:0:0" Name="{CHANNEL}" SamplesPerPixel="1"/>'
        f'<TiffData IFD="0" PlaneCount="{n}"/>{planes}</Pixels>'
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        'xsi:schemaLocation="http://www.openmicroscopy.org/Schemas/OME/2016-06 '
        'http://www.openmicroscopy.org/Schemas/OME/2016-06/ome.xsd">'
        f'<Image ID="Image:0" Name={quoteattr(site_label(*plan.positions[position]))}>'
        f"<AcquisitionDate>{plan.started_at:%Y-%m-%dT%H:%M:%S}</AcquisitionDate>"
        f"{pixels}</Image></OME>"
    )


def _encode(pixels: npt.NDArray[Any], tags: FrameTags, shot: Shot) -> bytes:
    import tifffile

    memory = io.BytesIO()
    is_imagej = tags.imagej_info is not None
    with tifffile.TiffWriter(memory, imagej=is_imagej) as tiff:
        tiff.write(np.ascontiguousarray(pixels), **tag_arguments(tags, shot))
    return memory.getvalue()


def _write_in_pieces(file: BinaryIO | io.FileIO, content: bytes, gap_s: float, pause: Pause) -> int:
    step = max(1, -(-len(content) // _PIECES))
    for start in range(0, len(content), step):
        file.write(content[start : start + step])
        pause(gap_s)
    return len(content)


def _write_companions(folder: Path, companions: Sequence[Companion]) -> None:
    for companion in companions:
        path = folder / companion.path
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a" if companion.append else "w", encoding="utf-8", newline="\n") as file:
            file.write(companion.text)
