"""Which pages of a file need not be read: what is known of them still holds."""

from __future__ import annotations

from collections.abc import Mapping

from livecount.storage import FrameState, KnownPage
from livecount.watching import Sighting

__all__ = ["appended_pages", "is_dealt_with", "readable_pages"]


def appended_pages(
    known: Mapping[int, KnownPage], sighting: Sighting, n_pages: int
) -> frozenset[int]:
    """Name the known pages of a grown stack that need not be read again at each growth.

    A stack that gained a page every ten minutes would otherwise be read whole every ten minutes.
    Its first and last known pages are read: if they are what they were, so are those between.
    Pre-sized stacks gain pages at an unchanged size.
    """
    pages = sorted(page for page, found in known.items() if found.state is not FrameState.PENDING)
    grown = n_pages > len(pages) or all(
        found.stamp is not None and found.stamp.size_bytes < sighting.stamp.size_bytes
        for found in known.values()
    )
    return frozenset(pages[1:-1]) if sighting.settled and grown else frozenset()


def readable_pages(known: Mapping[int, KnownPage], sighting: Sighting) -> frozenset[int]:
    """Name the pages that were read from the file as it is, where only its others are in doubt."""
    read = (FrameState.COUNTED, FrameState.IGNORED)
    return frozenset(
        page
        for page, found in known.items()
        if found.stamp == sighting.stamp and found.state in read
    )


def is_dealt_with(known: KnownPage | None, sighting: Sighting) -> bool:
    """Pages of a growing file are read once while it grows, and once more when it has settled."""
    if known is None or known.state is FrameState.PENDING:
        return False
    return not sighting.settled
