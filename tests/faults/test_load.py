"""Many look at a run at once: neither they nor it are harmed."""

from __future__ import annotations

import subprocess
import threading
import time
from pathlib import Path

import pytest

from tests.endtoend.program import command, environment
from tests.faults.laboratory import Laboratory, insist, start
from tests.web.test_health import ask, free_port, wait_for

N_VIEWERS = 50


@pytest.mark.long
def test_fifty_viewers_at_once(laboratory: Laboratory, tmp_path: Path) -> None:
    watched, database = laboratory.copy(tmp_path), tmp_path / "run.db"
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    server = subprocess.Popen(
        command("serve", "--database", database, "--port", port), env=environment()
    )
    answers: list[int] = []
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            try:
                answers.append(ask(address, "/metrics")[0])
            except OSError:
                answers.append(0)

    viewers = [threading.Thread(target=look) for _ in range(N_VIEWERS)]
    try:
        wait_for(address, "/healthz", 503)
        for viewer in viewers:
            viewer.start()
        monitor = start(watched, database, "--until-idle", 2)
        said, _ = monitor.communicate(timeout=180)
        time.sleep(1)
    finally:
        done.set()
        for viewer in viewers:
            viewer.join(15)
        server.terminate()
        server.wait(10)
    assert monitor.returncode == 0, said
    assert len(answers) > 2 * N_VIEWERS
    assert set(answers) == {200}
    insist("fifty viewers at once", len(answers), laboratory.judge(database, tmp_path))
