"""Which runtime counts: tried for real, in child processes, the broken ones included."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from livecount.errors import EngineError, EngineReplacedError, ModelError
from livecount.frame import Frame, FrameAttributes, FrameKey
from livecount.inference import (
    Engine,
    Model,
    TileLimits,
    find_model,
    open_engine,
    read_model,
)
from livecount.inference.choice import Choice, ChosenEngine, choose_among, choose_runtime, try_all
from livecount.inference.golden import GOLDEN_NAME, read_golden, write_golden
from livecount.inference.runtimes import REFERENCE, RUNTIMES, Runtime
from livecount.inference.trial import Trial, _judge, forget_trial, try_runtime
from livecount.monitor.engine_state import say_what_counts
from livecount.monitor.messages import EngineState
from livecount.pipeline import CountingRule, FrameCounter
from livecount.storage import CountStore

# Those for GPUs are tried in test_tensorrt.
INSTALLED = [name for name in (REFERENCE, "openvino") if RUNTIMES[name].is_installed]
OTHERS = [name for name in INSTALLED if name != REFERENCE]


@pytest.fixture(scope="module")
def model() -> Model:
    return find_model("deepdistance")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder in which nothing was tried yet."""
    if sys.platform != "linux":
        pytest.skip("the place of the cache is set the way of Linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def openvino_is(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], None]:
    """Put another module in the place of OpenVINO, for the processes that try it."""

    def put(code: str) -> None:
        (tmp_path / "openvino.py").write_text(code)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    return put


@pytest.mark.parametrize("device", ["CUDA", "DirectML"])
@pytest.mark.filterwarnings("ignore:Specified provider")
def test_a_gpu_that_onnx_runtime_cannot_use_is_said_and_not_quietly_replaced(
    device: str, model: Model
) -> None:
    runtime = RUNTIMES[f"onnxruntime-{device.lower()}"]
    if runtime.is_installed:
        pytest.skip("its package is here")
    with pytest.raises(EngineError, match=rf"{device} .*CPUExecutionProvider"):
        runtime.open(model, 1)
    with pytest.raises(EngineError, match=f"pip install {runtime.package}"):
        open_engine(model, runtime=runtime.name)


class Altered:
    """The reference with an error that a runtime might have."""

    runtime, precision, max_side_px, memory_share = "altered", "fp32", None, 1.0

    def __init__(self, model: Model, gain: float = 1.0, shift_px: int = 0, noise: float = 0.0):
        self._engine = RUNTIMES[REFERENCE].open(model, 1)
        self._gain, self._shift_px, self._noise = gain, shift_px, noise

    def infer(self, image: np.ndarray) -> np.ndarray:
        maps = np.roll(self._engine.infer(image), self._shift_px, axis=-1) * np.float32(self._gain)
        noise = np.random.default_rng(0).uniform(-self._noise, self._noise, maps.shape)
        return (maps + noise).astype(np.float32)


@pytest.mark.parametrize("name", INSTALLED)
def test_every_runtime_here_finds_the_cells_of_the_reference(name: str, model: Model) -> None:
    golden = read_golden(model)
    assert sum(peaks.count_at(model.h) for peaks in golden.peaks) > 100
    assert golden.find_difference(model, RUNTIMES[name].open(model, 1)) == ""


def test_an_error_of_half_precision_is_let_pass(model: Model) -> None:
    assert read_golden(model).find_difference(model, Altered(model, noise=1e-3)) == ""


@pytest.mark.parametrize(
    ("error", "said"),
    [({"gain": 0.97}, "in the mean"), ({"gain": 0.0}, "misses"), ({"shift_px": 4}, "cell at y")],
)
def test_other_cells_are_refused(error: dict, said: str, model: Model) -> None:
    assert said in read_golden(model).find_difference(model, Altered(model, **error))


def test_cells_that_the_reference_has_not_are_refused(model: Model) -> None:
    golden = read_golden(model)
    fewer = dataclasses.replace(golden, peaks=tuple(peaks.at(0.5) for peaks in golden.peaks))
    found = fewer.find_difference(model, RUNTIMES[REFERENCE].open(model, 1))
    assert "unlike the reference" in found


def test_golden_tiles_are_written_and_read(model: Model, tmp_path: Path) -> None:
    copied = read_model(Path(shutil.copytree(model.folder, tmp_path / "copy")))
    golden = read_golden(model)
    (copied.folder / GOLDEN_NAME).unlink()
    with pytest.raises(ModelError, match=r"golden\.npz"):
        read_golden(copied)
    write_golden(copied, RUNTIMES[REFERENCE].open(copied, 1), list(golden.images))
    again = read_golden(copied)
    np.testing.assert_array_equal(again.images, golden.images)
    assert [len(peaks) for peaks in again.peaks] == [len(peaks) for peaks in golden.peaks]
    with pytest.raises(ModelError, match="another network"):
        read_golden(dataclasses.replace(copied, onnx_sha256="0" * 64))


class Kept(Altered):
    """The reference, kept waiting as by other programs that use the same core."""

    def infer(self, image: np.ndarray) -> np.ndarray:
        time.sleep(0.6)
        return super().infer(image)


def test_other_programs_do_not_make_a_runtime_of_one_thread_look_slow(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Kept(model)
    waiting = dataclasses.replace(RUNTIMES[REFERENCE], open=lambda *_: engine)
    monkeypatch.setitem(RUNTIMES, REFERENCE, waiting)
    assert 0 < _judge(REFERENCE, model.folder, 1).ms < 600
    assert _judge(REFERENCE, model.folder, 2).ms > 600


@pytest.mark.parametrize("name", INSTALLED)
def test_a_runtime_is_tried_once_on_a_machine(
    name: str, model: Model, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = try_runtime(RUNTIMES[name], model, 1)
    assert first.usable, first.finding
    assert first.ms > 0
    (kept,) = cache.rglob("*.json")
    monkeypatch.setattr("livecount.inference.trial._ask_child", lambda *_: Trial("asked again"))
    assert try_runtime(RUNTIMES[name], model, 1) == first
    assert try_runtime(RUNTIMES[name], model, 2).finding == "asked again"
    assert try_runtime(RUNTIMES[name], model, 1, again=True).finding == "asked again"
    kept.write_text("{ damaged")
    assert try_runtime(RUNTIMES[name], model, 1).finding == "asked again"


@pytest.mark.skipif("openvino" not in INSTALLED, reason="needs openvino")
@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV"),
        ("import os; os._exit(3)", "status 3"),
        ("raise ImportError('libtbb.so.12: cannot open shared object file')", "libtbb"),
        ("print('hello')", "openvino"),
        ("import os; os.close(1)", "ended with status"),
    ],
)
def test_a_broken_installation_harms_nobody(
    code: str, said: str, model: Model, openvino_is: Callable[[str], None], cache: Path
) -> None:
    openvino_is(code)
    trial = try_runtime(RUNTIMES["openvino"], model, 1)
    assert said in trial.finding
    assert "\n" not in trial.finding
    assert not list(cache.rglob("*.json")), "what fails is tried again at the next start"
    with pytest.raises(EngineError, match="pip install") as error:
        open_engine(model, runtime="openvino")
    assert said in str(error.value)
    engine = open_engine(model)
    assert engine.runtime.startswith("ONNX Runtime")
    assert said in engine.why


@pytest.mark.skipif("openvino" not in INSTALLED, reason="needs openvino")
def test_one_that_hangs_is_given_up(
    model: Model, openvino_is: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    openvino_is("import time; time.sleep(60)")
    monkeypatch.setattr("livecount.inference.trial._PATIENCE_S", 1.0)
    assert "did not answer" in try_runtime(RUNTIMES["openvino"], model, 1).finding


def test_one_that_is_not_installed_is_said_with_the_command(model: Model) -> None:
    absent = dataclasses.replace(RUNTIMES["openvino"], module="no_such_module")
    trial = try_runtime(absent, model, 1)
    assert "not installed" in trial.finding
    assert "livecount[openvino]" in trial.finding


def test_the_fastest_that_works_is_chosen() -> None:
    names = list(RUNTIMES)
    fast = {name: Trial("", 10.0 + number) for number, name in enumerate(names)}
    assert choose_among(fast).runtime.name == names[0]
    broken = fast | {names[0]: Trial("it is broken")}
    choice = choose_among(broken)
    assert choice.runtime.name == names[1]
    assert "it is broken" in choice.why
    assert choose_among({name: Trial("broken") for name in names}).runtime.name == REFERENCE


def test_what_is_chosen_is_told(model: Model, cache: Path) -> None:
    trials = try_all(model, 1)
    choice = choose_runtime(model, threads=1)
    assert trials[choice.runtime.name].usable
    assert open_engine(model).why == choice.why
    usable = [name for name, trial in trials.items() if trial.usable]
    assert len(list(cache.rglob("*.json"))) == len(usable) >= len(INSTALLED)


@pytest.mark.parametrize("name", OTHERS)
def test_a_runtime_gives_the_maps_of_the_reference_at_any_size(name: str, model: Model) -> None:
    engine, reference = (RUNTIMES[one].open(model, 1) for one in (name, REFERENCE))
    rng = np.random.default_rng(1)
    for height, width in ((16, 16), (64, 160), (320, 48), (16, 16), (96, 96), (112, 80)):
        image = rng.normal(size=(height, width)).astype(np.float32)
        maps = engine.infer(image)
        assert maps.shape == (len(model.heads), height, width)
        np.testing.assert_allclose(maps, reference.infer(image), atol=2e-4)


class Failing:
    """An engine that fails from its third image on, as one does whose GPU was taken away."""

    runtime, precision, max_side_px, memory_share = "Failing 1.0 GPU", "fp16", None, 0.1

    def __init__(self, model: Model, how: str = "device is gone") -> None:
        self._engine, self._left, self._how = RUNTIMES[REFERENCE].open(model, 1), 2, how
        self.sizes_px: list[int] = []

    def infer(self, image: np.ndarray) -> np.ndarray:
        self.sizes_px.append(image.size)
        self._left -= 1
        maps = self._engine.infer(image)
        if self._left >= 0:
            return maps
        if self._how == "no numbers":
            maps[0, 3, 3] = np.nan
            return maps
        if self._how == "NoneType":
            return None.infer(image)  # type: ignore[attr-defined]
        raise EngineError(f"Failing 1.0 GPU failed: the {self._how}", hint="Restart")


def failing(model: Model, how: str = "device is gone") -> ChosenEngine:
    """Choose an engine that fails."""

    def opened(model: Model, threads: int) -> Engine:
        return Failing(model, how)

    return ChosenEngine(Choice(Runtime("failing", "numpy", "numpy", "", opened), ""), model, 1)


@pytest.mark.parametrize("how", ["device is gone", "no numbers", "NoneType"])
def test_an_engine_that_fails_at_work_is_replaced_and_no_frame_is_lost(
    how: str, model: Model, tmp_path: Path
) -> None:
    engine = failing(model, how)
    image = np.random.default_rng(1).normal(size=(64, 64)).astype(np.float32)
    maps = [engine.infer(image) for _ in range(2)]
    assert (engine.runtime, engine.trouble) == ("Failing 1.0 GPU", "")
    with pytest.raises(EngineReplacedError, match=how):
        engine.infer(image)
    maps += [engine.infer(image) for _ in range(2)]
    assert all(np.array_equal(one, maps[0]) for one in maps)
    assert engine.runtime.startswith("ONNX Runtime")
    assert how in engine.trouble == engine.reservation
    told: list[str] = []
    with CountStore.open(tmp_path / "run.db") as store:
        for state in (
            EngineState("Failing"), EngineState("ONNX Runtime", engine.trouble),
            EngineState("ONNX Runtime", engine.trouble),
        ):  # fmt: skip
            say_what_counts(state, store, told.append)
        assert [notice.text for notice in store.notices()] == [engine.trouble] == told
        say_what_counts(EngineState("Failing"), store, told.append)
        assert store.notices() == []
        assert "back" in told[-1]


def test_where_the_reference_fails_too_the_error_is_told(model: Model) -> None:
    engine = failing(model)
    odd = np.zeros((17, 17), np.float32)
    for _ in range(2):
        with pytest.raises(EngineError):
            engine.infer(odd)
    with pytest.raises(EngineError, match="ONNX Runtime"):
        engine.infer(odd)
    assert engine.trouble == ""


def test_a_frame_whose_engine_fails_half_way_is_done_again_in_the_references_tiles(
    model: Model,
) -> None:
    images = np.hstack(list(read_golden(model).images))
    pixels = (1000 + 100 * images).clip(0, 65535).astype(np.uint16)
    frame = Frame(FrameKey("/plate", b"a.tif", 0, "00"), FrameAttributes(), pixels)
    rule = CountingRule(h=model.h, cell_diameter_px=model.cell_diameter_px)
    engine = failing(model)
    failed = engine._engine
    reference = open_engine(model, runtime=REFERENCE)
    assert TileLimits.of(model, engine, 60).max_px > 5 * TileLimits.of(model, reference, 60).max_px
    engine._engine._left = 0
    counted = FrameCounter(model, engine, rule, memory_limit_mb=60).count(frame)
    expected = FrameCounter(model, reference, rule, memory_limit_mb=60).count(frame)
    assert len(failed.sizes_px) == 1
    assert counted.count == expected.count > 0
    np.testing.assert_array_equal(counted.candidates.y_px, expected.candidates.y_px)
    assert counted.provenance == expected.provenance
    assert "device is gone" in engine.trouble


def test_what_does_not_open_though_its_trial_went_well_is_passed_over(
    model: Model, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def opened(model: Model, threads: int) -> Engine:
        raise EngineError("the GPU is taken by another program", hint="Wait")

    taken = Runtime("taken", "numpy", "numpy", "", opened)
    known = {REFERENCE: RUNTIMES[REFERENCE], "taken": taken}
    forgotten: list[str] = []
    monkeypatch.setattr("livecount.inference.choice.RUNTIMES", known)
    monkeypatch.setattr("livecount.inference.choice.RUNTIME_NAMES", ("auto", *known))
    monkeypatch.setattr(
        "livecount.inference.choice.try_runtime",
        lambda runtime, *_, **__: Trial("", 100.0 if runtime.name == REFERENCE else 1.0),
    )
    monkeypatch.setattr(
        "livecount.inference.choice.forget_trial",
        lambda runtime, *_: forgotten.append(runtime.name),
    )
    engine = open_engine(model)
    assert engine.runtime.startswith("ONNX Runtime")
    assert "taken not used: the GPU is taken" in engine.why
    with pytest.raises(EngineError, match="taken by another"):
        open_engine(model, runtime="taken")
    assert forgotten == ["taken", "taken"]


def test_a_trial_that_is_forgotten_or_of_a_graphics_card_is_asked_again(
    model: Model, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def ask(runtime: Runtime, *_: object) -> Trial:
        asked.append(runtime.name)
        return Trial("", 1.0)

    monkeypatch.setattr("livecount.inference.trial._ask_child", ask)
    runtime = RUNTIMES[REFERENCE]
    for _ in range(2):
        try_runtime(runtime, model, 1)
    forget_trial(runtime, model, 1)
    try_runtime(runtime, model, 1)
    assert len(asked) == 2
    forget_trial(runtime, model, 1)
    for _ in range(2):
        try_runtime(dataclasses.replace(runtime, is_remembered=False), model, 1)
    assert len(asked) == 4
    assert not list(cache.rglob("*.json"))
    on_cards = {"onnxruntime-cuda", "onnxruntime-directml", "tensorrt", "tensorrt-rtx"}
    assert on_cards == {name for name, one in RUNTIMES.items() if not one.is_remembered}


def test_the_command_lists_what_was_tried(cache: Path) -> None:
    from tests.endtoend.program import environment, livecount

    given = environment() | {"XDG_CACHE_HOME": str(cache)}
    found = json.loads(livecount("engine", "list", "--json", env=given).stdout)
    assert set(found["runtimes"]) == set(RUNTIMES)
    assert found["runtimes"][found["chosen"]]["finding"] == ""
    shown = livecount("engine", "list", env=given).stdout
    assert f"* {found['chosen']} " in shown
    assert list((cache / "livecount" / "trials").iterdir())


def test_the_command_times_what_works_here_on_a_frame_of_ones_own(cache: Path) -> None:
    from tests.endtoend.program import environment, livecount

    given = environment() | {"XDG_CACHE_HOME": str(cache)}
    asked = ["engine", "bench", "--frame", "300x400", "--cell-diameter-px", "40", "--repeats", "1"]
    found = json.loads(livecount(*asked, "--json", env=given).stdout)
    assert set(found["ms"]) == set(INSTALLED)
    assert all(ms > 0 for ms in found["ms"].values())
    shown = livecount(*asked, env=given).stdout
    assert shown.count("ms a frame") == len(INSTALLED)
    wrong = livecount("engine", "bench", "--frame", "300", env=given, check=False)
    assert wrong.returncode == 2
    assert "HEIGHTxWIDTH" in wrong.stderr


ASKED = """
import sys
asked = []
sys.addaudithook(lambda event, _: asked.append(event) if event.startswith("socket.") else None)
import numpy as np
from livecount.inference import find_model
from livecount.inference.runtimes import RUNTIMES
engine = RUNTIMES[sys.argv[1]].open(find_model("deepdistance"), 1)
engine.infer(np.zeros((64, 64), np.float32))
sys.exit(f"asked the network: {asked}" if asked else 0)
"""


@pytest.mark.parametrize("name", INSTALLED)
def test_no_runtime_asks_the_network_or_leaves_files_behind(name: str, tmp_path: Path) -> None:
    home = os.environ | {"HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    asking = [sys.executable, "-c", ASKED, name]
    done = subprocess.run(asking, env=home, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.iterdir() if path.name != ".cache"] == []
