"""Files that were set aside as unreadable, and when each is tried again.

A virus scanner that holds a file, permissions that are put right an hour later, a share that
answered and gave no bytes: the file itself never changes, so that nothing but another try tells.
"""

from __future__ import annotations

from dataclasses import dataclass

from livecount.platform.files import FileStamp

__all__ = ["SecondTries"]

_LONGEST_PAUSE_S = 6 * 3600.0


@dataclass(slots=True)
class _Waiting:
    stamp: FileStamp
    pause_s: float
    due_s: float


class SecondTries:
    """The files of one folder that were given up on at their present stamp.

    Parameters
    ----------
    first_pause_s
        From when a file is set aside to its next try; doubled from then on, up to six hours. With
        0 none is tried again.
    """

    def __init__(self, first_pause_s: float) -> None:
        self._first_pause_s = first_pause_s
        self._waiting: dict[bytes, _Waiting] = {}

    def put_off(self, relative_path: bytes, stamp: FileStamp, now_s: float) -> None:
        """Note that a file was given up on, once more or for the first time.

        Parameters
        ----------
        now_s
            Monotonic seconds, as in :meth:`take`.
        """
        before = self._waiting.get(relative_path)
        pause_s = self._first_pause_s
        if before is not None and before.stamp == stamp:
            pause_s = min(2 * before.pause_s, max(_LONGEST_PAUSE_S, pause_s))
        self._waiting[relative_path] = _Waiting(stamp, pause_s, now_s + pause_s)

    def is_second(self, relative_path: bytes, stamp: FileStamp) -> bool:
        """Tell whether the file was given up on at this stamp."""
        before = self._waiting.get(relative_path)
        return before is not None and before.stamp == stamp

    def forget(self, relative_path: bytes) -> None:
        """Drop a file that was read after all."""
        self._waiting.pop(relative_path, None)

    def take(self, now_s: float) -> bytes | None:
        """Name the file whose turn it is, if any; it then waits for as long again.

        One at a time, so that a folder full of broken files costs next to nothing.
        """
        if not self._first_pause_s or not self._waiting:
            return None
        path, waiting = min(self._waiting.items(), key=lambda item: item[1].due_s)
        if waiting.due_s > now_s:
            return None
        waiting.due_s = now_s + waiting.pause_s
        return path
