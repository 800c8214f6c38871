"""Training runs of a tiny network: from images to a model that ONNX Runtime draws with."""

from __future__ import annotations

import hashlib
import json
import shutil
import tomllib
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra livecount[train]")

import onnx
import onnxruntime
import torch
from safetensors.torch import load_file

from livecount.errors import ConfigError, MissingExtraError, TrainingError
from livecount.training import TrainingProgress, export_model, train
from livecount.training.export import folded
from livecount.training.network import DeepDistanceNet
from livecount.training.recipe import read_recipe


class KilledError(Exception):
    """Stands for a kill of the process: nothing after the report is run."""


def kill_at(step: int, progress: TrainingProgress) -> None:
    if progress.step >= step:
        raise KilledError


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "weights.safetensors")


@pytest.fixture
def finished(undisturbed: Path, tmp_path: Path) -> Path:
    """A finished run to do with as a test likes."""
    return Path(shutil.copytree(undisturbed, tmp_path / "finished"))


@pytest.fixture(scope="session")
def exported(undisturbed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model of that run."""
    folder = tmp_path_factory.mktemp("exported") / "model"
    export_model(undisturbed, folder)
    return folder


@pytest.mark.parametrize("killed_at", [4, 8])
def test_a_killed_run_goes_on_to_the_same_weights(
    tmp_path: Path, tiny_recipe: Path, tiny_data: Path, undisturbed: Path, killed_at: int
) -> None:
    folder = tmp_path / "killed"
    with pytest.raises(KilledError):
        train(
            tiny_recipe,
            folder,
            data_root=tiny_data,
            on_progress=lambda progress: kill_at(killed_at, progress),
        )
    assert not (folder / "weights.safetensors").exists()
    train(tiny_recipe, folder, data_root=tiny_data, resume=True)
    expected, found = weights_of(undisturbed), weights_of(folder)
    assert expected.keys() == found.keys()
    for name, values in expected.items():
        assert torch.equal(values, found[name]), name
    assert _result(folder)["h"] == _result(undisturbed)["h"]


def _result(folder: Path) -> dict[str, object]:
    result: dict[str, object] = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    return result


def test_training_reports_its_progress(tmp_path: Path, tiny_recipe: Path, tiny_data: Path) -> None:
    reports: list[TrainingProgress] = []
    train(tiny_recipe, tmp_path / "run", data_root=tiny_data, on_progress=reports.append)
    assert [report.step for report in reports] == [4, 8, 8]
    assert reports[-1].remaining_s == 0
    assert set(reports[-1].losses) == {"inner", "outer"}
    assert {"loss", "f_score", "h"} <= set(reports[-1].validation)
    history = reports[-1].history
    assert [row["step"] for row in history] == [4, 8]
    for row in history:
        assert {"seconds", "loss", "f_score", "h"} <= set(row)
        assert row["train_loss"] == pytest.approx(row["train_inner"] + row["train_outer"])


def test_history_holds_what_was_before_a_kill(
    tmp_path: Path, tiny_recipe: Path, tiny_data: Path
) -> None:
    folder, reports = tmp_path / "run", []
    with pytest.raises(KilledError):
        train(
            tiny_recipe,
            folder,
            data_root=tiny_data,
            on_progress=lambda progress: kill_at(8, progress),
        )
    train(tiny_recipe, folder, data_root=tiny_data, resume=True, on_progress=reports.append)
    assert [row["step"] for row in reports[-1].history] == [4, 8]


def test_a_run_without_validation_images_has_a_history(
    tmp_path: Path, tiny_recipe: Path, tiny_data: Path
) -> None:
    text = tiny_recipe.read_text(encoding="utf-8")
    held_out = text.index("[[validation]]")
    tiny_recipe.write_text(text[:held_out] + text[text.index("[augmentation]") :], encoding="utf-8")
    reports: list[TrainingProgress] = []
    train(tiny_recipe, tmp_path / "run", data_root=tiny_data, on_progress=reports.append)
    assert [row["step"] for row in reports[-1].history] == [4, 8]
    assert all("loss" not in row and row["train_loss"] > 0 for row in reports[-1].history)
    # What it scores on the frames that it learnt from says nothing of other ones.
    assert "validation" not in _result(tmp_path / "run")
    card = export_model(tmp_path / "run", tmp_path / "model")
    assert "validation" not in tomllib.loads(card.read_text(encoding="utf-8"))


def test_training_lowers_the_loss(tmp_path: Path, tiny_recipe: Path, tiny_data: Path) -> None:
    text = tiny_recipe.read_text(encoding="utf-8")
    text = text.replace("steps = 8", "steps = 60").replace("widths = [2, 3, 4]", "widths = [6, 8]")
    tiny_recipe.write_text(text.replace("validate_every = 4", "validate_every = 20"))
    reports: list[TrainingProgress] = []
    train(tiny_recipe, tmp_path / "run", data_root=tiny_data, on_progress=reports.append)
    losses = [report.validation["loss"] for report in reports if report.validation]
    assert losses[-1] < 0.7 * losses[0]


def test_a_run_is_not_overwritten_by_accident(
    tiny_recipe: Path, tiny_data: Path, finished: Path
) -> None:
    with pytest.raises(TrainingError, match="already holds"):
        train(tiny_recipe, finished, data_root=tiny_data)
    text = tiny_recipe.read_text(encoding="utf-8")
    tiny_recipe.write_text(text.replace("seed", "# seed") + "seed = 9\n", encoding="utf-8")
    recipe = (finished / "recipe.toml").read_bytes()
    with pytest.raises(TrainingError, match="another recipe"):
        train(tiny_recipe, finished, data_root=tiny_data, resume=True)
    assert (finished / "recipe.toml").read_bytes() == recipe


def test_a_damaged_checkpoint_is_said(tiny_recipe: Path, tiny_data: Path, finished: Path) -> None:
    path = finished / "checkpoint.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(TrainingError, match=r"checkpoint\.safetensors"):
        train(tiny_recipe, finished, data_root=tiny_data, resume=True)


def test_the_data_root_may_come_from_the_environment(
    tmp_path: Path, tiny_recipe: Path, tiny_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIVECOUNT_DATA", str(tiny_data))
    assert train(tiny_recipe, tmp_path / "run").is_file()


def test_absent_images_are_said_with_their_folder(tmp_path: Path, tiny_recipe: Path) -> None:
    with pytest.raises(TrainingError, match="discs"):
        train(tiny_recipe, tmp_path / "run", data_root=tmp_path)
    with pytest.raises(ConfigError, match=r"absent\.toml"):
        train(tmp_path / "absent.toml", tmp_path / "run")


def test_missing_torch_names_the_command(
    tmp_path: Path, tiny_recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("livecount.training._NEEDED", ("a_package_that_is_not_there",))
    with pytest.raises(MissingExtraError, match=r"pip install 'livecount\[train\]'"):
        train(tiny_recipe, tmp_path / "run")


def test_the_card_says_what_the_model_is(exported: Path) -> None:
    card = tomllib.loads((exported / "model.toml").read_text(encoding="utf-8"))
    onnx_bytes = (exported / "model.onnx").read_bytes()
    assert card["onnx_sha256"] == hashlib.sha256(onnx_bytes).hexdigest()
    assert card["heads"] == ["inner", "outer"]
    assert card["multiple_px"] == 4
    assert card["normalisation"] == {"kind": "local", "sigma_px": 16.0, "floor": 1.0}
    assert [entry["frames"] for entry in card["training_data"]] == [2, 2]


def test_the_exported_model_draws_what_torch_draws(exported: Path) -> None:
    recipe = read_recipe(exported / "recipe.toml")
    network = DeepDistanceNet(recipe.network, recipe.heads).eval()
    network.load_state_dict(
        {name: value.float() for name, value in load_file(exported / "weights.safetensors").items()}
    )
    onnx_bytes = (exported / "model.onnx").read_bytes()
    session = onnxruntime.InferenceSession(onnx_bytes, providers=["CPUExecutionProvider"])
    for shape in ((4, 4), (64, 36), (52, 100)):
        image = np.random.default_rng(0).standard_normal((1, 1, *shape)).astype(np.float32)
        drawn = session.run(["maps"], {"image": image})[0]
        with torch.inference_mode():
            expected = network(torch.from_numpy(image)).numpy()
        assert drawn.shape == (1, 2, *shape)
        # Folding before and after rounding to float16 differs by a rounding error.
        np.testing.assert_allclose(drawn, expected, atol=5e-3)


def test_an_exported_model_tells_nothing_of_the_machine(exported: Path) -> None:
    onnx_bytes = (exported / "model.onnx").read_bytes()
    for secret in (str(Path.home()), str(exported.parent), "site-packages", "stack_trace", ".py"):
        assert secret.encode() not in onnx_bytes
    kinds = {node.op_type for node in onnx.load_from_string(onnx_bytes).graph.node}
    assert "BatchNormalization" not in kinds


def test_exporting_twice_gives_the_same_file(
    tmp_path: Path, undisturbed: Path, exported: Path
) -> None:
    export_model(undisturbed, tmp_path / "again")
    again = (tmp_path / "again" / "model.onnx").read_bytes()
    assert again == (exported / "model.onnx").read_bytes()


def test_folding_changes_no_map(undisturbed: Path) -> None:
    recipe = read_recipe(undisturbed / "recipe.toml")
    network = DeepDistanceNet(recipe.network, recipe.heads)
    network.load_state_dict(weights_of(undisturbed))
    network.eval()
    image = torch.randn(1, 1, 32, 40)
    with torch.inference_mode():
        torch.testing.assert_close(folded(network)(image), network(image), atol=1e-5, rtol=1e-4)


def test_an_unfinished_run_is_not_exported(tmp_path: Path, finished: Path) -> None:
    (finished / "result.json").unlink()
    with pytest.raises(TrainingError, match="not finished"):
        export_model(finished, tmp_path / "model")


def test_weights_of_another_network_are_refused(tmp_path: Path, finished: Path) -> None:
    recipe = finished / "recipe.toml"
    text = recipe.read_text(encoding="utf-8")
    recipe.write_text(text.replace("widths = [2, 3, 4]", "widths = [2, 4, 4]"), encoding="utf-8")
    with pytest.raises(TrainingError, match="another network"):
        export_model(finished, tmp_path / "model")


def test_training_as_the_paper_did_ends_early_with_the_best_weights(
    tmp_path: Path, tiny_recipe: Path, tiny_data: Path
) -> None:
    text = tiny_recipe.read_text(encoding="utf-8")
    changes = {
        'norm = "batch"': 'norm = "none"',
        "learning_rate = 0.01": 'kind = "adadelta"\nlearning_rate = 1e-9\nschedule = "constant"',
        "averaging = 0.9": "averaging = 0.0",
        "validate_every = 4": 'validate_every = 1\npatience = 2\nkeep = "loss"',
        "steps = 8": "steps = 50",
    }
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    tiny_recipe.write_text(text, encoding="utf-8")
    folder = tmp_path / "run"
    train(tiny_recipe, folder, data_root=tiny_data)
    state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
    losses = [row["loss"] for row in state["history"]]
    assert len(losses) < 50
    assert state["best_step"] == losses.index(min(losses)) + 1
    result = _result(folder)
    validation = result["validation"]
    assert isinstance(validation, dict)
    assert validation["loss"] == pytest.approx(min(losses))
