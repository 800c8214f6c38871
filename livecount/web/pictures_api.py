"""The pixels of the REST API: what a frame's picture is like, and its tiles."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Annotated, Final

from fastapi import APIRouter, Query, Response
from fastapi import Path as InPath
from pydantic import BaseModel, Field

from livecount.errors import RequestError
from livecount.storage import StoredFrame
from livecount.web.board import Board
from livecount.web.frames_api import FrameId
from livecount.web.pictures import Pictures
from livecount.web.problems import RESPONSES, responses
from livecount.web.pyramid import TILE_PX, Picture, read_picture, read_tile

__all__ = ["make_pictures_api"]

_RESPONSES = RESPONSES | responses(
    s409="The file has changed since it was counted.",
    s410="The file is not in its folder any more.",
    s424="The watched folder is not there at present; ask again.",
)

_KNOWN_S: Final = 30.0
_MOST_KNOWN: Final = 500
_FOR_EVER: Final = "private, max-age=31536000, immutable"
_OCTETS: Final = "application/octet-stream"

Index = Annotated[int, InPath(ge=0, le=2**20)]
Content = Annotated[
    str | None,
    Query(
        max_length=64,
        description="The frame's `content_hash`; with it a browser keeps the tile for good.",
    ),
]


class ImageShown(BaseModel):
    """A frame's picture: levels of tiles, and what contrast to begin with."""

    content_hash: str
    tile_px: int
    levels: list[tuple[int, int]] = Field(description="Height and width of each, finest first.")
    offset: float = Field(description="A grey value is offset + factor x stored value.")
    factor: float
    darkest: int = Field(description="Extremes of the stored values, 0 to 65535.")
    brightest: int
    low: int = Field(description="Percentiles 0.2 and 99.8 of the stored values.")
    high: int


def make_pictures_api(board: Board, pictures: Pictures) -> APIRouter:
    """Make the routes that show pixels; a request never touches a watched folder itself."""
    api = APIRouter(prefix="/api/v1", tags=["frames"], responses=_RESPONSES)
    known: dict[int, tuple[float, StoredFrame]] = {}

    def look_up(frame_id: int, content: str | None) -> StoredFrame:
        at_s, frame = known.get(frame_id, (0.0, None))
        is_stale = frame is None or time.monotonic() - at_s > _KNOWN_S
        if frame is None or is_stale or content not in (None, frame.key.content_hash):
            with board.opened() as store:
                frame = store.frame(frame_id)
            if len(known) >= _MOST_KNOWN:
                known.clear()
            known[frame_id] = (time.monotonic(), frame)
        if content not in (None, frame.key.content_hash):
            raise RequestError(
                f"Frame {frame_id} is not the one with that content",
                hint="Reload the page",
                status=404,
            )
        return frame

    async def file_of(frame_id: int, content: str | None) -> tuple[StoredFrame, Path]:
        frame = await asyncio.to_thread(look_up, frame_id, content)
        return frame, await pictures.path(frame.key, frame.height_px * frame.width_px)

    @api.get("/frames/{frame_id}/image")
    async def image(frame_id: FrameId) -> ImageShown:
        """Say how large a frame is, in which levels, and between which values contrast may lie."""
        frame, file = await file_of(frame_id, None)
        return _shown(frame, await asyncio.to_thread(read_picture, file))

    @api.get(
        "/frames/{frame_id}/tiles/{level}/{row}/{column}",
        response_class=Response,
        responses={200: {"content": {_OCTETS: {}}}},
    )
    async def tile(
        frame_id: FrameId, level: Index, row: Index, column: Index, content: Content = None
    ) -> Response:
        """Give a tile's stored values: little-endian uint16, row by row."""
        _, file = await file_of(frame_id, content)
        octets = await asyncio.to_thread(read_tile, file, level, row, column)
        kept = {} if content is None else {"Cache-Control": _FOR_EVER}
        return Response(octets, media_type=_OCTETS, headers=kept)

    return api


def _shown(frame: StoredFrame, picture: Picture) -> ImageShown:
    return ImageShown(
        content_hash=frame.key.content_hash,
        tile_px=TILE_PX,
        levels=picture.levels,
        offset=picture.offset,
        factor=picture.factor,
        darkest=picture.darkest,
        brightest=picture.brightest,
        low=picture.low,
        high=picture.high,
    )
