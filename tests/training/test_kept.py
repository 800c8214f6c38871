"""What a run and its model are kept by: nothing is overwritten, half written or mixed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs the extra livecount[train]")

from safetensors import safe_open
from safetensors.torch import load_file, save_file

from livecount.cli.finetune import finetune
from livecount.errors import AnnotationError, TrainingError
from livecount.inference import Model, read_model
from livecount.training import (
    FineTuning,
    begun_steps,
    cross_validate,
    export_model,
    refuse_model_of_others,
    refuse_parents_folder,
    train,
    write_finetuning_recipe,
)
from livecount.training.images import hash_images
from livecount.training.recipe import read_recipe
from livecount.training.writing import write_whole


@pytest.fixture(scope="module")
def parent(undisturbed: Path, tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A tiny model that was trained and exported; no test changes it."""
    folder = tmp_path_factory.mktemp("parent") / "model"
    return read_model(export_model(undisturbed, folder).parent)


@pytest.fixture
def images(tmp_path: Path, tiny_data: Path) -> Path:
    """The tiny data set, to do with as a test likes."""
    return Path(shutil.copytree(tiny_data, tmp_path / "images"))


@pytest.fixture
def finished(undisturbed: Path, tmp_path: Path) -> Path:
    """A finished run to do with as a test likes."""
    return Path(shutil.copytree(undisturbed, tmp_path / "finished"))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.*")}


def moved_click(folder: Path) -> None:
    path = folder / "discs" / "clicks" / "frame0.centres.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([*lines[:-1], "40.0,50.0", ""]), encoding="utf-8")


@pytest.mark.whole
def test_a_begun_fine_tuning_is_not_touched_by_another_one(
    parent: Model, images: Path, tmp_path: Path
) -> None:
    out, frames = tmp_path / "run", images / "discs" / "clicks"

    def start(*, steps: int | None, seed: int = 1, resume: bool = False) -> None:
        finetune(
            frames, out, str(parent.folder), "mine", 17.0, steps, 0.001, seed, resume, as_json=True
        )

    start(steps=2)
    before = contents(out)
    with pytest.raises(TrainingError, match="already holds"):
        start(steps=3)
    with pytest.raises(TrainingError, match="another recipe"):
        start(steps=3, resume=True)
    with pytest.raises(TrainingError, match="another recipe"):
        start(steps=None, seed=2, resume=True)
    assert contents(out) == before
    start(steps=None, resume=True)
    assert begun_steps(out) == 2
    assert contents(out)["recipe.toml"] == before["recipe.toml"]


@pytest.mark.whole
def test_steps_are_those_of_the_run_and_not_of_a_recipe_that_no_run_took(
    parent: Model, tmp_path: Path
) -> None:
    write_finetuning_recipe(parent, FineTuning(tmp_path, "mine"), tmp_path / "run")
    assert begun_steps(tmp_path / "run") is None


@pytest.mark.whole
def test_measuring_the_pace_leaves_nothing_in_the_run_folder(
    parent: Model, images: Path, tmp_path: Path
) -> None:
    from livecount.cli.finetune import _steps_within

    wanted = FineTuning(images / "discs" / "clicks", "mine", cell_diameter_px=17)
    before = sorted(tmp_path.rglob("*"))
    assert _steps_within(0.01, parent, wanted) >= 1
    assert sorted(tmp_path.rglob("*")) == before


def test_a_new_model_never_takes_the_place_of_the_old_one(
    parent: Model, tiny_recipe: Path, tiny_data: Path
) -> None:
    from livecount.cli.train import learn

    folder = parent.folder.parent
    before = contents(folder)
    with pytest.raises(TrainingError, match="never changed"):
        refuse_parents_folder(parent, folder)
    with pytest.raises(TrainingError, match="no training run"):
        refuse_model_of_others(folder)
    with pytest.raises(TrainingError, match="no training run"):
        learn(tiny_recipe, folder, images=tiny_data, resume=False)
    assert contents(folder) == before


def test_an_export_that_fails_leaves_the_earlier_model_and_no_other(finished: Path) -> None:
    target = finished / "model"
    export_model(finished, target)
    (target / "notes.txt").write_text("mine", encoding="utf-8")
    before = contents(target)
    export_model(finished, target)
    assert contents(target).keys() == before.keys()
    weights = load_file(finished / "weights.safetensors")
    for name in weights:
        if name.endswith("head.weight"):
            weights[name] *= 2e4  # rounding errors then exceed what torch and ONNX may differ by
    save_file(weights, finished / "weights.safetensors")
    before = contents(target)
    with pytest.raises(TrainingError, match="maps differ"):
        export_model(finished, target)
    assert contents(target) == before
    assert not list(finished.glob("*.part"))


def test_a_file_in_the_way_is_one_clear_line(
    tmp_path: Path, tiny_recipe: Path, tiny_data: Path, finished: Path
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("mine", encoding="utf-8")
    for out in (blocked, blocked / "below"):
        with pytest.raises(TrainingError, match="cannot be written") as failed:
            train(tiny_recipe, out, data_root=tiny_data)
        assert "another folder" in failed.value.hint
        with pytest.raises(TrainingError, match="cannot be written"):
            cross_validate(tiny_recipe, out, 2, data_root=tiny_data)
        with pytest.raises(TrainingError, match="cannot be written"):
            export_model(finished, out)
    assert blocked.read_text(encoding="utf-8") == "mine"
    assert sorted(path.name for path in tmp_path.glob("*.part")) == []


needs_a_full_device = pytest.mark.skipif(
    not Path("/dev/full").exists(), reason="needs a device without space"
)


@needs_a_full_device
def test_a_full_disk_leaves_a_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text("before", encoding="utf-8")
    (tmp_path / "recipe.toml.part").symlink_to("/dev/full")
    with pytest.raises(TrainingError, match=r"recipe\.toml cannot be written") as failed:
        write_whole(path, "after")
    assert "--resume" in failed.value.hint
    assert contents(tmp_path) == {"recipe.toml": b"before"}


@needs_a_full_device
def test_a_run_that_filled_the_disk_goes_on(
    tmp_path: Path, tiny_recipe: Path, tiny_data: Path
) -> None:
    out = tmp_path / "run"
    out.mkdir()
    (out / "checkpoint.safetensors.part").symlink_to("/dev/full")
    with pytest.raises(TrainingError, match="No space left"):
        train(tiny_recipe, out, data_root=tiny_data)
    assert not list(out.glob("*.part"))
    train(tiny_recipe, out, data_root=tiny_data, resume=True)
    assert (out / "weights.safetensors").is_file()


def test_a_run_does_not_go_on_with_other_clicks(
    tiny_recipe: Path, images: Path, finished: Path
) -> None:
    train(tiny_recipe, finished, data_root=images, resume=True)
    moved_click(images)
    before = contents(finished)
    with pytest.raises(TrainingError, match="have changed since"):
        train(tiny_recipe, finished, data_root=images, resume=True)
    assert contents(finished) == before


def test_a_checkpoint_that_says_nothing_of_its_images_goes_on(
    tiny_recipe: Path, tiny_data: Path, finished: Path
) -> None:
    path = finished / "checkpoint.safetensors"
    with safe_open(path, framework="pt") as opened:
        state = json.loads(opened.metadata()["state"])
    assert state.pop("images_hash")
    save_file(load_file(path), path, {"state": json.dumps(state)})
    assert train(tiny_recipe, finished, data_root=tiny_data, resume=True).is_file()


def test_images_have_one_hash_wherever_they_lie(
    tiny_recipe: Path, tiny_data: Path, images: Path
) -> None:
    entries = read_recipe(tiny_recipe).images

    def hashed() -> str:
        return hash_images(entries, images)

    original = hash_images(entries, tiny_data)
    assert hashed() == original
    moved_click(images)
    clicked = hashed()
    (images / "discs" / "train" / "frame1.cells.png").unlink()
    (images / "discs" / "train" / "frame1.centres.csv").unlink()
    fewer = hashed()
    card = images / "discs" / "dataset.toml"
    card.write_text(card.read_text(encoding="utf-8").replace("17", "18"), encoding="utf-8")
    assert len({original, clicked, fewer, hashed()}) == 4


def test_finished_folds_of_other_frames_are_not_taken(
    tmp_path: Path, tiny_recipe: Path, images: Path
) -> None:
    tiny_recipe.write_text(
        tiny_recipe.read_text(encoding="utf-8").replace("steps = 8", "steps = 1"), encoding="utf-8"
    )
    cross_validate(tiny_recipe, tmp_path / "run", 2, data_root=images)
    moved_click(images)
    with pytest.raises(TrainingError, match="have changed since"):
        cross_validate(tiny_recipe, tmp_path / "run", 2, data_root=images, resume=True)


def test_held_out_images_are_looked_at_before_the_first_step(
    tmp_path: Path, tiny_recipe: Path, images: Path
) -> None:
    unseen = Path(shutil.copytree(images / "discs" / "val", images / "discs" / "unseen"))
    (unseen / "frame0.centres.csv").write_text("y_px,x_px\n500,3\n", encoding="utf-8")
    text = tiny_recipe.read_text(encoding="utf-8")
    entry = '[[held_out]]\nroot = "discs"\nsplit = "unseen"\n\n[augmentation]'
    tiny_recipe.write_text(text.replace("[augmentation]", entry), encoding="utf-8")
    reports: list[object] = []
    with pytest.raises(AnnotationError, match="lies outside"):
        train(tiny_recipe, tmp_path / "run", data_root=images, on_progress=reports.append)
    assert not reports


def test_a_parents_held_out_images_are_not_asked_for(parent: Model, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(parent.folder, tmp_path / "model"))
    path = folder / "recipe.toml"
    text = path.read_text(encoding="utf-8")
    entry = '[[held_out]]\nroot = "nowhere"\n\n[augmentation]'
    path.write_text(text.replace("[augmentation]", entry), encoding="utf-8")
    wanted = FineTuning(tmp_path, "mine", cell_diameter_px=17)
    recipe = read_recipe(write_finetuning_recipe(read_model(folder), wanted, tmp_path / "run"))
    assert not recipe.held_out
