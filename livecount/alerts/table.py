"""Incidents as a table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from livecount.storage import Notice

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["INCIDENT_COLUMNS", "incident_table"]

INCIDENT_COLUMNS: Final = (
    "experiment",
    "plate",
    "well",
    "kind",
    "text",
    "since",
    "until",
    "lasted_h",
)
"""Columns of ``export incidents``; later additions go to the end."""


def incident_table(notices: Iterable[Notice], experiment: str) -> pd.DataFrame:
    """List what happened to an experiment, and to the run as a whole, oldest first.

    Parameters
    ----------
    experiment
        Its name; what concerns another one alone is left out.
    """
    import pandas as pd

    rows = [
        {
            "experiment": each.experiment,
            "plate": each.plate,
            "well": each.well,
            "kind": each.code,
            "text": each.text,
            "since": pd.Timestamp(each.since),
            "until": pd.NaT if each.until is None else pd.Timestamp(each.until),
            "lasted_h": None
            if each.until is None
            else (each.until - each.since).total_seconds() / 3600,
        }
        for each in notices
        if each.experiment in (None, experiment)
    ]
    table = pd.DataFrame(rows, columns=list(INCIDENT_COLUMNS))
    for name in ("since", "until"):
        table[name] = pd.to_datetime(table[name], utc=True)
    return table.astype({"lasted_h": float})
