"""Trees of settings, section and name, laid one over the other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from livecount.toml_lines import TomlPath

__all__ = ["laid_over", "look_up", "merged", "nested"]

# One of these given on a higher level takes back all of its group on the lower ones.
_EXCLUSIVE = (
    (("counting", "cell_diameter_um"), ("counting", "cell_diameter_px")),
    (("counting", "nucleus_diameter_um"), ("counting", "nucleus_diameter_px")),
    (("counting", "channel"), ("counting", "channel_roles")),
)


def laid_over(trees: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Lay trees of settings one over the other, the last one on top."""
    values: dict[str, Any] = {}
    for tree in trees:
        values = merged(_without_exclusives(values, tree), tree)
    return values


def nested(path: Iterable[str], value: Any) -> dict[str, Any]:
    """Give the tree in which one value stands at the end of a path."""
    first, *rest = path
    return {first: nested(rest, value) if rest else value}


def merged(lower: dict[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one tree of settings over another; tables are joined, all else is replaced."""
    joined = dict(lower)
    for key, value in upper.items():
        below = joined.get(key)
        if isinstance(value, Mapping) and key in joined:
            # A number where a table belongs stays, so that it is refused.
            joined[key] = merged(below, value) if isinstance(below, dict) else below
        else:
            joined[key] = value
    return joined


def _without_exclusives(lower: dict[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    kept = dict(lower)
    for group in _EXCLUSIVE:
        if any(look_up(upper, path)[0] for path in group):
            for table, name in group:
                if isinstance(kept.get(table), dict):
                    kept[table] = {key: kept[table][key] for key in kept[table] if key != name}
    return kept


def look_up(values: Any, path: TomlPath) -> tuple[bool, Any]:
    """Tell whether a path leads to a value, and which."""
    for key in path:
        if isinstance(values, list | tuple):
            values = dict(enumerate(values))
        if not isinstance(values, Mapping) or key not in values:
            return False, None
        values = values[key]
    return True, values
