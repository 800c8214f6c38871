"""Incidents of a real run reach a real server, once, over kills and restarts, without secrets."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from livecount.cli import app
from livecount.errors import ConfigError
from tests.alerts.servers import Webhook
from tests.endtoend.program import command, environment, livecount, rows_of

SETTINGS = """
[alerts]
targets = { lab = "env:LAB_ALERTS" }
thresholds = { count = 1.0 }
calm_min = 0
"""


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    server = Webhook()
    yield server
    server.close()


def asked(*words: object) -> str:
    """Ask in this process, which is quicker."""
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    return done.stdout


def with_address(server: Webhook) -> dict[str, str]:
    return environment() | {"LAB_ALERTS": server.address}


@contextmanager
def monitor_of(words: list[str], variables: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Start a monitor that does not outlive the test, however that ends."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(words, env=variables, **quiet) as monitor:
        try:
            yield monitor
        finally:
            monitor.kill()


def until(is_so: Callable[[], bool], patience_s: float = 180.0) -> None:
    deadline = time.monotonic() + patience_s
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def assert_nowhere(secret: bytes, folder: Path) -> None:
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert any(path.suffix == ".log" for path in files)
    assert [path for path in files if secret in path.read_bytes()] == []


def test_a_missing_well_and_a_threshold_are_told_once_and_no_secret_is_kept(
    tmp_path: Path, webhook: Webhook
) -> None:
    watched, kept = tmp_path / "frames", tmp_path / "kept"
    asked(
        "simulate", "-o", watched, "--wells", "A1,B2,C3", "--time-points", 5, "--size-px", 256,
        "--founders", 12, "--scheme", "incucyte", "--frame-interval-min", 120,
    )  # fmt: skip
    shutil.rmtree(watched / "truth")
    scans = sorted(watched.glob("*B2*"))
    assert len(scans) == 5
    scans[3].unlink()
    config = tmp_path / "config.toml"
    config.write_text(SETTINGS)
    database = ("--database", kept / "run.db")
    run = ("run", watched, *database, "--no-dashboard", "-c", config, "--cell-diameter-px", 40,
           "--until-idle", 1.2)  # fmt: skip
    livecount(*run, env=with_address(webhook))
    told = sorted(webhook.told)
    assert told == [
        *(("threshold_reached", "begin", well) for well in ("A1", "B2", "C3")),
        ("well_missing", "begin", "B2"),
    ]
    texts = [post["text"] for post in webhook.posts]  # one or several: as fast as they were found
    missing = "Well B2 of plate SIM has no counted frame from the scan at 6 h"
    assert len([text for text in texts if missing in text]) == 1
    livecount(*run, env=with_address(webhook))
    assert sorted(webhook.told) == told
    status = asked("status", *database, "--json")
    assert len(json.loads(status)["incidents"]) == 4
    shown = json.loads(asked("incidents", *database, "--json"))["incidents"]
    assert {each["target"] for row in shown for each in row["told"]} == {"lab"}
    asked("report", "-o", kept / "report.html", *database)
    assert missing in (kept / "report.html").read_text(encoding="utf-8")
    asked("export", "incidents", "-o", kept / "incidents.csv", *database)
    assert len(rows_of(kept / "incidents.csv")) == 4
    assert_nowhere(b"SECRET", kept)
    assert "SECRET" not in status
    ahead = json.loads(asked("forecast", "count", 900, *database, "--json"))["places"]
    assert [place["said"] for place in ahead] == ["cannot be forecast: fewer than 8 scans"] * 3
    unmeasured = CliRunner().invoke(
        app, ["forecast", "confluence_percent", "80", "--database", str(kept / "run.db")]
    )
    assert unmeasured.exit_code == 1


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="signals of POSIX systems")
def test_killed_between_begin_and_delivery_it_is_delivered_after_the_restart(
    tmp_path: Path,
) -> None:
    server = Webhook(hang=1)
    config, watched, database = tmp_path / "c.toml", tmp_path / "share", tmp_path / "run.db"
    config.write_text(SETTINGS)
    words = command(
        "run", watched, "--database", database, "--no-dashboard", "-c", config,
        "--cell-diameter-px", 40,
    )  # fmt: skip
    try:
        with monitor_of(words, with_address(server)) as monitor:
            until(lambda: server.asked == 1)
            monitor.send_signal(signal.SIGKILL)
            monitor.wait()
        assert server.posts == []
        with monitor_of(words, with_address(server)) as monitor:
            until(lambda: len(server.posts) == 1)
            watched.mkdir()
            until(lambda: len(server.posts) == 2)
            monitor.send_signal(signal.SIGTERM)
            assert monitor.wait(60) == 0
    finally:
        server.close()
    assert server.told == [("source_offline", "begin", None), ("source_offline", "end", None)]
    (row,) = json.loads(asked("incidents", "--database", database, "--json"))["incidents"]
    assert row["number"] == server.posts[0]["incidents"][0]["incident"]
    assert all(each["delivered_at"] for each in row["told"])
    assert_nowhere(b"SECRET", tmp_path)


def test_a_test_message_is_sent_or_the_reason_said(
    tmp_path: Path, webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusing = Webhook(refuse=9)
    config = tmp_path / "config.toml"
    config.write_text('[alerts]\ntargets = { lab = "env:LAB_ALERTS", desk = "env:DESK" }\n')
    both = with_address(webhook) | {"DESK": refusing.address}
    try:
        done = livecount("alert", "test", "-c", config, env=both, check=False)
    finally:
        refusing.close()
    assert done.returncode == 1
    assert "lab: a test message was taken" in done.stderr
    assert webhook.posts[0]["title"] == "livecount: test message"
    assert "desk did not take a message: the server answered 503" in " ".join(done.stderr.split())
    assert "SECRET" not in done.stdout + done.stderr
    for name in ("LAB_ALERTS", "DESK"):
        monkeypatch.delenv(name, raising=False)
    refused = {
        ("alert", "test", "nobody"): "Known are: lab, desk",
        ("run", tmp_path, "--database", tmp_path / "r.db"): "LAB_ALERTS",
    }
    for words, said in refused.items():
        failed = CliRunner().invoke(app, [*map(str, words), "-c", str(config)])
        assert isinstance(failed.exception, ConfigError)
        assert said in str(failed.exception)
