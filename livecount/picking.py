"""Choosing frames for a person to click on: sparse to dense, all wells, all times; their copies.

The copies show the frame alone, without what the model found, under names that tell nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from livecount.errors import LivecountError, ReadError, RefusedFrameError, StoreError
from livecount.readers import Patterns, ReadLimits, read_page
from livecount.storage import CountColumns, CountReader

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "FrameFiles",
    "as_picture",
    "check_output_folder",
    "choose_fields",
    "copy_frames",
    "of_one_pixel_size",
    "write_copy",
]

_SAME_PIXEL_SIZE: Final = 1.02
_LOOKED_AT: Final = 1000
"""Frames of a stratum among which the spread over wells and time is sought."""


def choose_fields(
    table: pd.DataFrame,
    n: int,
    *,
    seed: int,
    is_there: Callable[[int], bool] = lambda _: True,
) -> list[int]:
    """Choose frames from the sparsest to the densest, spread over wells and time.

    The frames in order of density are cut into ``n`` parts of equal size, and one is taken of each:
    of the first the sparsest, of the last the densest, so that no later count of the same range
    lies outside; of the others one from the well and place taken least so far, and of those the
    farthest in time from what was taken.

    Parameters
    ----------
    table
        The columns of ``export counts``, index the frame's id; excluded frames are left out, and
        those of another pixel size than most.
    n
        How many; fewer are chosen where there are not so many.
    seed
        Equal seeds give equal choices from equal tables.
    is_there
        Tells whether a frame can still be read; another is taken where it cannot.

    Returns
    -------
    list of int
        Frame ids in an order that tells nothing of the density.
    """
    rng = np.random.default_rng(seed)
    usable = of_one_pixel_size(table[table["excluded"] == ""])
    density = usable["density_per_mm2"].astype(float)
    usable = usable.assign(_density=usable["count"] if density.isna().any() else density)
    usable = usable.sort_values(["_density", "source", "page"], kind="stable")
    parts = [part for part in np.array_split(np.arange(len(usable)), n) if len(part)]
    chosen: list[int] = []
    ends = [0, len(parts) - 1] if len(parts) > 1 else [0] * len(parts)
    middle = [number for number in range(len(parts)) if number not in ends]
    for number in [*ends, *rng.permutation(middle).astype(int).tolist()]:
        part = usable.iloc[parts[number]]
        if number in ends:
            extreme = part["_density"].iloc[0 if number == 0 else -1]
            ranked = [*_ranked(part[part["_density"] == extreme], usable, chosen, rng)]
            ranked += _ranked(part, usable, chosen, rng)
        else:
            ranked = _ranked(part, usable, chosen, rng)
        chosen += islice(filter(is_there, ranked), 1)
    return [int(frame_id) for frame_id in rng.permutation(chosen)]


def of_one_pixel_size(table: pd.DataFrame) -> pd.DataFrame:
    """Keep the frames of the pixel size that most have: another one is another objective.

    Parameters
    ----------
    table
        The columns of ``export counts``.
    """
    sizes = table["pixel_size_um"].astype(float)
    if sizes.isna().sum() * 2 > len(sizes):
        return table[sizes.isna()]
    most = sizes.mode()
    if not len(most):
        return table
    return table[(sizes / most[0]).between(1 / _SAME_PIXEL_SIZE, _SAME_PIXEL_SIZE)]


def _ranked(
    part: pd.DataFrame, usable: pd.DataFrame, chosen: list[int], rng: np.random.Generator
) -> list[int]:
    """Order a stratum's frames: rarely taken wells and places first, then far in time."""
    looked_at = part.iloc[rng.permutation(len(part))[:_LOOKED_AT]]
    taken = usable.loc[chosen]
    times = taken["elapsed_h"].astype(float).dropna().to_numpy()
    away = np.zeros(len(looked_at))
    if len(times):
        here = looked_at["elapsed_h"].astype(float).to_numpy()
        away = np.nan_to_num(np.abs(here[:, None] - times[None, :]).min(axis=1))
    order = np.lexsort(
        [-away, _uses(looked_at, taken, ("field", "position")), _uses(looked_at, taken, ())]
    )
    return [int(frame_id) for frame_id in looked_at.index[order]]


def _uses(part: pd.DataFrame, taken: pd.DataFrame, further: tuple[str, ...]) -> npt.NDArray[Any]:
    """Count how often each frame's well (with ``further``: its place) was taken."""
    names = ["plate", "well", *further]
    keys = list(zip(*(taken[name].astype("string").fillna("") for name in names), strict=True))
    here = zip(*(part[name].astype("string").fillna("") for name in names), strict=True)
    return np.array([keys.count(key) for key in here], int)


def check_output_folder(store: CountReader, folder: Path) -> None:
    """Make sure that copies may be written to a folder.

    Raises
    ------
    LivecountError
        It is not empty (it may hold somebody's clicks), no folder, or it lies in or above a watched
        one, where the copies would be counted.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise LivecountError(
            f"{folder} is not an empty folder", hint="Name a new one; clicks are never overwritten"
        )
    resolved = folder.resolve()
    for source in store.sources():
        watched = Path(source.folder).resolve()
        if resolved == watched or watched in resolved.parents:
            raise StoreError(
                f"{folder} lies in the watched folder {source.folder}",
                hint="Name a folder elsewhere: the microscope's folder is only read",
            )


def write_copy(pixels: npt.NDArray[Any], path: Path) -> None:
    """Write a frame as a grey TIFF file that Fiji and napari show in pixels.

    Raises
    ------
    LivecountError
        It cannot be written.
    """
    import tifffile

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # No unit of length: Fiji would then measure clicks in it instead of pixels.
        tifffile.imwrite(path, as_picture(pixels), photometric="minisblack", metadata=None)
    except OSError as error:
        raise LivecountError(
            f"{path} cannot be written: {error.strerror or error}", hint="Choose another folder"
        ) from error


def copy_frames(
    files: FrameFiles,
    frame_ids: Iterable[int],
    folder: Path,
    on_frame: Callable[[], object] = lambda: None,
) -> tuple[dict[int, str], dict[int, str]]:
    """Write copies of frames under names that tell nothing.

    Parameters
    ----------
    on_frame
        Called after each frame.

    Returns
    -------
    names
        Frame id -> name of its copy, in the order of the frames.
    unread
        Frame id -> why it cannot be read any more.

    Raises
    ------
    LivecountError
        A copy cannot be written.
    """
    names: dict[int, str] = {}
    unread: dict[int, str] = {}
    for frame_id in frame_ids:
        try:
            pixels = files.pixels(frame_id)
        except ReadError as error:
            unread[frame_id] = error.message
        else:
            name = f"field-{len(names) + 1:03d}.tif"
            write_copy(pixels, folder / name)
            names[frame_id] = name
        on_frame()
    return names, unread


class FrameFiles:
    """Reads counted frames again from the watched folders, by their id in the database.

    Parameters
    ----------
    counts
        The counts whose frames they are.
    limits
        What a file may claim before it is refused.
    """

    def __init__(self, counts: CountColumns, limits: ReadLimits) -> None:
        self._counts = counts
        self._row = {int(frame_id): row for row, frame_id in enumerate(counts.frame_id)}
        self._limits = limits

    def content_hash(self, frame_id: int) -> str:
        """Give the hash of a frame's pixels."""
        return self._counts.content_hash[self._row[frame_id]]

    def pixels(self, frame_id: int) -> npt.NDArray[Any]:
        """Read a frame's pixels, shape (y, x), and prove that they are those that were counted.

        Raises
        ------
        ReadError
            The file is gone, cannot be read or holds something else now.
        """
        row = self._row[frame_id]
        frame = read_page(
            Path(self._counts.folder[row]),
            self._counts.relative_path[row],
            int(self._counts.page[row]),
            patterns=Patterns.shipped(),
            limits=self._limits,
        )
        if frame.key.content_hash != self._counts.content_hash[row]:
            raise RefusedFrameError(f"{frame.key.display_path} has changed since it was counted")
        return frame.pixels

    def is_there(self, frame_id: int) -> bool:
        """Tell whether a frame can still be read as it was counted."""
        try:
            self.pixels(frame_id)
        except ReadError:
            return False
        return True

    def without_doubles(self, table: pd.DataFrame) -> pd.DataFrame:
        """Keep one of several frames with the same pixels: they need clicking once."""
        hashes = table.index.map(self.content_hash)
        return table[~hashes.duplicated()]


def as_picture(pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Give grey values that every viewer shows: 8 and 16 bit as they are, others as 16 bit.

    Parameters
    ----------
    pixels
        Shape (y, x), any dtype.

    Returns
    -------
    numpy.ndarray
        Same shape, uint8 or uint16; other values are scaled linearly from lowest to highest.

    Examples
    --------
    >>> as_picture(np.array([[0.5, 1.5, np.nan]])).tolist()
    [[0, 65535, 0]]
    """
    if pixels.dtype in (np.uint8, np.uint16):
        return pixels
    values = pixels.astype(np.float64)
    finite = values[np.isfinite(values)]
    low, high = (finite.min(), finite.max()) if len(finite) else (0.0, 0.0)
    scaled = (np.nan_to_num(values, nan=low, posinf=high, neginf=low) - low) / ((high - low) or 1.0)
    return np.rint(65535 * scaled).astype(np.uint16)
