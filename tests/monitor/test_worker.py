"""The worker as the monitor meets it: a real process, real files, real trouble."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
import tifffile

from livecount.config import load_config
from livecount.errors import (
    DatabaseBusyError,
    EngineError,
    ModelError,
    UnreadableFrameError,
    WorkerLostError,
    WorkerSilentError,
    WorkerStartError,
)
from livecount.inference import find_model
from livecount.inference.runtimes import RUNTIMES
from livecount.monitor.worker import StopAskedError, Worker, _portable
from livecount.pipeline import CountingRule
from livecount.readers import PageLook

Make = Callable[..., Worker]


@pytest.fixture
def make() -> Iterator[Make]:
    with ExitStack() as stack:

        def start(
            *,
            stop: threading.Event | None = None,
            on_wait: Callable[[], None] = lambda: None,
            patience_s: float = 60.0,
            **settings: object,
        ) -> Worker:
            worker = Worker(
                load_config(None, environment={}, overrides=settings),
                patience_s=patience_s,
                stop=stop or threading.Event(),
                on_wait=on_wait,
            )
            stack.callback(worker.give_up)
            worker.start()
            return worker

        yield start


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A frame that takes seconds to count."""
    noise = np.random.default_rng(1).normal(128, 20, (1600, 1600))
    path = tmp_path / "large.tif"
    tifffile.imwrite(path, noise.clip(0, 255).astype(np.uint8))
    return path


RULE = CountingRule(h=0.2, cell_diameter_px=20)


def test_an_answer_that_comes_too_late_is_not_taken_for_another(make: Make, large: Path) -> None:
    troubles = iter([DatabaseBusyError("busy")])

    def interrupt() -> None:
        if armed and (trouble := next(troubles, None)):
            raise trouble

    armed = False
    worker = make(on_wait=interrupt, patience_s=300.0)  # it counts twice, on a busy computer too
    page = worker.read(large.parent, b"large.tif", 0)
    armed = True
    with pytest.raises(DatabaseBusyError):
        worker.count(page, RULE, "")
    assert worker.look(large, settled=True) == PageLook(1, (0,))
    assert worker.count(page, RULE, "").key == page.key


def test_the_error_of_a_file_comes_back_as_it_was_raised(make: Make, tmp_path: Path) -> None:
    worker = make()
    with pytest.raises(UnreadableFrameError, match="no such file") as caught:
        worker.look(tmp_path / "absent.tif", settled=True)
    assert caught.value.hint
    assert worker.is_absent(tmp_path / "absent.tif")
    assert not worker.is_absent(tmp_path)


def test_a_page_read_by_a_worker_that_ended_is_read_again(make: Make, large: Path) -> None:
    worker = make()
    page = worker.read(large.parent, b"large.tif", 0)
    worker.give_up()
    with pytest.raises(UnreadableFrameError, match="had read it ended"):
        worker.count(page, RULE, "")


def test_a_worker_that_dies_at_work_is_told_and_replaced(make: Make, large: Path) -> None:
    def kill() -> None:
        if armed:
            os.kill(worker._process.pid, signal.SIGKILL)

    armed = False
    worker = make(on_wait=kill)
    page = worker.read(large.parent, b"large.tif", 0)
    armed = True
    with pytest.raises(WorkerLostError, match="SIGKILL"):
        worker.count(page, RULE, "")
    armed = False
    assert worker.look(large, settled=True).n_pages == 1


def test_a_model_that_is_gone_at_a_restart_is_not_the_frames_fault(
    make: Make, large: Path, tmp_path: Path
) -> None:
    model = tmp_path / "model"
    shutil.copytree(find_model("deepdistance").folder, model)
    worker = make(**{"counting.model": str(model)})
    os.kill(worker._process.pid, signal.SIGKILL)
    worker._process.join()
    model.rename(tmp_path / "away")
    with pytest.raises(WorkerStartError, match="does not start again"):
        worker.look(large, settled=True)
    (tmp_path / "away").rename(model)
    assert worker.look(large, settled=True).n_pages == 1


def test_one_that_stands_still_is_given_up(make: Make, large: Path) -> None:
    worker = make(patience_s=1.0)
    os.kill(worker._process.pid, signal.SIGSTOP)
    with pytest.raises(WorkerSilentError, match="within 1 s"):
        worker.look(large, settled=True)
    assert worker.look(large, settled=True).n_pages == 1


def test_a_stop_does_not_wait_for_it(make: Make, large: Path) -> None:
    stop = threading.Event()
    worker = make(stop=stop)
    os.kill(worker._process.pid, signal.SIGSTOP)
    stop.set()
    began_s = time.monotonic()
    with pytest.raises(StopAskedError):
        worker.look(large, settled=True)
    assert time.monotonic() - began_s < 5


def test_a_monitor_that_is_stopped_before_its_worker_is_ready_ends_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from livecount.monitor import daemon, run_monitor, worker

    monkeypatch.setattr(worker, "_STOP_PATIENCE_S", 0.0)
    # It would hold for the tests that come after this one.
    monkeypatch.setattr(daemon, "lower_priority", lambda: ())
    stop = threading.Event()
    stop.set()
    settings = {"database.file": str(tmp_path / "run.db"), "watch.folders": [str(tmp_path)]}
    config = load_config(None, environment={}, overrides=settings)
    assert run_monitor(config, stop=stop).seen == 0


def test_a_model_that_is_not_there_is_said_at_the_start(make: Make) -> None:
    with pytest.raises(ModelError, match="no model 'nobodys'"):
        make(**{"counting.model": "nobodys"})


class StubbornError(ValueError):
    """An exception as some libraries have them: it cannot be made from its text."""

    def __init__(self, *, code: int) -> None:
        super().__init__(f"code {code}")


@pytest.mark.parametrize(
    "fault",
    [StubbornError(code=3), EngineError("what", hint="do"), OSError(5, "I/O error", "a.tif")],
)
def test_every_exception_survives_the_way_back(fault: Exception) -> None:
    found = _portable(fault)
    assert str(fault) in str(found)
    assert isinstance(found, RuntimeError) == isinstance(fault, StubbornError)


ENDS_WHILE_COUNTING = """
import os
from livecount.inference import openvino
infer = openvino.OpenVinoEngine.infer
def end(self, image):
    if os.environ.get("ENDED_BY") and image.shape[0] > 1000:
        os._exit(3)
    return infer(self, image)
openvino.OpenVinoEngine.infer = end
"""


@pytest.mark.skipif(not RUNTIMES["openvino"].is_installed, reason="needs openvino")
def test_a_runtime_that_ends_the_process_twice_is_not_trusted_with_a_third_try(
    make: Make, large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text(ENDS_WHILE_COUNTING)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("ENDED_BY", "openvino")
    # The worker gives way to all else: beside a busy computer's work it counts for minutes.
    worker = make(
        patience_s=300.0,
        **{"counting.runtime": "openvino", "counting.memory_limit_mb": 2000},
    )
    assert worker.engine.words.startswith("OpenVINO")
    for _ in range(2):
        assert not worker.engine.trouble
        page = worker.read(large.parent, b"large.tif", 0)
        with pytest.raises(WorkerLostError):
            worker.count(page, RULE, "")
    page = worker.read(large.parent, b"large.tif", 0)
    found = worker.count(page, RULE, "")
    assert found.provenance is not None
    assert found.provenance.runtime.startswith("ONNX Runtime")
    assert "2 times by OpenVINO" in worker.engine.trouble
    assert "ONNX Runtime" in worker.engine.trouble
