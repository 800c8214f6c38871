"""PNG and JPEG, through Pillow, with our own limits instead of its guard."""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from livecount.errors import ReadError, RefusedFrameError, UnreadableFrameError
from livecount.frame import AttributeSource, FrameAttributes
from livecount.readers.calibration import plausible_pixel_size
from livecount.readers.grey import DecodedPlane, Pixels, grey_from_palette, luma, suspicions
from livecount.readers.opening import RETRY_HINT, OpenFile, ReadLimits

__all__ = ["RasterContent", "read_raster_page"]

# Remarks on EXIF blocks and the like do not belong on the terminal.
warnings.filterwarnings("ignore", module="PIL")

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
JPEG_SIGNATURE = b"\xff\xd8\xff"
_UM_PER_INCH = 25_400.0
_MODES_AS_THEY_ARE = frozenset({"1", "L", "I", "I;16", "I;16B", "I;16L", "F", "RGB"})
_BYTES_PER_PIXEL = {"1": 1, "L": 1, "P": 1, "I": 4, "F": 4, "LA": 2, "PA": 2, "RGB": 3}


@dataclass(frozen=True, slots=True, eq=False)
class RasterContent:
    """The plane (None where only the header was asked for) and what Pillow found beside it."""

    plane: DecodedPlane | None
    info: Mapping[str, Any]

    def attributes(self) -> FrameAttributes:
        """Pixel size, where the file's resolution makes sense for a microscope."""
        dpi = self.info.get("dpi")
        across = float(dpi[0]) if isinstance(dpi, tuple) and dpi and dpi[0] else None
        return FrameAttributes.from_source(
            AttributeSource.FILE_TAG, pixel_size_um=plausible_pixel_size(_UM_PER_INCH, across)
        )


def read_raster_page(
    file: OpenFile, page: int, limits: ReadLimits, *, with_pixels: bool = True
) -> RasterContent:
    """Decode a PNG or JPEG file.

    Parameters
    ----------
    file
        The open file; its first bytes say which of the two it is.
    page
        Must be 0.
    limits
        Checked against the header before anything is allocated.
    with_pixels
        False reads the header only.

    Raises
    ------
    UnreadableFrameError
        When the file is truncated or damaged.
    RefusedFrameError
        When it is too large.
    """
    if page != 0:
        message = f"{file.shown}: page {page} is asked for, the file has 1, from 0"
        raise UnreadableFrameError(message, hint=RETRY_HINT)
    file.handle.seek(0)
    try:
        # The plug-ins are called directly: Image.open would apply Pillow's own, global limit.
        image = _plug_in(file)(file.handle)
        n_bytes = image.width * image.height * _BYTES_PER_PIXEL.get(image.mode, 4)
        limits.check((image.height, image.width), n_bytes, file.n_bytes, file.shown)
        return RasterContent(
            _decode(image) if with_pixels else None,
            {str(k): value for k, value in image.info.items()},
        )
    except ReadError:
        raise
    except MemoryError as error:
        hint = "Save it in smaller fields"
        raise RefusedFrameError(f"{file.shown}: not enough memory", hint=hint) from error
    except (zlib.error, Exception) as error:  # Pillow raises whatever damage makes it raise
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        message = f"{file.shown}: cannot be decoded: {reason}"
        raise UnreadableFrameError(message, hint=RETRY_HINT) from error


def _plug_in(file: OpenFile) -> type[ImageFile.ImageFile]:
    start = file.handle.read(len(PNG_SIGNATURE))
    file.handle.seek(0)
    return PngImageFile if start == PNG_SIGNATURE else JpegImageFile


def _decode(image: ImageFile.ImageFile) -> DecodedPlane:
    image.load()
    bits_level = 255.0
    is_colour = False
    if image.mode in ("P", "PA"):
        indices = np.asarray(image.convert("P") if image.mode == "PA" else image)
        palette = np.array(image.getpalette("RGB"), dtype=np.uint8).reshape(-1, 3)
        raw, (pixels, is_colour) = indices, grey_from_palette(indices, palette)
    elif image.mode in ("LA", "La"):
        raw = pixels = np.asarray(image)[..., 0]
    elif image.mode in _MODES_AS_THEY_ARE:
        raw = np.asarray(image)
        pixels = raw
    else:
        raw = np.asarray(image.convert("RGB"))
        pixels = raw
    if pixels.ndim == 3:
        pixels, is_colour = luma(pixels), True
    if pixels.dtype == np.bool_:
        pixels, bits_level = pixels.astype(np.uint8), 1.0
    if image.mode.startswith("I"):
        pixels, bits_level = pixels.astype(np.uint16), 65535.0
    flags = suspicions(raw)
    return DecodedPlane(_native(pixels), (*flags, "colour") if is_colour else flags, bits_level)


def _native(pixels: Pixels) -> Pixels:
    return np.ascontiguousarray(pixels, dtype=pixels.dtype.newbyteorder("="))
