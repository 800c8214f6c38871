"""What monitor and worker tell each other, in types that bring neither database nor network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from livecount.frame import FrameAttributes, FrameKey
from livecount.platform.files import FileStamp

__all__ = ["EngineState", "PageAhead", "PageRead"]


@dataclass(frozen=True, slots=True)
class PageAhead:
    """A page that will probably be asked for next, of a settled file with this stamp."""

    root: Path
    relative_path: bytes
    page: int
    stamp: FileStamp


@dataclass(frozen=True, slots=True)
class PageRead:
    """A page as it was read, without its pixels.

    Attributes
    ----------
    stamp
        The file's stamp after the read, None where it could not be asked for any more.
    """

    key: FrameKey
    attributes: FrameAttributes
    flags: tuple[str, ...]
    n_pixels: int
    stamp: FileStamp | None


@dataclass(frozen=True, slots=True)
class EngineState:
    """What computes the network, and whether it had to take another's place.

    Attributes
    ----------
    words
        Runtime and precision, and why they were chosen.
    trouble
        Why the chosen one does not count any more; empty where it does.
    is_reference
        Whether the runtime computes that is right by definition, and that none can stand in for.
    """

    words: str = ""
    trouble: str = ""
    is_reference: bool = True
