"""The monitor's part: incidents begin and end once, are told, and nothing that hangs stops it."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
import structlog.testing

from livecount.alerts import Assessment, Finding, Rhythm
from livecount.config import Config, load_config
from livecount.errors import DatabaseFullError, WorkerSilentError
from livecount.monitor import alerts as alerts_module
from livecount.monitor import postman as postman_module
from livecount.monitor.alerts import Alerts
from livecount.monitor.trouble import Trouble
from livecount.storage import COUNTING_PAUSED, CountStore
from tests.alerts.servers import Webhook, mail_server

REACHED = Finding("threshold_reached", "well A1, 300", "Well A1 has reached 300", None, "A1")


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch):
    """Shorter waits; the rules are the same."""
    monkeypatch.setattr(alerts_module, "_EVERY_S", 0.0)
    monkeypatch.setattr(postman_module, "_FIRST_WAIT_S", 0.1)
    with structlog.testing.capture_logs() as logged:
        yield logged


@pytest.fixture
def work(tmp_path: Path):
    """An open store with an experiment, and a way to start the monitor's part anew."""
    with CountStore.open(tmp_path / "run.db") as store:
        experiment = store.ensure_experiment("e", time_zone="Europe/Berlin")
        started: list[Alerts] = []
        told: list[str] = []

        def start(**settings: object) -> Alerts:
            made = Alerts(config_of(tmp_path, **settings), store, [experiment], told.append)
            made._assessed = 0  # no counts to be judged
            started.append(made)
            return made

        yield SimpleNamespace(store=store, experiment=experiment, start=start, told=told)
        for one in started:
            one.give_up()


def config_of(folder: Path, **settings: object) -> Config:
    given = {f"alerts.{name}": value for name, value in {"calm_min": 0.0, **settings}.items()}
    given |= {"database.file": folder / "run.db", "watch.folders": [str(folder)]}
    return load_config(None, environment={}, overrides=given)


@pytest.fixture
def servers():
    made: list[Webhook] = []

    def make(**manner: int) -> Webhook:
        made.append(Webhook(**manner))
        return made[-1]

    yield make
    for server in made:
        server.close()


def tick_until(alerts: Alerts, is_so, patience_s: float = 40.0, unkept: str = "") -> None:
    deadline = time.monotonic() + patience_s
    while not is_so():
        assert time.monotonic() < deadline
        alerts.tick(0, 0.0, unkept)
        time.sleep(0.05)


def test_a_target_that_fails_first_is_told_later_and_one_that_hangs_stops_nobody(
    work: SimpleNamespace, servers, hasty: list[dict[str, object]]
) -> None:
    failing, hanging = servers(refuse=1), servers(hang=99)
    with mail_server() as (box, mail):
        targets = {"hung": hanging.address, "mail": mail, "lab": failing.address}
        alerts = work.start(targets=targets, timeout_s=60.0)
        work.store.begin_notice(COUNTING_PAUSED, "the disk is full")
        tick_until(alerts, lambda: failing.posts and box.mails)
        tick_until(alerts, lambda: not work.store.deliveries(target="lab", only_open=True))
    (lab,) = work.store.deliveries(target="lab")
    assert (lab.attempts, "answered 503" in lab.last_error) == (1, True)
    assert len(failing.posts) == len(box.mails) == 1
    assert work.store.deliveries(target="hung", only_open=True)
    kept = str([failing.address, work.store.deliveries(), hasty]).replace(failing.address, "")
    assert "SECRET" not in kept


def test_nobody_hears_of_an_end_before_the_begin(work: SimpleNamespace, servers) -> None:
    server = servers()
    alerts = work.start(targets={"lab": server.address})
    work.store.begin_notice("source_offline", "away", subject="/a")
    soon = datetime.now(UTC) + timedelta(seconds=2)
    work.store.note_undelivered("lab", work.store.deliveries(only_open=True), "down", soon)
    work.store.end_notice("source_offline")
    work.store.begin_notice("plate_map", "does not fit")
    tick_until(alerts, lambda: len(server.told) == 3)
    assert [kind for kind, _, _ in server.told] == ["plate_map", "source_offline", "source_offline"]
    assert server.told[1][1:] == ("begin", None)


def test_after_three_attempts_it_is_said_that_nobody_is_told(
    work: SimpleNamespace, servers
) -> None:
    server = servers(refuse=3)
    alerts = work.start(targets={"lab": server.address})
    work.store.begin_notice("source_offline", "away", subject="/a")
    tick_until(alerts, lambda: len(work.store.notices()) == 2)
    assert "cannot be delivered to 'lab' (3 attempts)" in work.told[0]
    tick_until(alerts, lambda: len(work.store.notices()) == 1)
    assert work.told[-1] == "Alerts are delivered to 'lab' again"
    assert server.told == [("source_offline", "begin", None)]


def test_what_is_too_long_for_a_target_is_told_in_short_and_nothing_is_stuck_behind_it(
    work: SimpleNamespace, servers
) -> None:
    server = servers(most_bytes=1500)
    alerts = work.start(targets={"lab": server.address})
    for number in range(30):
        work.store.begin_notice("source_offline", "away", subject=f"/{number}")
    tick_until(alerts, lambda: not work.store.deliveries(only_open=True))
    assert server.posts[0]["title"] == "livecount: 30 incidents"
    work.store.begin_notice("plate_map", "does not fit")
    tick_until(alerts, lambda: len(server.posts) == 2)
    assert server.told == [("plate_map", "begin", None)]


def test_what_counts_say_begins_and_ends_once_over_restarts(work: SimpleNamespace, servers) -> None:
    server = servers()
    targets = {"lab": server.address}
    for found in ([REACHED], [REACHED], []):
        alerts = work.start(targets=targets)
        for _ in range(2):
            with work.store.together():
                news = alerts._take(work.experiment, Assessment(tuple(found)))
            work.told += news
        tick_until(alerts, lambda: not work.store.deliveries(only_open=True))
        alerts.give_up()
    assert work.told == ["Well A1 has reached 300", "Over: Well A1 has reached 300"]
    assert server.told == [
        ("threshold_reached", "begin", "A1"), ("threshold_reached", "end", "A1"),
    ]  # fmt: skip
    assert server.posts[0]["incidents"][0]["experiment"] == "e"


def test_what_cannot_be_told_now_is_not_over(work: SimpleNamespace) -> None:
    alerts = work.start()
    alerts._take(work.experiment, Assessment((REACHED,)))
    undecided = frozenset({(REACHED.kind, REACHED.subject)})
    alerts._take(work.experiment, Assessment((), undecided))
    assert len(work.store.notices()) == 1
    alerts._take(work.experiment, Assessment())
    assert work.store.notices() == []


def test_an_overdue_frame_is_said_once_until_frames_come(work: SimpleNamespace) -> None:
    alerts = work.start()
    late = Rhythm(1.0, datetime.now(UTC) - timedelta(hours=2))
    alerts._found = {"e": Assessment(rhythm=late)}
    alerts.tick(0, 5.0)
    assert work.told == []  # something was new a moment ago
    for _ in range(3):
        alerts.tick(0, 99.0)
    assert len(work.told) == 1
    assert "they came every 1 h" in work.told[0]
    alerts._found = {"e": Assessment(rhythm=Rhythm(1.0, datetime.now(UTC)))}
    alerts.tick(0, 0.0)
    assert work.told[1:] == ["Frames of 'e' come again"]


def test_a_disk_that_gets_full_is_said_before(work: SimpleNamespace) -> None:
    alerts = work.start(disk_low_gb=1e6)
    alerts.tick(0, 0.0)
    alerts.tick(0, 0.0)
    assert [one.code for one in work.store.notices()] == ["disk_low"]
    assert len(work.told) == 1
    work.start(disk_low_gb=0.0).tick(0, 0.0)
    assert work.store.notices() == []


def test_what_an_earlier_monitor_said_is_over_unless_it_is_said_again(
    work: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = work.store.ensure_experiment("ended")
    for code, subject in (("source_offline", "/a"), ("source_offline", "/b"), ("old_code", "")):
        work.store.begin_notice(code, f"{code} {subject}", subject=subject)
    for experiment in (work.experiment, other):
        work.store.begin_notice("threshold_reached", "300", subject="A1", experiment=experiment)
    time.sleep(0.01)
    alerts = work.start()
    work.store.begin_notice("source_offline", "still away", subject="/a")
    alerts.tick(0, 0.0)
    assert len(work.store.notices()) == 5
    monkeypatch.setattr(alerts_module, "_STALE_AFTER_S", 0.0)
    alerts.tick(0, 0.0)
    left = [(one.code, one.subject, one.experiment) for one in work.store.notices()]
    assert left == [("source_offline", "/a", None), ("threshold_reached", "A1", "e")]
    assert sorted(work.told) == ["Over: 300", "Over: source_offline /b"]


def test_a_full_disk_is_told_though_the_database_does_not_take_it(
    work: SimpleNamespace, servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> bool:
        raise DatabaseFullError("disk full")

    server = servers()
    alerts = work.start(targets={"lab": server.address})
    trouble = Trouble(work.store, lambda _: None)
    with monkeypatch.context() as patch:
        patch.setattr(work.store, "begin_notice", full)
        trouble.meet(DatabaseFullError("the disk is full", hint="Free space"))
        tick_until(alerts, lambda: server.posts, unkept=trouble.unkept)
        tick_until(alerts, lambda: alerts._postman._rounds["lab"].told, unkept=trouble.unkept)
    assert "the disk is full. Free space." in server.posts[0]["text"]
    trouble.keep()
    tick_until(alerts, lambda: not work.store.deliveries(only_open=True))
    trouble.went_well(counted=True)
    tick_until(alerts, lambda: len(server.posts) == 2)
    assert server.told == [(COUNTING_PAUSED, "end", None)]


def test_quiet_hours_hold_back_all_but_what_is_urgent(work: SimpleNamespace, servers) -> None:
    server = servers()
    alerts = work.start(targets={"lab": server.address}, quiet_hours="00:00-23:59:59.999")
    work.store.begin_notice("plate_map", "does not fit")
    work.store.begin_notice("source_offline", "away")
    tick_until(alerts, lambda: server.posts)
    assert server.told == [("source_offline", "begin", None)]
    assert len(work.store.deliveries(only_open=True)) >= 1


class _Ended:
    """An assessment that is done, and what came of it."""

    took_s = 600.0

    def __init__(self, outcome: object) -> None:
        self._outcome = outcome

    def is_done(self) -> bool:
        return True

    def give_up(self) -> None:
        """It has ended."""

    def outcome(self) -> object:
        if isinstance(self._outcome, Exception):
            raise self._outcome
        return self._outcome


def judge(alerts: Alerts, outcome: object) -> None:
    alerts._errand, alerts._assessing = _Ended(outcome), 1  # type: ignore[assignment]
    alerts.tick(1, 99.0)


def test_counts_that_cannot_be_judged_are_told_and_judged_again_soon(
    work: SimpleNamespace, servers
) -> None:
    server = servers()
    alerts = work.start(targets={"lab": server.address})
    alerts._take(work.experiment, Assessment((REACHED,)))
    judge(alerts, WorkerSilentError("Looking for incidents: no answer within 600 s"))
    assert alerts._assessed == -1
    assert alerts._assess_again_s - time.monotonic() <= alerts_module._TRY_AGAIN_S
    judge(alerts, {"e": Assessment(failure="ValueError: NaN. Report this.")})
    judge(alerts, {"e": Assessment((REACHED,))})
    tick_until(alerts, lambda: not work.store.deliveries(only_open=True))
    assert [one.code for one in work.store.notices()] == [REACHED.kind]
    told = [(kind, part) for kind, part, _ in server.told if kind != REACHED.kind]
    assert sorted(told) == [
        ("incidents_not_judged", "begin"), ("incidents_not_judged", "begin"),
        ("incidents_not_judged", "end"), ("incidents_not_judged", "end"),
    ]  # fmt: skip
    assert "Counts of 'e' cannot be judged: ValueError" in str(work.told)


def test_a_microscope_that_stops_is_noticed_though_counts_cannot_be_judged(
    work: SimpleNamespace,
) -> None:
    alerts = work.start()
    alerts._take_one("e", Assessment(rhythm=Rhythm(1.0, datetime.now(UTC) - timedelta(days=1))))
    judge(alerts, WorkerSilentError("no answer within 600 s"))
    assert len(work.told) == 1  # the frame that was counted a moment ago is not overdue
    alerts._counted_at["e"] -= timedelta(hours=2)
    alerts.tick(1, 99.0)
    assert work.told[1].startswith("No new frame since")
    alerts.tick(2, 0.0)
    assert work.told[2:] == ["Frames of 'e' come again"]


def test_a_declared_interval_tells_what_is_overdue_while_nothing_is_judged(
    work: SimpleNamespace,
) -> None:
    declared = work.store.ensure_experiment("declared", frame_interval_min=60.0)
    alerts = work.start()
    alerts.watch([declared])
    judge(alerts, WorkerSilentError("no answer within 600 s"))
    alerts._counted_at["declared"] -= timedelta(hours=2)
    alerts.tick(1, 99.0)
    assert work.told[1].startswith("No new frame since")
