"""Count tables with the columns that rules look at."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd

from livecount.arranging import COUNT_COLUMNS

START = datetime(2026, 12, 1, 12, tzinfo=UTC)


DEFAULTS = {
    **dict.fromkeys(COUNT_COLUMNS),
    "experiment": "e",
    "excluded": "",
    "count": 50.0,
    "focus": 1.0,
    "density_per_mm2": np.nan,
    "confluence_percent": np.nan,
}


def make_counts(wells, **columns):
    """Make one row a well and time; ``wells`` is well -> hours, columns are well -> values."""
    rows = []
    for well, hours in wells.items():
        for number, at_h in enumerate(hours):
            measured = {name: given[well][number] for name, given in columns.items()}
            counted_at = (START + timedelta(hours=float(at_h))).replace(tzinfo=None)
            place = {"well": well, "elapsed_h": at_h, "counted_at": counted_at}
            rows.append(DEFAULTS | place | measured)
    return pd.DataFrame(rows).astype({"counted_at": "datetime64[us]"})
