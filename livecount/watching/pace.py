"""How often to scan, so that an idle watcher costs next to nothing and a share is not worn out."""

from __future__ import annotations

import math
from typing import Literal

__all__ = ["Depth", "Pace"]

Depth = Literal["names", "full"]

# Shares of one core: together below 2 %.
NAMES_CPU_SHARE = 0.01
FULL_CPU_SHARE = 0.007
# Share of time during which a slow file system is kept busy by a scan.
WALL_SHARE = 0.2
LONGEST_PAUSE_S: dict[Depth, float] = {"names": 60.0, "full": 900.0}


class Pace:
    """When the next scan is due.

    A scan of names finds new files; a full scan also asks for every file's stamp and so finds
    files that were replaced. Both come every ``interval_s`` while they are cheap, and less often
    where the folder is large or slow.

    Parameters
    ----------
    interval_s
        Shortest pause between two scans.
    """

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._pause_s: dict[Depth, float] = {"names": interval_s, "full": interval_s}
        self._due_s: dict[Depth, float] = {"names": -math.inf, "full": -math.inf}
        self._soonest_s = -math.inf

    @property
    def pause_s(self) -> float:
        """Present pause between scans."""
        return min(self._pause_s.values())

    @property
    def next_s(self) -> float:
        """Time of the next scan."""
        return min(self._due_s.values())

    def due(self, now_s: float) -> Depth | None:
        """Tell which scan is due, if any."""
        if self._due_s["full"] <= now_s:
            return "full"
        return "names" if self._due_s["names"] <= now_s else None

    def want(self, depth: Depth, *, at_once: bool = False) -> None:
        """Ask for a scan; unless ``at_once`` it keeps a distance from the last one."""
        wanted_s = -math.inf if at_once else self._soonest_s
        self._due_s[depth] = min(self._due_s[depth], wanted_s)

    def note(self, depth: Depth, *, ended_s: float, wall_s: float, cpu_s: float) -> None:
        """Arrange the next scans from what this one cost."""
        share = FULL_CPU_SHARE if depth == "full" else NAMES_CPU_SHARE
        pause_s = max(self._interval_s, cpu_s / share, wall_s / WALL_SHARE)
        longest_s = max(self._interval_s, LONGEST_PAUSE_S[depth])
        self._pause_s[depth] = min(pause_s, longest_s)
        self._soonest_s = ended_s + max(min(self._interval_s, 1.0), 4 * wall_s)
        self._due_s["names"] = ended_s + self._pause_s["names"]
        if depth == "full":
            self._due_s["full"] = ended_s + self._pause_s["full"]
