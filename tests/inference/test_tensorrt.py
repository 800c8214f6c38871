"""TensorRT: plans built for real, without a GPU; what a machine without one is told."""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from livecount.errors import EngineError
from livecount.inference import Model, find_model, open_engine, read_model
from livecount.inference.cuda import Device, find_device
from livecount.inference.runtimes import RUNTIMES
from livecount.inference.tensorrt_plan import (
    MAPS,
    Sizes,
    build_plan,
    import_tensorrt,
    keep_plan,
    plan_path,
)
from livecount.inference.trial import try_runtime

CARD = Device("NVIDIA GeForce RTX 4070", (8, 9))
SIZES = Sizes(smallest=16, optimal=256, largest=512)


@pytest.fixture(scope="module")
def model() -> Model:
    return find_model("deepdistance")


@pytest.fixture(scope="module")
def tensorrt() -> ModuleType:
    return pytest.importorskip("tensorrt_rtx", reason="needs the extra livecount[tensorrt-rtx]")


@pytest.fixture
def without_gpu() -> None:
    try:
        find_device()
    except EngineError:
        return
    pytest.skip("there is an NVIDIA GPU here")


def test_a_plan_is_built_step_by_step(model: Model, tensorrt: ModuleType) -> None:
    phases: list[str] = []

    def on_step(phase: str) -> bool:
        phases.append(phase)
        return True

    plan = build_plan(model, tensorrt, SIZES, on_step=on_step)
    # Weights in half precision, and little else: in single precision they alone take 11 MB.
    assert 2 * model.card["parameters"] < len(plan) < 3 * model.card["parameters"]
    assert MAPS.encode() in plan
    assert len(phases) > 20
    assert len(set(phases)) > 3


def test_building_can_be_ended(model: Model, tensorrt: ModuleType) -> None:
    steps = 0

    def on_step(_: str) -> bool:
        nonlocal steps
        steps += 1
        return steps < 5

    with pytest.raises(EngineError, match="was ended"):
        build_plan(model, tensorrt, SIZES, on_step=on_step)
    assert steps == 5


@pytest.mark.parametrize(
    ("content", "said"), [(b"no network at all", "cannot read"), (b"", "cannot")]
)
def test_what_is_no_network_is_one_clear_line(
    content: bytes, said: str, model: Model, tensorrt: ModuleType, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(model.folder, tmp_path / "model"))
    (folder / "model.onnx").write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    broken = dataclasses.replace(read_model(folder), onnx_sha256=sha256)
    with pytest.raises(EngineError, match=said) as error:
        build_plan(broken, tensorrt, SIZES)
    assert "\n" not in error.value.message


def test_a_plan_is_kept_under_all_that_it_holds_for(
    model: Model, tensorrt: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = plan_path(model, tensorrt, CARD, SIZES)
    others = [
        plan_path(dataclasses.replace(model, onnx_sha256="0" * 64), tensorrt, CARD, SIZES),
        plan_path(model, tensorrt, Device(CARD.name, (8, 6)), SIZES),
        plan_path(model, tensorrt, Device("NVIDIA RTX A4000", CARD.capability), SIZES),
        plan_path(model, tensorrt, CARD, dataclasses.replace(SIZES, largest=1024)),
    ]
    monkeypatch.setattr(tensorrt, "__version__", "0.0.1")
    others.append(plan_path(model, tensorrt, CARD, SIZES))
    assert len({path, *others}) == len(others) + 1
    monkeypatch.undo()
    assert plan_path(model, tensorrt, CARD, SIZES) == path


def test_a_plan_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "plans" / "one.plan"
    keep_plan(b"plan", path)
    keep_plan(b"another", path)
    assert path.read_bytes() == b"another"
    assert list(path.parent.iterdir()) == [path]
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(EngineError, match="cannot be kept in") as error:
        keep_plan(b"plan", tmp_path / "file" / "one.plan")
    assert "Free space" in error.value.hint


@pytest.mark.usefixtures("without_gpu")
def test_without_a_gpu_the_runtime_says_so_and_the_cpu_counts(
    model: Model, tensorrt: ModuleType
) -> None:
    trial = try_runtime(RUNTIMES["tensorrt-rtx"], model, 1)
    assert "NVIDIA" in trial.finding
    assert "crashed" not in trial.finding
    with pytest.raises(EngineError, match="NVIDIA"):
        open_engine(model, runtime="tensorrt-rtx")
    engine = open_engine(model)
    assert engine.runtime.endswith("CPU")
    assert "NVIDIA" in engine.why


@pytest.mark.usefixtures("without_gpu")
def test_the_command_says_what_is_missing() -> None:
    command = [sys.executable, "-m", "livecount", "engine", "build", "tensorrt-rtx"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "NVIDIA" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_is_not_installed_is_named_with_its_command() -> None:
    with pytest.raises(EngineError, match=r"livecount\[no-such-tensorrt\]"):
        import_tensorrt("no_such_tensorrt")
