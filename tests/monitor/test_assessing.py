"""The counts of several experiments are judged, each for itself."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from livecount.alerts import Assessment, Rhythm, Rules
from livecount.monitor.assessing import assess_experiments
from livecount.storage import CountStore
from tests.storage.made_frames import SETTINGS, make_count, stamp_of

RULES = Rules(frozenset({"frame_overdue", "threshold_reached"}), {"count": 1.0})
RHYTHM = Rhythm(1.0, datetime(2026, 11, 1, tzinfo=UTC))


def test_an_experiment_that_cannot_be_judged_says_so_and_the_others_are_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def assess(counts: pd.DataFrame, rules: Rules, *_: object, **__: object) -> Assessment:
        if counts["experiment"].iloc[0] == "bad" and rules.thresholds:
            raise ValueError("one well is odd")
        return Assessment(rhythm=RHYTHM)

    monkeypatch.setattr("livecount.alerts.judging.assess", assess)
    with CountStore.open(tmp_path / "run.db") as store:
        for number, name in enumerate(("bad", "good")):
            experiment = store.ensure_experiment(name)
            source = store.ensure_source(experiment, f"/{name}")
            analysis = store.ensure_analysis(experiment, SETTINGS)
            count = make_count(analysis.id, b"a.tif", content=name, folder=f"/{name}")
            store.record(source, count, stamp=stamp_of(number), n_pages=1)
    found = assess_experiments(tmp_path / "run.db", ("bad", "good"), RULES)
    assert found["good"] == Assessment(rhythm=RHYTHM)
    failure = "ValueError: one well is odd. Report this."
    assert found["bad"] == Assessment(rhythm=RHYTHM, failure=failure)
