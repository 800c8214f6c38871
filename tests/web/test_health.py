"""Health and metrics of a real run, asked over HTTP as a monitoring system asks."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from livecount.storage import COUNTING_PAUSED, CountStore, Heartbeat
from livecount.web.health import read_health
from tests.endtoend.program import command, environment, livecount


def ask(address: str, path: str, **headers: str) -> tuple[int, bytes]:
    request = urllib.request.Request(address + path, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def wait_for(address: str, path: str, status: int) -> bytes:
    give_up_s = time.monotonic() + 30
    while time.monotonic() < give_up_s:
        try:
            found, body = ask(address, path)
        except OSError:
            found, body = 0, b""
        if found == status:
            return body
        time.sleep(0.2)
    raise AssertionError(f"{path} never answered {status}; last: {found} {body!r}")


def start(folder: Path, database: Path, *more: object) -> tuple[subprocess.Popen[str], str]:
    monitor = subprocess.Popen(
        command("run", folder, "--database", database, "--cell-diameter-px", 30, *more),
        env=environment(), stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert monitor.stderr is not None
    while "health and metrics" not in (line := monitor.stderr.readline()):
        assert line, "the monitor did not start"
    return monitor, line.split(": ")[1].split("/healthz")[0]


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    folder = tmp_path / "frames"
    livecount("simulate", "-o", folder, "--time-points", 3, "--size-px", 160, "--founders", 4)
    return folder


def test_a_run_is_well_until_a_folder_goes_away_or_it_stops(frames: Path, tmp_path: Path) -> None:
    database = tmp_path / "run.db"
    monitor, address = start(frames, database)
    try:
        health = json.loads(wait_for(address, "/healthz", 200))
        while health["frames"]["counted"] < 3:
            time.sleep(0.2)
            health = json.loads(ask(address, "/healthz")[1])
        assert health["reason"] == ""
        assert "onnxruntime" in health["engine"].lower().replace(" ", "")
        _, text = ask(address, "/metrics")
        samples = {
            (sample.name, *sample.labels.values()): sample.value
            for family in text_string_to_metric_families(text.decode())
            for sample in family.samples
        }
        assert samples["livecount_frames", "counted"] == 3
        assert samples[("livecount_up",)] == 1
        assert samples["livecount_folder_reachable", str(frames)] == 1
        assert 0 <= samples["livecount_age_seconds", "heartbeat"] < 30
        assert samples["livecount_database_bytes", "database"] > 0

        shutil.move(frames, tmp_path / "away")
        gone = json.loads(wait_for(address, "/healthz", 503))
        assert "cannot be reached" in gone["reason"]
        shutil.move(tmp_path / "away", frames)
        wait_for(address, "/healthz", 200)
    finally:
        monitor.terminate()
        monitor.communicate(timeout=20)
    assert monitor.returncode == 0
    with pytest.raises(OSError):
        ask(address, "/healthz")
    with CountStore.open(database, read_only=True) as store:
        assert read_health(store).reason == "the monitor was stopped"


def test_no_foreign_name_and_no_other_path_gets_anything(frames: Path, tmp_path: Path) -> None:
    monitor, address = start(frames, tmp_path / "run.db", "--port", free_port())
    try:
        wait_for(address, "/healthz", 200)
        assert ask(address, "/healthz", Host="evil.example")[0] == 400
        for path in ("/", "/docs", "/../../etc/passwd", "/healthz/../run.db", "/experiments/1"):
            status, body = ask(address, path)
            assert status == 404 or b"<h1>Sign in</h1>" in body
        assert ask(address, "/api/v1/experiments")[0] == 401
        second = livecount(
            "serve", "--database", tmp_path / "run.db", "--port", address.rpartition(":")[2],
            check=False,
        )  # fmt: skip
        assert second.returncode == 1
        assert "cannot be had" in second.stderr
    finally:
        monitor.terminate()
        monitor.communicate(timeout=20)


def test_a_dashboard_that_dies_comes_back_and_the_counting_goes_on(
    frames: Path, tmp_path: Path
) -> None:
    import psutil

    # Its own port: at the default one another test's server may answer once this one is gone.
    monitor, address = start(frames, tmp_path / "run.db", "--port", free_port())
    try:
        wait_for(address, "/healthz", 200)
        listening = [
            child
            for child in psutil.Process(monitor.pid).children(recursive=True)
            if any(one.status == psutil.CONN_LISTEN for one in child.net_connections("tcp"))
        ]
        assert len(listening) == 1
        listening[0].kill()
        listening[0].wait(10)
        wait_for(address, "/healthz", 200)
    finally:
        monitor.terminate()
        monitor.communicate(timeout=20)
    assert monitor.returncode == 0
    logged = next(tmp_path.glob("*.log")).read_text(encoding="utf-8")
    assert logged.count("dashboard ended") == 1
    with pytest.raises(OSError):
        ask(address, "/healthz")


def test_the_port_is_free_again_after_a_kill(frames: Path, tmp_path: Path) -> None:
    port = free_port()
    monitor, address = start(frames, tmp_path / "run.db", "--port", port)
    wait_for(address, "/healthz", 200)
    monitor.send_signal(signal.SIGKILL)
    monitor.communicate(timeout=20)
    give_up_s = time.monotonic() + 10
    while time.monotonic() < give_up_s:
        try:
            ask(address, "/healthz")
        except OSError:
            break
        time.sleep(0.1)
    monitor, address = start(frames, tmp_path / "run.db", "--port", port)
    wait_for(address, "/healthz", 200)
    monitor.terminate()
    monitor.communicate(timeout=20)


def test_serve_answers_before_there_is_a_database(tmp_path: Path) -> None:
    port = free_port()
    server = subprocess.Popen(
        command("serve", "--database", tmp_path / "none.db", "--port", port), env=environment()
    )
    try:
        body = wait_for(f"http://127.0.0.1:{port}", "/healthz", 503)
        assert "There is no database" in json.loads(body)["reason"]
        assert b"livecount_up 0" in ask(f"http://127.0.0.1:{port}", "/metrics")[1]
    finally:
        server.terminate()
        server.wait(10)
    assert not list(tmp_path.iterdir())


def test_a_heart_that_stopped_beating_is_told(frames: Path, tmp_path: Path) -> None:
    database = tmp_path / "run.db"
    monitor, address = start(frames, database)
    wait_for(address, "/healthz", 200)
    monitor.send_signal(signal.SIGKILL)
    monitor.communicate(timeout=20)
    with CountStore.open(database, read_only=True) as store:
        late = datetime.now(UTC) + timedelta(seconds=60)
        reason = read_health(store, late).reason
    silent = re.fullmatch(r"the monitor has not been heard of for (\d+) s", reason)
    assert silent is not None
    assert 60 <= int(silent[1]) < 120  # its last beat was some seconds ago on a busy computer


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="signals of POSIX")
def test_an_interrupt_that_reaches_the_server_too_does_not_end_it_before_the_monitor(
    frames: Path, tmp_path: Path
) -> None:
    monitor, address = start(frames, tmp_path / "run.db")
    try:
        wait_for(address, "/healthz", 200)
        children = Path(f"/proc/{monitor.pid}/task/{monitor.pid}/children").read_text().split()
        for child in children:
            os.kill(int(child), signal.SIGINT)
        time.sleep(2)
        assert ask(address, "/healthz")[0] == 200
    finally:
        monitor.send_signal(signal.SIGINT)
        monitor.communicate(timeout=60)
    assert monitor.returncode == 0


def test_counting_that_pauses_is_not_well(tmp_path: Path) -> None:
    with CountStore.open(tmp_path / "run.db") as store:
        now = datetime.now(UTC)
        beat = Heartbeat(1, "here", "0", now, now, None, "counting", "", {}, None)
        store.heartbeat(beat)
        assert read_health(store).is_well
        store.begin_notice(COUNTING_PAUSED, "the disk is full")
        health = read_health(store)
    assert not health.is_well
    assert "the disk is full" in health.reason
