"""What each flag of a frame says, in words for the user, and which ones put its count in doubt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["DOUBTS", "MEANINGS", "NOTES", "doubts_of", "meaning"]

MEANINGS: Final[Mapping[str, str]] = {
    "zero_tail": "its last rows are black: perhaps it was not completely written",
    "all_zero": "black throughout",
    "padding": "part of it shows nothing, as in stitched mosaics; areas are those of the rest",
    "missing_blocks": "parts of the file were never written",
    "not_finite": "holds values that are no numbers",
    "colour": "a colour image, counted as grey",
    "looks_like_fluorescence": "bright on a dark ground, of which the model has never learnt",
    "doubtful_cells": "most of the cells that were counted barely stand out, as among debris",
    "too_large_to_segment": "too large for masks, which were asked for",
    "no_nuclei": "nothing as large as a nucleus stands out from the ground",
    "nuclei_saturated": "most of what is stained is as bright as the camera can say",
    "nuclei_crowded": "what is stained covers most of the frame",
    "nuclei_size": "what is stained is much larger or smaller than the nuclei were said to be",
    "no_time": "has no place on the experiment's clock",
    "t0_not_applied": "hours since the first frame: its clock has no dates to set t0 against",
    "time_from_file_modification": "timed by when its file was written",
    "same_place_and_time": "another frame claims the same place and time",
    "focus_lost": "less sharp than the frames before and after it",
    "light_changed": "brighter or darker than the frames before and after it",
    "no_cells": "no cell in it, but in the frames before and after it",
    "count_jump": "another count than the frames before and after it lead to expect",
    "field_moved": "shows another place than the frames of its field before it",
    "plate_moved": "shows another place than the frame before it, as most fields of its plate do",
    "part_hidden": "a part of it is brighter, darker or hazier than before, as under a bubble or "
    "condensation",
}

DOUBTS: Final = (
    "all_zero",
    "zero_tail",
    "missing_blocks",
    "not_finite",
    "focus_lost",
    "count_jump",
    "no_cells",
    "light_changed",
    "plate_moved",
    "field_moved",
    "part_hidden",
    "no_nuclei",
    "nuclei_saturated",
    "nuclei_crowded",
    "nuclei_size",
    "looks_like_fluorescence",
    "doubtful_cells",
)
"""The frame or its count may be wrong; in the order in which a reviewer should look: frames that
are surely broken, then those unlike their neighbours in time, then those that the model may not
know."""

NOTES: Final = frozenset(
    {
        "padding",
        "colour",
        "too_large_to_segment",
        "no_time",
        "t0_not_applied",
        "time_from_file_modification",
        "same_place_and_time",
    }
)
"""These say how a frame was taken, timed or used; its count is as good as any."""


def doubts_of(flags: str) -> tuple[str, ...]:
    """Give those of a frame's flags that put its count in doubt; flags of unknown readers do.

    Parameters
    ----------
    flags
        As the column ``flags`` has them, joined by ``;``.

    Examples
    --------
    >>> doubts_of("colour;focus_lost;of_another_package"), doubts_of("t0_not_applied")
    (('focus_lost', 'of_another_package'), ())
    """
    return tuple(flag for flag in flags.split(";") if flag and flag not in NOTES)


def meaning(flag: str) -> str:
    """Say what a flag means; "" for one of a reader that livecount does not know.

    Examples
    --------
    >>> meaning("all_zero"), meaning("of_another_package")
    ('black throughout', '')
    """
    return MEANINGS.get(flag, "")
