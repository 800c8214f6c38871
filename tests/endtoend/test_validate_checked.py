"""Frames that people checked become fields to validate with and frames to learn from."""

from __future__ import annotations

import getpass
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from livecount.annotations import find_datasets, read_centres
from livecount.storage import CountStore, Exclusion, StoredFrame
from tests.endtoend.program import livecount, rows_of, run_until_idle
from tests.endtoend.test_validate import OPTIONS
from tests.storage.made_frames import ADA
from tests.web.conftest import served
from tests.web.frame_run import Run, floats

WAYS = ("as counted", "corrected", "file gone", "file changed", "excluded", "corrected after")


@dataclass(frozen=True)
class Checked:
    """A run whose frames people checked: the frame of each way, and what the API said of it."""

    folder: Path
    database: Path
    frames: dict[str, StoredFrame]
    corrected: dict[str, Any]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Checked:
    work = tmp_path_factory.mktemp("checked")
    folder, database = work / "frames", work / "run.db"
    livecount(
        "simulate", "-o", folder, "--time-points", 9, "--size-px", 224, "--founders", 9,
        "--frame-interval-min", 200, "--wells", "A1",
    )  # fmt: skip
    run_until_idle(folder, database, OPTIONS)
    corrected = {}
    with CountStore.open(database, read_only=True) as store:
        ids = store.counts(store.analysis(store.experiments()[0])).frame_id.tolist()
        frames = [store.frame(frame_id) for frame_id in sorted(ids)]
    ways = dict(zip((*WAYS, "as counted 2", "as counted 3"), frames, strict=False))
    with served("serve", "--database", database) as server:
        run = Run(folder, database, server)
        correct(run, ways["corrected"].id)
        for way, frame in ways.items():
            check(run, frame.id)
            corrected[way] = run.get(f"frames/{frame.id}/corrections")
        send(run, f"frames/{ways['corrected after'].id}/corrections", {"kind": "add", "to_y": 9,
                                                                       "to_x": 9})  # fmt: skip
    with CountStore.open(database) as store:
        excluded = Exclusion("a bubble", ADA, frame_id=ways["excluded"].id)
        store.add_exclusion(store.experiments()[0], excluded)
    (folder / ways["file gone"].key.display_path).unlink()
    changed = folder / ways["file changed"].key.display_path
    tifffile.imwrite(changed, tifffile.imread(changed)[::-1])
    return Checked(folder, database, ways, corrected)


def send(run: Run, path: str, body: dict[str, Any]) -> None:
    answer, content = run.ask(path, "POST", body)
    assert answer.status == 201, content


def correct(run: Run, frame_id: int) -> None:
    """Remove the first cell, move the second one, and add two."""
    cells = run.get(f"frames/{frame_id}/cells")
    is_cell = floats(cells["prominence"]) >= np.float32(cells["h"])
    (y, x), (y2, x2) = zip(*(floats(cells[axis])[is_cell][:2].tolist() for axis in "yx"))  # noqa: B905
    path = f"frames/{frame_id}/corrections"
    send(run, path, {"kind": "remove", "from_y": y, "from_x": x})
    send(run, path, {"kind": "move", "from_y": y2, "from_x": x2, "to_y": 100.125, "to_x": 7.5})
    send(run, path, {"kind": "add", "to_y": 0.25, "to_x": 222.5})
    send(run, path, {"kind": "add", "to_y": 12, "to_x": 34})


def check(run: Run, frame_id: int) -> None:
    kept = run.get(f"frames/{frame_id}/corrections")["corrections"]
    body = {
        "analysis_id": run.get(f"frames/{frame_id}")["analysis_id"],
        "corrections": len(kept),
        "last_correction": max((one["id"] for one in kept), default=0),
    }
    send(run, f"frames/{frame_id}/checks", body)


@pytest.fixture
def folder(made: Checked, tmp_path: Path) -> Path:
    livecount("validate", "checked", "-o", tmp_path / "out", "--database", made.database)
    return tmp_path / "out"


def test_checked_frames_are_copied_with_their_cells_and_others_are_named(
    made: Checked, tmp_path: Path
) -> None:
    done = livecount("validate", "checked", "-o", tmp_path / "out", "--database", made.database,
                     "--json")  # fmt: skip
    told = json.loads(done.stdout)
    taken = ["as counted", "corrected", "as counted 2", "as counted 3"]
    sheet = rows_of(tmp_path / "out" / "fields.csv")
    paths = {way: frame.key.display_path for way, frame in made.frames.items()}
    assert [row["source"] for row in sheet] == [paths[way] for way in taken]
    assert all(row["checked_by"] and row["checked_at"] for row in sheet)
    for row, way in zip(sheet, taken, strict=True):
        copy = tmp_path / "out" / row["file"]
        assert np.array_equal(tifffile.imread(copy), tifffile.imread(made.folder / row["source"]))
        said = made.corrected[way]
        n = said["count"] if said["corrected_count"] is None else said["corrected_count"]
        centres = read_centres(copy.with_suffix(".centres.csv"))
        assert len(centres) == told["cells"][row["file"]] == n
    corrected = read_centres(tmp_path / "out" / "field-002.centres.csv").tolist()
    assert corrected[-2:] == [[0.25, 222.5], [12, 34]]
    assert [100.125, 7.5] in corrected
    assert sorted(told["left_out"]) == sorted(
        paths[way] for way in ("file gone", "file changed", "excluded")
    )
    assert "a bubble" in told["left_out"][paths["excluded"]]
    assert "has changed since it was counted" in told["left_out"][paths["file changed"]]
    assert (made.folder / paths["as counted"]).exists()


def test_the_counts_say_who_checked_which_frame(made: Checked, tmp_path: Path) -> None:
    livecount("export", "counts", "-o", tmp_path / "counts.csv", "--database", made.database)
    rows = rows_of(tmp_path / "counts.csv")
    checked = {row["source"] for row in rows if row["checked_by"] == getpass.getuser()}
    paths = {way: frame.key.display_path for way, frame in made.frames.items()}
    assert checked == {path for way, path in paths.items() if way != "corrected after"}
    assert {row["checked_by"] for row in rows if row["source"] not in checked} == {""}


def test_the_folder_is_scored_as_any_other_data_set(folder: Path) -> None:
    done = livecount("evaluate", folder, "--json")
    (scored,) = json.loads(done.stdout)["datasets"].values()
    assert scored["images"] == 4
    assert scored["f_score_assignment"] > 80


def test_score_keeps_a_validation_and_says_that_it_was_not_blind(
    made: Checked, folder: Path, tmp_path: Path
) -> None:
    database = tmp_path / "run.db"
    shutil.copyfile(made.database, database)
    done = livecount("validate", "score", folder, "--database", database, "--json")
    found = json.loads(done.stdout)
    assert (found["n_fields"], found["n_not_blind"], found["not_done"]) == (4, 4, [])
    assert not any(field["is_blind"] for field in found["fields"])
    n = made.corrected["corrected"]["count"]
    pairs = [(one["counted"], one["annotated"], one["true_positives"]) for one in found["fields"]]
    assert pairs[1][:2] == (n, n + 1)
    assert pairs[1][2] < n
    assert all(counted == annotated == paired for counted, annotated, paired in pairs[2:])
    assert "4 of 4 fields were not clicked blind" in found["sentence"]
    shown = " ".join(livecount("status", "--database", database).stdout.split())
    assert "4 fields, 4 of them not blind" in shown
    with CountStore.open(database, read_only=True) as store:
        (kept,) = store.validations(store.analysis(store.experiments()[0]))
    assert (kept.n_fields, kept.n_not_blind) == (4, 4)
    livecount("verify", database)


def test_training_and_scoring_read_the_folder_as_it_is(folder: Path) -> None:
    pytest.importorskip("torch")
    from livecount.training.images import load_frames
    from livecount.training.recipe import ImagesRecipe

    (dataset,), skipped = find_datasets([folder])
    assert (len(dataset.images), skipped) == (4, [])
    assert (dataset.cell_diameter_px, dataset.match_radius_px) == (33, 16.5)
    recipe = ImagesRecipe(root=".", split=".", annotation="centres")
    frames = load_frames(recipe, folder)
    rows = rows_of(folder / "fields.csv")
    assert [len(frame.centres) for frame in frames] == [
        len(read_centres((folder / row["file"]).with_suffix(".centres.csv"))) for row in rows
    ]


def test_what_stands_in_the_way_is_said(made: Checked, folder: Path, tmp_path: Path) -> None:
    def fails(output: Path, database: Path = made.database) -> str:
        before = sorted(output.rglob("*"))
        done = livecount("validate", "checked", "-o", output, "--database", database, check=False)
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        assert sorted(output.rglob("*")) == before
        return done.stderr

    assert "not an empty folder" in fails(folder)
    assert "lies in the watched folder" in fails(made.folder / "mine")
    database = tmp_path / "run.db"
    shutil.copyfile(made.database, database)
    with CountStore.open(database) as store:
        analysis = store.analysis(store.experiments()[0])
        for one in store.checked_frames(analysis):
            if one.frame_id != made.frames["file gone"].id:
                store.withdraw_check(analysis, one.frame_id, one.id, one.said)
    assert "None of the 1 checked frames can be copied" in fails(tmp_path / "none", database)
    with CountStore.open(database) as store:
        (last,) = store.checked_frames(analysis)
        store.withdraw_check(analysis, last.frame_id, last.id, last.said)
    said = fails(tmp_path / "none", database)
    assert "No frame of analysis" in said
    assert "Every cell of this frame is right now" in said
