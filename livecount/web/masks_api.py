"""The masks of the REST API: the outlines of a frame's cells as polygons."""

from __future__ import annotations

from typing import Final

import numpy as np
from fastapi import APIRouter
from pydantic import BaseModel, Field

from livecount.errors import RequestError
from livecount.mask_outlines import polygons_over
from livecount.web.api import packed
from livecount.web.board import Board
from livecount.web.frames_api import FrameId, primary_of
from livecount.web.missing_masks import missing_masks
from livecount.web.problems import RESPONSES, responses

__all__ = ["make_masks_api"]

_RESPONSES: Final = RESPONSES | responses(
    s404="There is no such frame, or it has no masks; the document says why."
)


class Masks(BaseModel):
    """Closed polygons around the masks of a frame's cells, one after the other."""

    h: float = Field(description="Masks belong to the cells of this h.")
    cell: list[int] = Field(
        description="Whose each polygon is: its number among `cells`, from 0. A cell around "
        "another one has a polygon for its inner border too."
    )
    n_points: list[int] = Field(description="Corners of each; the last one joins the first.")
    y: str = Field(
        description="Corners as base64 of little-endian float32, in pixels from the middle of the "
        "upper left one, down."
    )
    x: str
    bright_rounded: list[int] = Field(
        description="Cells that are bright and round as dividing and dying ones are."
    )


def make_masks_api(board: Board) -> APIRouter:
    """Make the route that reads masks."""
    api = APIRouter(prefix="/api/v1", tags=["frames"], responses=_RESPONSES)

    @api.get("/frames/{frame_id}/masks")
    def masks(frame_id: FrameId) -> Masks:
        """Give the masks of the cells that were counted, where the frame was segmented."""
        with board.opened() as store:
            frame = store.frame(frame_id)
            _, analysis = primary_of(store, frame)
            missing = missing_masks(store.masks_kept(analysis, frame_id), analysis.settings.h)
            if missing is not None:
                raise RequestError(missing.reason, hint=missing.hint, status=404)
            found = store.masks(analysis, frame_id)
            shapes = store.shapes(analysis, frame_id)
        assert found is not None  # masks are never taken back
        is_bright = np.zeros(0) if shapes is None else shapes.is_bright_rounded
        polygons = polygons_over(found, (frame.height_px, frame.width_px))
        return Masks(
            h=analysis.settings.h,
            cell=polygons.cell.tolist(),
            n_points=polygons.n_points.tolist(),
            y=packed(polygons.y_px),
            x=packed(polygons.x_px),
            bright_rounded=np.flatnonzero(is_bright > 0).tolist(),
        )

    return api
