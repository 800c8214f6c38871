"""A store on a real file, and the made frames that go into it."""

from __future__ import annotations

import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest

from livecount.storage import CountStore

SCRIPT = Path(__file__).with_name("made_frames.py")


@pytest.fixture(scope="session")
def made():
    return SimpleNamespace(script=SCRIPT, **runpy.run_path(str(SCRIPT)))


@pytest.fixture
def database(tmp_path):
    return tmp_path / "counts.db"


@pytest.fixture
def run(database, made):
    """An open store with an experiment, a watched folder and an analysis."""
    with CountStore.open(database) as store:
        experiment = store.ensure_experiment("run")
        source = store.ensure_source(experiment, made.FOLDER)
        analysis = store.ensure_analysis(experiment, made.SETTINGS)

        def record(path=b"a.tif", *, stamp=None, n_pages=None, **about):
            count = made.make_count(analysis.id, path, **about)
            stamp = stamp or made.stamp_of(0)
            return store.record(source, count, stamp=stamp, n_pages=n_pages)

        yield SimpleNamespace(
            store=store, experiment=experiment, source=source, analysis=analysis, record=record
        )
