"""What each flag of a frame says, in words for the user."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["MEANINGS", "meaning"]

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


def meaning(flag: str) -> str:
    """Say what a flag means; "" for one of a reader that livecount does not know.

    Examples
    --------
    >>> meaning("all_zero"), meaning("of_another_package")
    ('black throughout', '')
    """
    return MEANINGS.get(flag, "")
