"""Cross-validation: every frame is held out once, and what is held out teaches nothing."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch", reason="needs the extra livecount[train]")

from livecount.errors import ConfigError, TrainingError
from livecount.training import TrainingProgress, cross_validate
from livecount.training.folds import FOLDS_NAME, CrossValidation
from livecount.training.images import _taken, count_frames, load_frames
from livecount.training.recipe import ImagesRecipe, read_recipe


@given(frames=st.integers(2, 40), blocks=st.integers(2, 8))
def test_blocks_are_contiguous_and_hold_every_frame_once(frames: int, blocks: int) -> None:
    listed, entry = list(range(frames)), ImagesRecipe("set")
    if frames < blocks:
        with pytest.raises(TrainingError, match="too few"):
            _taken(listed, dataclasses.replace(entry, only=(1, blocks)))
        return
    held_out = []
    for block in range(1, blocks + 1):
        only = _taken(listed, dataclasses.replace(entry, only=(block, blocks)))
        rest = _taken(listed, dataclasses.replace(entry, leave_out=(block, blocks)))
        assert only == list(range(only[0], only[-1] + 1))
        assert sorted(only + rest) == listed
        held_out += only
    assert held_out == listed


def test_frames_are_left_out_by_name(tiny_data: Path) -> None:
    entry = ImagesRecipe("discs")
    names = [
        [frame.name for frame in load_frames(dataclasses.replace(entry, **change), tiny_data)]
        for change in ({}, {"leave_out": (1, 2)}, {"only": (1, 2)})
    ]
    assert names == [["frame0", "frame1"], ["frame1"], ["frame0"]]
    assert count_frames(entry, tiny_data) == 2


@pytest.fixture(scope="module")
def validated(
    tmp_path_factory: pytest.TempPathFactory, tiny_data: Path, tiny_recipe_text: str
) -> tuple[Path, CrossValidation]:
    folder = tmp_path_factory.mktemp("folds")
    recipe = folder / "tiny.toml"
    recipe.write_text(tiny_recipe_text, encoding="utf-8")
    return folder, cross_validate(recipe, folder / "run", 2, data_root=tiny_data)


def test_each_fold_is_a_run_that_says_what_it_left_out(
    validated: tuple[Path, CrossValidation], tiny_data: Path
) -> None:
    folder, found = validated
    original = read_recipe(folder / "tiny.toml")
    for fold in (1, 2):
        kept = read_recipe(folder / "run" / f"fold-{fold}" / "recipe.toml")
        assert {entry.leave_out for entry in kept.images} == {(fold, 2)}
        assert {entry.only for entry in kept.held_out} == {(fold, 2)}
        assert kept.validation == original.validation
        whole = dataclasses.replace(kept, images=original.images, held_out=())
        assert whole == original
    document = json.loads((folder / "run" / FOLDS_NAME).read_text(encoding="utf-8"))
    assert [row["f_score_assignment"] for row in document["folds"]] == [
        fold.f_score_assignment for fold in found.folds
    ]
    means = [fold.mean for fold in found.folds]
    assert found.mean == pytest.approx(sum(means) / 2, abs=0.01)
    assert found.spread == pytest.approx(abs(means[0] - means[1]) / 2**0.5, abs=0.01)


def test_finished_folds_are_not_trained_again(
    validated: tuple[Path, CrossValidation], tiny_data: Path
) -> None:
    folder, found = validated
    reports: list[tuple[int, TrainingProgress]] = []
    (folder / "run" / "fold-2" / "result.json").unlink()
    again = cross_validate(
        folder / "tiny.toml",
        folder / "run",
        2,
        data_root=tiny_data,
        resume=True,
        on_progress=lambda fold, progress: reports.append((fold, progress)),
    )
    assert again == found
    assert {fold for fold, _ in reports} <= {2}


def test_impossible_folds_are_refused(tmp_path: Path, tiny_recipe: Path, tiny_data: Path) -> None:
    with pytest.raises(TrainingError, match="at most 2 folds"):
        cross_validate(tiny_recipe, tmp_path / "run", 3, data_root=tiny_data)
    with pytest.raises(TrainingError, match="hold nothing out"):
        cross_validate(tiny_recipe, tmp_path / "run", 1, data_root=tiny_data)
    text = tiny_recipe.read_text(encoding="utf-8")
    started = text.replace("[run]", '[run]\nstart_from = "weights.safetensors"')
    tiny_recipe.write_text(started, encoding="utf-8")
    with pytest.raises(TrainingError, match="may have learnt from the frames"):
        cross_validate(tiny_recipe, tmp_path / "run", 2, data_root=tiny_data)
    for change, said in (("[3, 2]", "leave_out"), ("[0, 2]", "leave_out"), ("[1, 1]", "leave_out")):
        entry = f'split = "train"\nleave_out = {change}'
        tiny_recipe.write_text(text.replace('split = "train"', entry), encoding="utf-8")
        with pytest.raises(ConfigError, match=said):
            read_recipe(tiny_recipe)
