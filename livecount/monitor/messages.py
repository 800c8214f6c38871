"""What monitor and worker tell each other, in types that bring neither database nor network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from livecount.frame import FrameAttributes, FrameKey
from livecount.platform.files import FileStamp

__all__ = ["EngineState", "FrameChoices", "PageAhead", "PageRead"]


@dataclass(frozen=True, slots=True)
class FrameChoices:
    """How an experiment's frames are understood, as its settings say.

    Attributes
    ----------
    pattern
        The user's own for file names; empty for none.
    time_zone
        Of stamps that come without one.
    pixel_size_um, pixel_size_override
        Where files hold no pixel size, or whatever they hold.
    segment
        Whether each cell gets a mask.
    """

    pattern: str
    time_zone: str
    pixel_size_um: float | None
    pixel_size_override: bool
    segment: bool = False


@dataclass(frozen=True, slots=True)
class PageAhead:
    """A page that will probably be asked for next, of a settled file with this stamp."""

    root: Path
    relative_path: bytes
    page: int
    stamp: FileStamp
    choices: FrameChoices | None = None


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
    """

    words: str = ""
    trouble: str = ""
