"""Calibrations by nuclei: the latest first, none lost; their analysis is never the primary one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from livecount.errors import StoreError
from livecount.storage import NUCLEI_ROLE, CountStore, is_referee


def test_what_is_kept_is_read_the_latest_first(run, made):
    later = replace(made.CALIBRATION, made_by="Ada")
    for one in (made.CALIBRATION, later):
        run.store.add_nuclei_calibration(run.analysis, one)
    assert run.store.nuclei_calibrations(run.analysis) == [later, made.CALIBRATION]
    other = run.store.ensure_analysis(run.experiment, replace(made.SETTINGS, h=0.3))
    assert run.store.nuclei_calibrations(other) == []


def test_a_reader_keeps_nothing(run, made):
    with (
        CountStore.open(run.store.database, read_only=True) as reader,
        pytest.raises(StoreError, match="opened for reading only"),
    ):
        reader.add_nuclei_calibration(run.analysis, made.CALIBRATION)


def test_a_referee_is_not_primary_even_if_it_comes_first(run, made):
    experiment = run.store.ensure_experiment("another")
    nuclei = replace(made.SETTINGS, channel="DAPI", further=NUCLEI_ROLE)
    first = run.store.ensure_analysis(experiment, nuclei, may_be_primary=False)
    second = run.store.ensure_analysis(experiment, made.SETTINGS)
    third = run.store.ensure_analysis(experiment, replace(made.SETTINGS, h=0.4))
    assert [one.is_primary for one in (first, second, third)] == [False, True, False]
    assert [is_referee(one) for one in (first, second, third)] == [True, False, False]
    assert run.store.analysis(experiment).id == second.id
