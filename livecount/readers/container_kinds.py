"""Which kinds of files are read by a vendor's library: entry points, not imported until needed."""

from __future__ import annotations

import functools
import importlib.metadata
from collections.abc import Mapping
from typing import Final

__all__ = ["container_kinds", "container_suffixes"]

_GROUP: Final = "livecount.readers"


@functools.cache
def container_kinds() -> Mapping[str, importlib.metadata.EntryPoint]:
    """Give the entry point of each suffix, such as ``.nd2``."""
    found = importlib.metadata.entry_points(group=_GROUP)
    return {f".{entry.name.lower()}": entry for entry in found}


def container_suffixes() -> tuple[str, ...]:
    """Name the suffixes of the kinds that are known here."""
    return tuple(container_kinds())
