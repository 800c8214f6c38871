"""All rules on the counts of some experiments; runs in a process of its own, which reads only.

What judges curves needs pandas and statsmodels; the monitor, which lives for weeks, does without.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from livecount.alerts import DATA_KINDS, Assessment, Rhythm, Rules
from livecount.alerts.kinds import FRAME_OVERDUE
from livecount.errors import LivecountError
from livecount.storage import CountReader, CountStore, Experiment

__all__ = ["assess_experiments"]


def assess_experiments(
    database: Path, names: tuple[str, ...], rules: Rules
) -> dict[str, Assessment]:
    """Tell what the counts of experiments say now, under their primary analyses.

    An experiment whose counts cannot be judged says why; the others are judged all the same.

    Raises
    ------
    StoreError
        The database cannot be read.
    """
    with CountStore.open(database, read_only=True) as store:
        known = {each.name: each for each in store.experiments()}
        return {name: _assess_or_say(store, known[name], rules) for name in names if name in known}


def _assess_or_say(store: CountReader, experiment: Experiment, rules: Rules) -> Assessment:
    try:
        return _assess(store, experiment, rules)
    except Exception as fault:
        known = isinstance(fault, LivecountError)
        failure = str(fault) if known else f"{type(fault).__name__}: {fault}. Report this."
    return Assessment(rhythm=_rhythm(store, experiment, rules), failure=failure)


def _rhythm(store: CountReader, experiment: Experiment, rules: Rules) -> Rhythm | None:
    """Give the rhythm alone, which is known also where one well's curve cannot be judged."""
    try:
        return _assess(store, experiment, Rules(rules.kinds & {FRAME_OVERDUE})).rhythm
    except Exception:  # what went wrong is said already
        return None


def _assess(store: CountReader, experiment: Experiment, rules: Rules) -> Assessment:
    import pandas as pd

    from livecount.alerts.judging import assess
    from livecount.tables import count_table
    from livecount.time_axis import zero_of

    primary = [each for each in store.analyses(experiment) if each.is_primary]
    if not primary:
        return Assessment()
    # Asked first: what comes in between is then counted already, not waiting unseen.
    waiting_since = store.waiting_since(experiment)
    counts = count_table(store, experiment, primary[0])
    if counts.empty:
        return Assessment()
    frame_ids, moments = store.counted_at(primary[0])
    counts = counts.join(pd.Series(moments, frame_ids, name="counted_at"), how="inner")
    zero = zero_of(counts)
    interval_min = experiment.frame_interval_min
    lasting = frozenset(
        (each.code, each.subject)
        for each in store.notices()
        if each.experiment == experiment.name and each.code in DATA_KINDS
    )
    return assess(
        counts,
        rules,
        experiment.time_zone,
        None if zero is None else zero.to_pydatetime(warn=False),
        datetime.now(UTC),
        declared_interval_h=None if interval_min is None else interval_min / 60,
        waiting_since=waiting_since,
        lasting=lasting,
    )
