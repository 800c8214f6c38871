"""Engines that are built beside the counting: real processes, and what becomes of them."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from livecount.errors import EngineError, EngineNotBuiltError
from livecount.inference import Engine, LongRunEngine, Model, find_model, open_engine
from livecount.inference.building import EngineBuild
from livecount.inference.choice import choose_among
from livecount.inference.cuda import find_device
from livecount.inference.runtimes import REFERENCE, RUNTIMES, Runtime
from livecount.inference.trial import Trial

IMAGE = np.random.default_rng(1).normal(size=(64, 64)).astype(np.float32)


class Built:
    """What the reference computes, by another name."""

    runtime, precision, max_side_px, memory_share = "Slow to build 1.0 GPU", "fp16", None, 1.0

    def __init__(self, model: Model) -> None:
        self._engine = RUNTIMES[REFERENCE].open(model, 1)

    def infer(self, image: np.ndarray) -> np.ndarray:
        return self._engine.infer(image)


@pytest.fixture(scope="module")
def model() -> Model:
    return find_model("deepdistance")


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The plan of a runtime ``slow`` that is as fast as can be, once this file is there."""
    plan = tmp_path / "slow.plan"

    def opened(model: Model, threads: int) -> Engine:
        return Built(model)

    def tried(runtime: Runtime, model: Model, threads: int, *, again: bool = False) -> Trial:
        if runtime.name != "slow":
            return Trial("", 100.0)
        return Trial("", 1.0) if plan.exists() else Trial("it is not built yet", to_build=True)

    slow = Runtime("slow", "numpy", "numpy", "", opened)
    known = {REFERENCE: RUNTIMES[REFERENCE], "slow": slow}
    monkeypatch.setattr("livecount.inference.choice.RUNTIMES", known)
    monkeypatch.setattr("livecount.inference.choice.RUNTIME_NAMES", ("auto", *known))
    monkeypatch.setattr("livecount.inference.choice.try_runtime", tried)
    return plan


def builder(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have another command stand for the one that builds."""
    command = [sys.executable, "-c", code]
    monkeypatch.setattr("livecount.inference.building._command", lambda *_: command)


def counted_until(engine: LongRunEngine, runtime: str) -> list[str]:
    """Count frames until another runtime does; gives what counted each."""
    by: list[str] = []
    ends = time.monotonic() + 60
    while time.monotonic() < ends:
        engine.go_over_when_built()
        engine.counting.infer(IMAGE)
        by.append(engine.counting.runtime)
        if by[-1] == runtime:
            return by
        time.sleep(0.02)
    raise AssertionError(f"{runtime} never counted: {engine.words}")


@pytest.mark.parametrize("runtime", ["auto", "slow"])
def test_frames_are_counted_while_an_engine_is_built_and_then_with_it(
    runtime: str, model: Model, plan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    builder(f"import pathlib; pathlib.Path({str(plan)!r}).touch()", monkeypatch)
    engine = LongRunEngine(model, runtime=runtime, threads=1)
    assert engine.counting.runtime.startswith("ONNX Runtime")
    assert "being built" in engine.words
    by = counted_until(engine, "Slow to build 1.0 GPU")
    assert by[0].startswith("ONNX Runtime")
    assert engine.words.startswith("Slow to build 1.0 GPU, fp16")
    assert "being built" not in engine.words
    assert engine.trouble == ""


def test_a_build_that_fails_is_said_and_the_counting_goes_on(
    model: Model, plan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    builder("import sys; sys.exit('error: out of memory on the GPU')", monkeypatch)
    engine = LongRunEngine(model, runtime="auto", threads=1)
    engine.counting.infer(IMAGE)
    wait_for_trouble(engine)
    assert "out of memory on the GPU" in engine.trouble
    assert "ONNX Runtime" in engine.trouble
    assert "being built" not in engine.words
    engine.go_over_when_built()
    assert engine.counting.runtime.startswith("ONNX Runtime")


def test_a_build_that_crashes_is_not_told_by_its_last_note_alone(
    model: Model, plan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    note = "building: 40 steps"
    code = f"import os, sys; print({note!r}, file=sys.stderr, flush=True); os.kill(os.getpid(), 11)"
    builder(code, monkeypatch)
    engine = LongRunEngine(model, runtime="auto", threads=1)
    wait_for_trouble(engine)
    assert "signal 11 ended it" in engine.trouble


def test_an_engine_that_was_built_and_does_not_load_is_said(
    model: Model, plan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    builder("pass", monkeypatch)  # it says that it went well, and kept nothing
    engine = LongRunEngine(model, runtime="slow", threads=1)
    wait_for_trouble(engine)
    assert "was built, but does not load: slow not used: it is not built yet" in engine.trouble
    assert engine.counting.runtime.startswith("ONNX Runtime")


def wait_for_trouble(engine: LongRunEngine) -> None:
    ends = time.monotonic() + 60
    while not engine.trouble and time.monotonic() < ends:
        engine.go_over_when_built()
        time.sleep(0.02)


def test_where_a_runtime_is_not_trusted_only_the_reference_counts_and_nothing_is_built(
    model: Model, plan: Path
) -> None:
    plan.touch()
    engine = LongRunEngine(model, runtime="auto", threads=1, mistrust="it crashed twice")
    assert engine.counting.is_reference
    assert engine.trouble.startswith("it crashed twice; ONNX Runtime")
    engine.go_over_when_built()
    assert engine.counting.is_reference


STARTS_A_BUILD = """
import sys, time
from livecount.inference import building, find_model
from livecount.inference.runtimes import RUNTIMES
code = "import threading; from livecount.cli.engine import _end_with_stdin as wait;"
code += "ended = threading.Event(); wait(ended); print('ended', file=open(sys.argv[1], 'w'))"
code = "import sys; " + code
building._command = lambda *_: [sys.executable, "-c", code, sys.argv[1]]
building.EngineBuild(RUNTIMES["tensorrt"], find_model("deepdistance"))
print("started", flush=True)
time.sleep(600)
"""


def test_a_build_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    told = tmp_path / "told"
    command = [sys.executable, "-c", STARTS_A_BUILD, str(told)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"started\n"
        assert not told.exists()
        process.kill()
    ends = time.monotonic() + 60
    while not (told.exists() and told.read_text()) and time.monotonic() < ends:
        time.sleep(0.05)
    assert told.read_text() == "ended\n"


def test_nothing_is_built_where_nothing_waits_for_it(model: Model, plan: Path) -> None:
    plan.touch()
    engine = LongRunEngine(model, runtime="auto", threads=1)
    assert engine.counting.runtime == "Slow to build 1.0 GPU"
    engine.go_over_when_built()
    assert engine.counting.runtime == "Slow to build 1.0 GPU"


def test_a_short_command_starts_no_build(model: Model, plan: Path) -> None:
    engine = open_engine(model, runtime="slow")
    assert engine.runtime.startswith("ONNX Runtime")
    assert "not built yet" in engine.why
    assert [runtime.name for runtime in engine.to_build] == ["slow"]
    assert engine.trouble == ""
    assert "not built yet" in engine.reservation
    assert "counts in its place" in engine.reservation


def test_the_real_command_says_what_is_missing(model: Model) -> None:
    try:
        find_device()
    except EngineError:
        pass
    else:
        pytest.skip("there is an NVIDIA GPU here")
    build = EngineBuild(RUNTIMES["tensorrt-rtx"], model)
    ends = time.monotonic() + 120
    while (outcome := build.poll()) is None and time.monotonic() < ends:
        time.sleep(0.1)
    assert outcome is not None
    assert "NVIDIA" in outcome


def test_what_is_to_be_built_is_no_failure() -> None:
    trials = {name: Trial("", 5.0) for name in (REFERENCE, "openvino")}
    choice = choose_among(trials | {"tensorrt": Trial("not built yet", to_build=True)})
    assert choice.runtime.name == REFERENCE
    assert [runtime.name for runtime in choice.to_build] == ["tensorrt"]
    assert issubclass(EngineNotBuiltError, EngineError)
    assert dataclasses.asdict(Trial("x"))["to_build"] is False
