"""A frame with its detections drawn on it, so that a count can be believed or doubted."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from livecount.errors import LivecountError
from livecount.frame import Candidates, CellShapes, FloatArray, MaskOutlines
from livecount.mask_outlines import MaskPolygons, polygons_over
from livecount.plots.style import printable, writing

__all__ = ["draw_overlay"]

_LARGEST_PX = 4000
_NARROWEST_PX = 320
_RING_COLOUR = (255, 214, 10)
_BRIGHT_ROUNDED_COLOUR = (0, 229, 255)
_SUFFIXES = (".png", ".jpg", ".jpeg")
_THICKER_FROM_PX = 1200
_BAR_STEPS = (1, 2, 5)
_SHORTEST_BAR_PX = 8

_Rgb = npt.NDArray[np.uint8]


def draw_overlay(
    pixels: npt.NDArray[Any],
    candidates: Candidates,
    path: Path | str,
    *,
    title: str = "",
    pixel_size_um: float | None = None,
    cell_diameter_px: float | None = None,
    masks: MaskOutlines | None = None,
    shapes: CellShapes | None = None,
    confluence_percent: float | None = None,
) -> None:
    """Draw a frame with a ring or outline on every cell, a caption with the count, and a scale bar.

    The contrast is stretched between the percentiles 0.5 and 99.5. The rings are yellow within
    black, so that they show on bright and on dark. Pixels stay as acquired, except that frames
    longer than 4,000 px are averaged down by a whole factor.

    Parameters
    ----------
    pixels
        Shape (y, x), any real dtype.
    candidates
        The cells, already selected at h; positions in pixels of the frame.
    path
        Ends in .png or .jpg.
    title
        Written at the left of the caption, for example the frame's name.
    pixel_size_um
        Edge length of a pixel; the scale bar is left out where it is not known.
    cell_diameter_px
        Sets the size of the rings; default by the density of the cells.
    masks
        Cells that have one get its outline instead of a ring.
    shapes
        Tells which cells are bright and rounded: their outlines are cyan.
    confluence_percent
        Written into the caption where it is given.

    Raises
    ------
    LivecountError
        When the suffix is another one.
    """
    path = Path(path)
    if path.suffix.lower() not in _SUFFIXES:
        raise LivecountError(
            f"an overlay cannot be written as {path.name!r}", hint="Give a name that ends in .png"
        )
    factor = max(-(-max(pixels.shape) // _LARGEST_PX), 1)
    picture = _as_grey(_averaged(pixels, factor))
    if cell_diameter_px is None:
        cell_diameter_px = _usual_distance(pixels.shape, len(candidates))
    shown, words = candidates, f"{len(candidates):,} cells"
    if confluence_percent is not None:
        words += f", {confluence_percent:.0f} % confluent"
    if masks is not None:
        scale = np.minimum(factor, pixels.shape).astype(np.float32)
        polygons = polygons_over(masks, (pixels.shape[0], pixels.shape[1]))
        picture = _with_outlines(picture, polygons, scale, shapes)
        shown = _without_mask(candidates, masks)
    shown = shown.scaled(1 / factor, 1 / factor)
    ringed = _with_rings(picture, shown, cell_diameter_px / factor)
    pixel_size = None if pixel_size_um is None else pixel_size_um * factor
    image = _with_caption(ringed, title, words, pixel_size)
    with writing(path):
        if path.suffix.lower() == ".png":
            image.save(path)
        else:
            image.save(path, quality=92)


def _averaged(pixels: npt.NDArray[Any], factor: int) -> npt.NDArray[np.floating[Any]]:
    """Average blocks of factor x factor pixels; what is left over at the edges is cut."""
    kind = np.float64 if pixels.dtype.itemsize > 4 else np.float32
    if factor == 1:
        return pixels.astype(kind)
    # A frame thinner than a block keeps its short side.
    steps = [min(factor, length) for length in pixels.shape]
    height, width = (n // step * step for n, step in zip(pixels.shape, steps, strict=True))
    blocks = pixels[:height, :width].reshape(height // steps[0], steps[0], width // steps[1], -1)
    return np.asarray(blocks.mean(axis=(1, 3), dtype=kind))


def _as_grey(pixels: npt.NDArray[np.floating[Any]]) -> _Rgb:
    """Stretch the contrast to 8 bits; what is not finite becomes black."""
    finite = pixels[np.isfinite(pixels)]
    low, high = np.percentile(finite, (0.5, 99.5)) if finite.size else (0.0, 0.0)
    if high <= low and finite.size:
        low, high = finite.min(), finite.max()
    scaled = np.full(pixels.shape, 0.5, dtype=pixels.dtype)
    with np.errstate(all="ignore"):
        if high > low:
            scaled = np.clip((pixels - low) / (high - low), 0, 1)
        scaled[~np.isfinite(pixels)] = 0
    grey = (np.nan_to_num(scaled) * 255).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)


def _usual_distance(shape: tuple[int, ...], n_cells: int) -> float:
    return float(np.clip(math.sqrt(math.prod(shape) / max(n_cells, 1)), 12, 60))


def _with_rings(picture: _Rgb, cells: Candidates, diameter_px: float) -> _Rgb:
    """Blend an anti-aliased yellow ring with black edges around every centre."""
    radius = float(np.clip(0.22 * diameter_px, 3.0, 16.0))
    width = float(np.clip(radius / 4, 1.6, 2.6))
    rim = 1.5 if radius > 5 else 1.0
    reach = math.ceil(radius + width + 2)
    height, length = picture.shape[:2]
    out = np.pad(picture.astype(np.float32), ((reach, reach), (reach, reach), (0, 0)))
    offsets = np.arange(-reach, reach + 1, dtype=np.float32)
    for y, x in zip(cells.y_px.tolist(), cells.x_px.tolist(), strict=True):
        row, column = math.floor(y + 0.5), math.floor(x + 0.5)
        if not (0 <= row < height and 0 <= column < length):
            continue
        away = np.hypot(offsets[:, None] - (y - row), offsets[None, :] - (x - column)) - radius
        edge = np.clip(width / 2 + rim - np.abs(away), 0, 1)[:, :, None]
        ring = np.clip(width / 2 + 0.5 - np.abs(away), 0, 1)[:, :, None]
        patch = out[row : row + 2 * reach + 1, column : column + 2 * reach + 1]
        patch *= 1 - 0.85 * edge
        patch += ring * (np.asarray(_RING_COLOUR, dtype=np.float32) - patch)
    return out[reach : reach + height, reach : reach + length].astype(np.uint8)


def _with_outlines(
    picture: _Rgb, polygons: MaskPolygons, scale: FloatArray, shapes: CellShapes | None
) -> _Rgb:
    """Draw every polygon, those of bright rounded cells above the others.

    Parameters
    ----------
    scale
        Pixels of the frame to one of the picture, along y and x.
    """
    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image)
    width = 1 if min(picture.shape[:2]) < _THICKER_FROM_PX else 2
    is_bright = np.zeros(len(polygons.cell), np.bool_)
    if shapes is not None and len(shapes):
        is_bright = shapes.is_bright_rounded[polygons.cell] > 0
    corners = polygons.split()
    for number in np.argsort(is_bright, kind="stable"):
        closed = corners[number][np.r_[: len(corners[number]), 0]]
        around = np.floor((closed + 0.5) / scale)[:, ::-1]
        colour = _BRIGHT_ROUNDED_COLOUR if is_bright[number] else _RING_COLOUR
        draw.line(around.ravel().tolist(), colour, width)
    return np.asarray(image)


def _without_mask(cells: Candidates, masks: MaskOutlines) -> Candidates:
    """Take the cells that have no mask, so that these too are seen to be counted."""
    has_none = ~np.isin(np.arange(len(cells)), masks.cell)
    return Candidates(cells.y_px[has_none], cells.x_px[has_none], cells.prominence[has_none])


def _with_caption(
    picture: _Rgb, title: str, count: str, pixel_size_um: float | None
) -> Image.Image:
    """Add a strip below the frame: title, count, scale bar; nothing of the frame is hidden."""
    height, width = picture.shape[:2]
    canvas_width = max(width, _NARROWEST_PX)
    size = int(np.clip(canvas_width / 55, 12, 40))
    strip = 2 * size
    canvas = Image.new("RGB", (canvas_width, height + strip), (0, 0, 0))
    canvas.paste(Image.fromarray(picture), (0, 0))
    draw, font = ImageDraw.Draw(canvas), _font(size)
    middle, margin = height + strip // 2, size // 2
    bar_width = _draw_bar(draw, font, canvas_width - margin, middle, width, pixel_size_um)
    count_width = draw.textlength(count, font=font)
    right = canvas_width - 2 * margin - bar_width
    draw.text((right, middle), count, font=font, fill=_RING_COLOUR, anchor="rm")
    room = right - count_width - 3 * margin
    draw.text((margin, middle), _shortened(draw, title, font, room), font=font, anchor="lm")
    return canvas


def _draw_bar(
    draw: ImageDraw.ImageDraw,
    font: ImageFont.FreeTypeFont,
    right: float,
    middle: float,
    frame_width: int,
    pixel_size_um: float | None,
) -> float:
    """Draw a scale bar of a round length that ends at ``right``; return the room it takes."""
    if pixel_size_um is None or pixel_size_um <= 0:
        return 0.0
    length_um = _round_length_um(frame_width * pixel_size_um / 6)
    length_px = length_um / pixel_size_um
    if length_px < _SHORTEST_BAR_PX:
        return 0.0
    text = f"{length_um:g} µm" if length_um < 1000 else f"{length_um / 1000:g} mm"
    text_width = draw.textlength(text, font=font)
    thickness = max(font.size // 5, 2)
    draw.rectangle(
        (right - length_px, middle - thickness / 2, right - 1, middle + thickness / 2), fill="white"
    )
    gap = font.size / 2
    draw.text((right - length_px - gap, middle), text, font=font, anchor="rm")
    return float(length_px + gap + text_width + font.size)


def _round_length_um(about_um: float) -> float:
    """Take 1, 2 or 5 times a power of ten, the largest that is not above ``about_um``.

    >>> _round_length_um(147.0), _round_length_um(0.6)
    (100.0, 0.5)
    """
    power = 10.0 ** math.floor(math.log10(about_um))
    return max(step * power for step in _BAR_STEPS if step * power <= about_um * (1 + 1e-9))


def _font(size: int) -> ImageFont.FreeTypeFont:
    import matplotlib

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    return ImageFont.truetype(folder / "DejaVuSans.ttf", size)


def _shortened(
    draw: ImageDraw.ImageDraw, text: str, font: ImageFont.FreeTypeFont, room_px: float
) -> str:
    """Cut the front of a long title: the end of a path tells frames apart."""
    text = printable(text)
    if draw.textlength(text, font=font) <= room_px:
        return text
    for start in range(1, len(text)):
        short = "…" + text[start:]
        if draw.textlength(short, font=font) <= room_px:
            return short
    return ""
