"""What is excluded at this moment: a snapshot may be some seconds old."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from livecount.excluding import exclude_as_said, name_rules
from livecount.storage import Exclusion

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["mark_excluded"]


def mark_excluded(frames: pd.DataFrame, exclusions: Iterable[Exclusion]) -> pd.DataFrame:
    """Give rows of a snapshot's frames with the exclusions that hold now, and who made them.

    Parameters
    ----------
    exclusions
        Those that were not withdrawn.
    """
    by_rule = (frames["excluded_by"] == "rule").to_numpy(np.bool_)
    marked = frames.astype(dict.fromkeys(("excluded", "excluded_by"), object))
    marked["excluded"] = marked["excluded"].where(by_rule, "")
    known = set(frames.index)
    exclude_as_said(
        marked, [one for one in exclusions if one.frame_id is None or one.frame_id in known]
    )
    name_rules(marked)
    marked["excluded_by"] = marked["excluded_by"].fillna("")
    return marked
