"""Frames that a model has learnt from: by their pixels, since files are copied and renamed."""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from livecount.centres import SHEET_NAME

__all__ = [
    "MOST_LISTED",
    "hashes_of_image",
    "hashes_of_parents",
    "listed_hashes",
    "read_learnt_hashes",
]

MOST_LISTED: Final = 300
"""Frames of a run whose hashes its card lists: fine-tuning takes a few, other training thousands,
which are public data sets that nobody validates with."""


def hashes_of_image(path: Path, content_hash: str) -> tuple[str, ...]:
    """Give the hashes under which the pixels of an image may be counted.

    Parameters
    ----------
    path
        The image; a copy that ``validate pick`` made of a floating or colour frame holds other
        values than the frame, whose hash the sheet beside it has.
    content_hash
        Of the image's own pixels.
    """
    of_frame = _originals(path.parent).get(path.name, content_hash)
    return (content_hash,) if of_frame == content_hash else (content_hash, of_frame)


def _originals(folder: Path) -> dict[str, str]:
    """Read copy's name -> hash of the frame; empty where no such sheet lies in the folder."""
    try:
        text = (folder / SHEET_NAME).read_text(encoding="utf-8-sig")
        rows = list(csv.DictReader(text.splitlines()))
    except (OSError, ValueError, csv.Error):
        # A sheet of another kind may have this name: then only the image's own pixels are known.
        return {}
    return {
        row["file"]: row["content_hash"]
        for row in rows
        if row.get("file") and row.get("content_hash")
    }


def listed_hashes(
    by_entry: Sequence[Sequence[str]] | None, frames: Sequence[int]
) -> list[list[str] | None]:
    """Give what a card lists for each entry of ``training_data``; None where it lists nothing.

    Parameters
    ----------
    by_entry
        The hashes of each entry's images; None of a run that did not keep them.
    frames
        How many images each entry has.
    """
    if by_entry is None or sum(frames) > MOST_LISTED:
        return [None] * len(frames)
    return [sorted(set(hashes)) for hashes in by_entry]


def read_learnt_hashes(card: Mapping[str, Any]) -> frozenset[str]:
    """Read from a model's card which frames it has learnt from, those of its parents among them.

    Empty where the card does not list them.
    """
    tables = (*_tables(card.get("training_data")), *_tables([card.get("training")]))
    return frozenset(
        content_hash
        for table in tables
        for key in ("content_hashes", "content_hashes_of_parents")
        for content_hash in table.get(key) or ()
    )


def hashes_of_parents(weights: str) -> list[str] | None:
    """Read which frames the model has learnt from whose weights a run started from.

    What the parent learnt its child has learnt too. None where no card beside the weights says it.
    """
    try:
        text = Path(weights).with_name("model.toml").read_text(encoding="utf-8") if weights else ""
        return sorted(read_learnt_hashes(tomllib.loads(text))) or None
    except (OSError, ValueError):
        return None


def _tables(values: Any) -> Iterable[Mapping[str, Any]]:
    return [one for one in values if isinstance(one, Mapping)] if isinstance(values, list) else []
