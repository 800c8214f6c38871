"""Whether frames are flagged by their looks alone: without faults, and with faults that last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from frame_faults import FAULTS, spoil, window

from livecount.frame import Frame
from livecount.neighbours_in_time import neighbour_flags
from livecount.quality import assess

LASTING = (
    "bubble over 30 % of the field",
    "bubble over 10 % of the field",
    "bubble over 5 % of the field",
    "haze over 10 % of the field, contrast x 0.4",
)
FLAGS = ("field_moved", "plate_moved", "part_hidden")
EVERY, LENGTH, FEWEST = 4, 6, 6


def judge_looks(frames: Sequence[Frame]) -> dict[str, str]:
    """Give the rows of the table: what was done, and what was flagged."""
    rows = {"no fault (false alarms)": false_alarms(frames)}
    usual = looks_of(frames)
    for name in LASTING:
        spoilt = [
            looks_of([spoil(frame, FAULTS[name], np.random.default_rng(place)) for frame in frames])
            for place in range(len(frames))[EVERY :: 2 * EVERY]
        ]
        rows[f"{name}, six frames on end"] = lasting(usual, spoilt)
        rows[f"{name}, in the first half: flags after it"] = leaving(usual, spoilt)
    here = looks_of([window(frame, 0.0) for frame in frames])
    for share in (0.1, 0.2):
        there = looks_of([window(frame, share) for frame in frames])
        rows[f"moved by {share:.0%} of the field for good".replace("%", " %")] = for_good(
            here, there
        )
    return rows


def false_alarms(frames: Sequence[Frame]) -> str:
    """Flag quarters and the whole, at one to six times the interval."""
    flagged, total = 0, 0
    height, width = (side // 2 for side in frames[0].pixels.shape)
    parts = [np.s_[:, :], *(np.s_[y:, x:] for y in (0, height) for x in (0, width))]
    for number, part in enumerate(parts):
        cut = [
            frame.pixels[part] if not number else frame.pixels[part][:height, :width]
            for frame in frames
        ]
        looks = looks_of(
            [replace(f, pixels=np.ascontiguousarray(p)) for f, p in zip(frames, cut, strict=True)]
        )
        for step in (1, 2, 3, 6):
            for first in range(step):
                series = looks[first::step]
                if len(series) >= FEWEST:
                    flagged += sum(map(bool, flags_of(series)))
                    total += len(series)
    return f"{flagged} of {total}"


def lasting(usual: list[bytes], spoilt: Sequence[list[bytes]]) -> str:
    """Replace six frames on end."""
    caught, total, others = 0, 0, 0
    for number, looks in enumerate(spoilt):
        place = EVERY * (2 * number + 1)
        during = slice(place, place + LENGTH)
        flags = flags_of([*usual[:place], *looks[during], *usual[place:][LENGTH:]])
        caught += sum("part_hidden" in flag for flag in flags[during])
        total += len(flags[during])
        others += sum(map(bool, flags)) - sum(map(bool, flags[during]))
    return f"{caught} of {total}" + (f"; {others} others" if others else "")


def leaving(usual: list[bytes], spoilt: Sequence[list[bytes]]) -> str:
    """Let the first half have the fault from the beginning."""
    middle = len(usual) // 2
    flags = [flags_of([*looks[:middle], *usual[middle:]])[middle:] for looks in spoilt]
    return f"{sum(sum(map(bool, one)) for one in flags)} of {sum(map(len, flags))}"


def for_good(here: list[bytes], there: list[bytes]) -> str:
    """Let the field move at every fourth frame, and stay there."""
    caught, others = 0, 0
    places = range(EVERY, len(here) - 1, EVERY)
    for place in places:
        flags = flags_of([*here[:place], *there[place:]])
        caught += "field_moved" in flags[place]
        others += sum(map(bool, flags)) - bool(flags[place])
    return f"{caught} of {len(places)}" + (f"; {others} others" if others else "")


def looks_of(frames: Sequence[Frame]) -> list[bytes]:
    """Measure looks."""
    looks = [assess(frame).look for frame in frames]
    return [look for look in looks if look is not None]


def flags_of(looks: Sequence[bytes]) -> list[str]:
    """Flag the frames of one field by their looks."""
    table = pd.DataFrame({"look": list(looks)}).assign(
        watched_folder="w", elapsed_h=np.arange(len(looks)), excluded=""
    )
    return neighbour_flags(table.assign(focus=1.0, mean_intensity=1.0, count=50.0)).tolist()
