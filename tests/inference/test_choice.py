"""Which runtime counts: tried for real, in child processes, the broken ones included."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from livecount.errors import EngineError, ModelError
from livecount.inference import Engine, Model, find_model, open_engine, read_model
from livecount.inference.choice import Choice, ChosenEngine, choose_among, choose_runtime, try_all
from livecount.inference.golden import GOLDEN_NAME, read_golden, write_golden
from livecount.inference.runtimes import REFERENCE, RUNTIMES, Runtime
from livecount.inference.trial import Trial, try_runtime
from livecount.monitor.engine_state import say_what_counts
from livecount.monitor.messages import EngineState
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
    """An engine that ends at its third frame, as one does whose GPU was taken away."""

    runtime, precision, max_side_px, memory_share = "Failing 1.0 GPU", "fp16", None, 1.0

    def __init__(self, model: Model) -> None:
        self._engine, self._left = RUNTIMES[REFERENCE].open(model, 1), 2

    def infer(self, image: np.ndarray) -> np.ndarray:
        self._left -= 1
        if self._left < 0:
            raise EngineError("Failing 1.0 GPU failed: the device is gone", hint="Restart")
        return self._engine.infer(image)


def test_an_engine_that_fails_at_work_is_replaced_and_no_frame_is_lost(
    model: Model, tmp_path: Path
) -> None:
    def opened(model: Model, threads: int) -> Engine:
        return Failing(model)

    engine = ChosenEngine(Choice(Runtime("failing", "numpy", "numpy", "", opened), ""), model, 1)
    image = np.random.default_rng(1).normal(size=(64, 64)).astype(np.float32)
    maps = [engine.infer(image) for _ in range(2)]
    assert (engine.runtime, engine.trouble) == ("Failing 1.0 GPU", "")
    maps += [engine.infer(image) for _ in range(2)]
    assert all(np.array_equal(one, maps[0]) for one in maps)
    assert engine.runtime.startswith("ONNX Runtime")
    assert "device is gone" in engine.trouble
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
    def opened(model: Model, threads: int) -> Engine:
        return Failing(model)

    engine = ChosenEngine(Choice(Runtime("failing", "numpy", "numpy", "", opened), ""), model, 1)
    odd = np.zeros((17, 17), np.float32)
    for _ in range(2):
        with pytest.raises(EngineError):
            engine.infer(odd)
    with pytest.raises(EngineError, match="ONNX Runtime"):
        engine.infer(odd)
    assert engine.trouble == ""


def test_the_command_lists_what_was_tried(cache: Path) -> None:
    from tests.endtoend.program import environment, livecount

    given = environment() | {"XDG_CACHE_HOME": str(cache)}
    found = json.loads(livecount("engine", "list", "--json", env=given).stdout)
    assert set(found["runtimes"]) == set(RUNTIMES)
    assert found["runtimes"][found["chosen"]]["finding"] == ""
    shown = livecount("engine", "list", env=given).stdout
    assert f"* {found['chosen']} " in shown
    assert list((cache / "livecount" / "trials").iterdir())


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
