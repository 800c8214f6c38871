"""Model files that somebody handed over: nothing outside them is read, nothing foreign is run."""

from __future__ import annotations

import hashlib
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from livecount.errors import EngineError, LivecountError, ModelError, TrainingError
from livecount.inference import find_model, open_engine, read_model

onnx = pytest.importorskip("onnx", reason="model files are made with onnx: install .[train]")


def hand_over(tmp_path: Path, network: bytes) -> Path:
    """Put a network under a card that vouches for it, as a careless user would."""
    shipped = find_model("deepdistance")
    folder = tmp_path / "handed-over"
    folder.mkdir()
    (folder / "model.onnx").write_bytes(network)
    card = (shipped.folder / "model.toml").read_text(encoding="utf-8")
    digest = hashlib.sha256(network).hexdigest()
    (folder / "model.toml").write_text(card.replace(shipped.onnx_sha256, digest), encoding="utf-8")
    return folder


def refused(folder: Path) -> str:
    with pytest.raises((EngineError, ModelError)) as caught:
        open_engine(read_model(folder))
    assert caught.value.hint
    return str(caught.value)


@pytest.mark.parametrize("location", ["weights.bin", "../secret.bin", "/etc/hostname"])
def test_weights_outside_the_file_are_refused(
    location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = onnx.load_from_string(find_model("deepdistance").checked_onnx())
    tensor = max(network.graph.initializer, key=lambda one: len(one.raw_data))
    content = tensor.raw_data
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    folder = hand_over(tmp_path, network.SerializeToString())
    for beside in (folder / "weights.bin", tmp_path / "secret.bin"):
        beside.write_bytes(content)
    monkeypatch.chdir(folder)
    assert "weights in other files" in refused(folder)


def test_operators_that_are_not_onnx_s_own_are_refused(tmp_path: Path) -> None:
    network = onnx.load_from_string(find_model("deepdistance").checked_onnx())
    network.graph.node[0].domain = "somebody.elses"
    network.opset_import.add(domain="somebody.elses", version=1)
    assert "cannot load" in refused(hand_over(tmp_path, network.SerializeToString()))


@pytest.mark.parametrize("content", [b"", b"\x08\x07", b"\0" * 1000, b"PK\x03\x04not a network"])
def test_what_is_no_network_is_refused(content: bytes, tmp_path: Path) -> None:
    assert "cannot load" in refused(hand_over(tmp_path, content))


def test_a_network_with_other_inputs_is_one_clear_line(tmp_path: Path) -> None:
    from onnx import TensorProto, helper

    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])],
        "other",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2])],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    made.ir_version = 8
    folder = hand_over(tmp_path, made.SerializeToString())
    with pytest.raises(LivecountError) as caught:
        open_engine(read_model(folder)).infer(np.zeros((32, 32), np.float32))
    assert "\n" not in caught.value.message


class Trap:
    """Runs something when it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str, ...]]:
        return exec, ("open('sprung', 'w').close()",)


def test_weights_are_never_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch", reason="training needs the extra [train]")
    from torch import nn

    from livecount.training.checkpoint import load_weights

    monkeypatch.chdir(tmp_path)
    path = tmp_path / "weights.safetensors"
    path.write_bytes(pickle.dumps(Trap()))
    with pytest.raises(TrainingError):
        load_weights(nn.Conv2d(1, 1, 1), path)
    shutil.copy(path, tmp_path / "weights.pt")
    with pytest.raises(TrainingError):
        load_weights(nn.Conv2d(1, 1, 1), tmp_path / "weights.pt")
    assert not (tmp_path / "sprung").exists()
