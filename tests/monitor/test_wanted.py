"""Which experiments are watched: the last word holds, the settings' own come first."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from livecount.config import Config, load_config
from livecount.monitor.wanted import keep_what_runs, wanted_of
from livecount.storage import CountStore, Said, WatchOrder, WatchVerb

ADA = Said("Ada", datetime(2026, 10, 5, 12, tzinfo=UTC))


def config_of(*names: str) -> Config:
    tables = [{"name": name, "folders": [f"/{name}"]} for name in names]
    given = {"experiments": tables, "counting.h": 0.2}
    return load_config(None, environment={}, overrides=given)


def order(name: str, verb: WatchVerb, **settings: object) -> WatchOrder:
    table = {"name": name, "folders": [f"/{name}"], **settings}
    return WatchOrder(name, verb, ADA, table if verb in ("run", "add") else None)


def watched(config: Config, *orders: WatchOrder) -> list[str]:
    return sorted(wanted_of(config, orders).configs)


def test_what_is_listed_runs_until_it_is_stopped() -> None:
    both = config_of("a", "b")
    assert watched(both) == ["a", "b"]
    assert watched(both, order("a", "run"), order("a", "stop")) == ["b"]
    assert list(wanted_of(both, [order("a", "stop")]).stopped) == ["a"]
    assert watched(both, order("a", "stop"), order("a", "start")) == ["a", "b"]


def test_what_is_not_listed_any_more_runs_only_if_somebody_said_so() -> None:
    b = config_of("b")
    assert watched(b, order("a", "run")) == ["b"]
    assert watched(b, order("a", "run"), order("a", "stop")) == ["b"]
    assert watched(b, order("a", "run"), order("a", "stop"), order("a", "start")) == ["a", "b"]
    assert watched(b, order("a", "start"), order("a", "run")) == ["b"]
    assert watched(b, order("a", "start")) == ["b"]  # nobody said how


def test_the_settings_come_before_what_was_added_and_the_last_addition_holds() -> None:
    a = config_of("a")
    added = wanted_of(a, [order("a", "add", h=0.5), order("c", "add", h=0.5), order("c", "add")])
    assert added.configs["a"].counting.h == 0.2
    assert added.configs["c"].counting.h == 0.2
    assert added.configs["c"].experiments == ()


def test_what_cannot_be_used_is_said_and_stops_no_other() -> None:
    found = wanted_of(config_of("a"), [order("c", "add", h=7), order("d", "add")])
    assert sorted(found.configs) == ["a", "d"]
    assert "experiment 'c' as Ada gave it: experiments.h: must be at most 1" in str(
        found.unusable["c"]
    )


def test_the_settings_of_what_runs_are_kept_once(tmp_path: Path) -> None:
    with CountStore.open(tmp_path / "run.db") as store:
        (one,) = config_of("a").each_experiment
        for _ in range(2):
            keep_what_runs(one, store)
        (kept,) = store.watch_orders()
        assert (kept.experiment, kept.verb) == ("a", "run")
        assert kept.settings is not None
        assert kept.settings["h"] == 0.2
        (found,) = wanted_of(
            Config(), [*store.watch_orders(), order("a", "start")]
        ).configs.values()
        assert found.counting == one.counting
        store.add_watch_order(order("a", "start"))
        keep_what_runs(one, store)
        assert [each.verb for each in store.watch_orders()] == ["run", "start", "run"]
