"""Fine-tuning: a model learns from clicked frames, keeps what it knew and is itself left alone."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra livecount[train]")

import torch
from safetensors.torch import load_file

from livecount.errors import AnnotationError, ConfigError, TrainingError
from livecount.inference import Model, open_engine, read_model
from livecount.readers import read_pixels
from livecount.readers.grey import content_hash
from livecount.training import (
    MOST_STEPS,
    FineTuning,
    begun_steps,
    export_model,
    measure_pace,
    train,
    write_finetuning_recipe,
)
from livecount.training.recipe import AdaptationRecipe, read_recipe
from tests.training.conftest import draw_frame

pytestmark = pytest.mark.whole


@pytest.fixture(scope="module")
def parent(undisturbed: Path, tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A tiny model that was trained and exported; no test changes it."""
    folder = tmp_path_factory.mktemp("parent") / "model"
    return read_model(export_model(undisturbed, folder).parent)


@pytest.fixture
def clicked(tmp_path: Path, tiny_data: Path) -> Path:
    """A user's folder: two frames with clicks, one of them with masks, and no dataset.toml."""
    folder = tmp_path / "clicked"
    shutil.copytree(tiny_data / "discs" / "clicks", folder)
    for path in (tiny_data / "discs" / "train").glob("frame0.*"):
        shutil.copy(path, folder / f"masked{path.name.removeprefix('frame0')}")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.*")}


def tuned(parent: Model, clicked: Path, out: Path, steps: int = 6) -> Model:
    wanted = FineTuning(clicked, "mine", cell_diameter_px=17, steps=steps)
    recipe = write_finetuning_recipe(parent, wanted, out)
    train(recipe, out)
    return read_model(export_model(out, out / "model").parent)


def test_a_new_model_counts_and_the_old_one_and_the_frames_stay_as_they_were(
    parent: Model, clicked: Path, tmp_path: Path
) -> None:
    before = contents(parent.folder), contents(clicked)
    model = tuned(parent, clicked, tmp_path / "run")
    assert (contents(parent.folder), contents(clicked)) == before
    assert model.name == "mine"
    assert model.h in read_recipe(tmp_path / "run" / "recipe.toml").run.h_choices
    assert 0 < model.card["training"]["share_of_the_way"] <= 1
    assert parent.onnx_sha256 in model.card["parent"]
    assert model.onnx_sha256 != parent.onnx_sha256
    (learnt,) = model.card["training_data"]
    assert learnt["name"] == "clicked"
    assert learnt["frames"] == 3
    assert set(learnt["content_hashes"]) == {
        content_hash(read_pixels(path)) for path in clicked.glob("*.tif")
    }
    assert len(parent.learnt_hashes) == 4
    assert model.learnt_hashes == parent.learnt_hashes | set(learnt["content_hashes"])
    image = np.zeros((32, 48), np.float32)
    assert open_engine(model, threads=1).infer(image).shape == (2, 32, 48)


@pytest.mark.parametrize(
    ("old", "choices"),
    [
        (0.04, (0.07, 0.08, 0.09, 0.1)),
        (0.08, (0.14, 0.16, 0.18, 0.2)),
        (0.16, (0.28, 0.3)),
        (0.2, (0.3,)),
        (0.3, (0.3,)),
        (0.5, (0.5,)),
    ],
)
def test_the_new_h_is_well_above_the_old_one_but_not_without_end(
    parent: Model, clicked: Path, tmp_path: Path, old: float, choices: tuple[float, ...]
) -> None:
    wanted = FineTuning(clicked, "mine", cell_diameter_px=17, steps=6)
    recipe = read_recipe(write_finetuning_recipe(replace(parent, h=old), wanted, tmp_path / "run"))
    assert recipe.run.h_choices == choices
    assert recipe.adaptation.start_h == choices[0]


def test_a_killed_fine_tuning_goes_on_to_the_same_weights(
    parent: Model, clicked: Path, tmp_path: Path
) -> None:
    undisturbed = tuned(parent, clicked, tmp_path / "whole").folder.parent
    wanted = FineTuning(clicked, "mine", cell_diameter_px=17, steps=6)
    recipe = write_finetuning_recipe(parent, wanted, tmp_path / "killed")
    text = recipe.read_text(encoding="utf-8")
    assert "checkpoint_every = 100" in text
    recipe.write_text(text.replace("checkpoint_every = 100", "checkpoint_every = 2"))

    class KilledError(Exception):
        pass

    def kill(_: object) -> None:
        raise KilledError

    with pytest.raises(KilledError):
        train(recipe, tmp_path / "killed", on_progress=kill)
    train(recipe, tmp_path / "killed", resume=True)
    one, other = (
        load_file(folder / "weights.safetensors") for folder in (undisturbed, tmp_path / "killed")
    )
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_interpolation_by_nothing_keeps_the_old_weights(
    parent: Model, clicked: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    wanted = FineTuning(clicked, "mine", cell_diameter_px=17, steps=3)
    recipe = write_finetuning_recipe(parent, wanted, out)
    text = recipe.read_text(encoding="utf-8")
    assert "interpolation = 1.0" in text
    recipe.write_text(text.replace("interpolation = 1.0", "interpolation = 0.0"))
    train(recipe, out)
    old = load_file(parent.folder / "weights.safetensors")
    new = load_file(out / "weights.safetensors")
    assert all(torch.equal(old[name].float(), new[name].float()) for name in old)


def test_clicks_of_complete_frames_are_no_sheet(
    parent: Model, clicked: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(parent.folder, tmp_path / "model")
    recipe = folder / "recipe.toml"
    text = recipe.read_text(encoding="utf-8")
    recipe.write_text(
        text.replace("[scale]\n", "[scale]\nsheet_reach_px = 9.0\n"), encoding="utf-8"
    )
    assert read_recipe(recipe).scale.sheet_reach_px == 9
    wanted = FineTuning(clicked, "mine", cell_diameter_px=17)
    written = write_finetuning_recipe(read_model(folder), wanted, tmp_path / "run")
    assert read_recipe(written).scale == read_recipe(parent.folder / "recipe.toml").scale


def test_frozen_norm_keeps_the_running_means(parent: Model, clicked: Path, tmp_path: Path) -> None:
    model = tuned(parent, clicked, tmp_path / "run")
    old = load_file(parent.folder / "weights.safetensors")
    new = load_file(model.folder / "weights.safetensors")
    assert any("running_mean" in name for name in old)
    for name, value in old.items():
        if "running" in name:
            assert torch.equal(value, new[name])
    assert any(not torch.equal(value, new[name]) for name, value in old.items())


def test_what_cannot_be_learnt_from_is_one_clear_line(
    parent: Model, clicked: Path, tmp_path: Path
) -> None:
    def start(folder: Path, diameter: float | None = 17.0) -> None:
        wanted = FineTuning(folder, "mine", cell_diameter_px=diameter, steps=2)
        train(write_finetuning_recipe(parent, wanted, tmp_path / "run"), tmp_path / "run")

    with pytest.raises(AnnotationError, match=r"no dataset\.toml"):
        start(clicked, None)
    with pytest.raises(TrainingError, match="does not exist"):
        start(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(TrainingError, match="No image"):
        start(tmp_path / "empty")
    (clicked / "frame0.centres.csv").write_text("y_px,x_px\n500,3\n")
    with pytest.raises(AnnotationError, match="lies outside"):
        start(clicked)


def test_frames_without_a_cell_teach_too(parent: Model, tmp_path: Path) -> None:
    import tifffile

    folder = tmp_path / "empty dish"
    folder.mkdir()
    tifffile.imwrite(folder / "a.tif", draw_frame(3)[0])
    (folder / "a.centres.csv").write_text("y_px,x_px\n")
    assert tuned(parent, folder, tmp_path / "run", steps=2).name == "mine"


def test_a_run_never_goes_into_the_models_own_folder(parent: Model, clicked: Path) -> None:
    wanted = FineTuning(clicked, "mine", cell_diameter_px=17)
    for out in (parent.folder, parent.folder / "below"):
        with pytest.raises(TrainingError, match="never changed"):
            write_finetuning_recipe(parent, wanted, out)


def test_a_model_without_its_weights_says_so(parent: Model, clicked: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(parent.folder, bare)
    (bare / "weights.safetensors").unlink()
    with pytest.raises(TrainingError, match="cannot be fine-tuned"):
        write_finetuning_recipe(read_model(bare), FineTuning(clicked, "mine"), tmp_path / "run")


@pytest.mark.parametrize(
    ("line", "named"),
    [("distillation = 1.5", "adaptation.distillation"), ("interpolation = 0.5", "adaptation")],
)
def test_an_impossible_adaptation_is_refused(
    tmp_path: Path, tiny_recipe_text: str, line: str, named: str
) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(f"{tiny_recipe_text}\n[adaptation]\n{line}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=named):
        read_recipe(path)
    assert AdaptationRecipe() == AdaptationRecipe(0.0, False, 1.0)


def test_the_command_writes_a_model_that_evaluates(
    parent: Model, clicked: Path, tmp_path: Path
) -> None:
    words = ["finetune", "--frames", clicked, "-o", tmp_path / "run", "--model", parent.folder]
    words += ["--cell-diameter-px", 17, "--steps", 2, "--name", "mine"]
    done = subprocess.run(
        [sys.executable, "-m", "livecount", *map(str, words)],
        check=True,
        capture_output=True,
        text=True,
    )
    assert "--model" in done.stderr
    card = tomllib.loads((tmp_path / "run" / "model" / "model.toml").read_text(encoding="utf-8"))
    assert card["name"] == "mine"


def test_the_command_takes_as_many_steps_as_the_time_allows_and_resumes_with_them(
    parent: Model, clicked: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"

    def run(*further: object) -> str:
        words = ["finetune", "--frames", clicked, "-o", out, "--model", parent.folder]
        words += ["--cell-diameter-px", 17, *further]
        done = subprocess.run(
            [sys.executable, "-m", "livecount", *map(str, words)],
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stderr

    assert "about" in run("--minutes", 0.002)
    steps = begun_steps(out)
    assert steps is not None
    assert 1 <= steps < MOST_STEPS
    before = (out / "weights.safetensors").read_bytes()
    assert "measuring" not in run("--resume")
    assert begun_steps(out) == steps
    assert (out / "weights.safetensors").read_bytes() == before


def test_measuring_the_pace_changes_nothing(parent: Model, clicked: Path, tmp_path: Path) -> None:
    recipe = write_finetuning_recipe(
        parent, FineTuning(clicked, "mine", cell_diameter_px=17), tmp_path / "run"
    )
    before = contents(tmp_path), contents(parent.folder)
    assert 0 < measure_pace(recipe) < 60
    assert (contents(tmp_path), contents(parent.folder)) == before
    assert begun_steps(tmp_path) is None
