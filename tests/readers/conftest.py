from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tifffile

from livecount.frame import Frame
from livecount.readers import Patterns, ReadLimits, read_page


@pytest.fixture
def read() -> Callable[..., Frame]:
    """Read one page of a file, its folder being the watched one."""

    def read_one(path: Path, page: int = 0, limits: ReadLimits | None = None) -> Frame:
        return read_page(
            path.parent,
            path.name.encode("utf-8", "surrogateescape"),
            page,
            patterns=Patterns.shipped(),
            limits=limits or ReadLimits(),
        )

    return read_one


@pytest.fixture
def gradient() -> npt.NDArray[np.uint16]:
    """Give a plane, shape (y, x), in which every pixel tells where it is."""
    return (np.arange(70 * 90, dtype=np.uint16) + 1).reshape(70, 90)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write a TIFF file with tifffile."""

    def write_one(pixels: npt.NDArray[Any], name: str = "frame.tif", **options: Any) -> Path:
        path = tmp_path / name
        tifffile.imwrite(path, pixels, **options)
        return path

    return write_one
