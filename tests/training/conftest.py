"""A tiny annotated data set on disk and a recipe for it, so that training takes seconds."""

from __future__ import annotations

from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile

from livecount.training import train

RECIPE = """
name = "tiny"
version = "0.1"
licence = "BSD-3-Clause"

[network]
widths = [2, 3, 4]
dropout = 0.2
norm = "batch"

[[heads]]
name = "inner"
emphasis = 4.0

[[heads]]
name = "outer"

[scale]
cell_diameter_px = 16.0
click_radius_px = 8.0

[normalisation]
sigma_px = 16.0

[[images]]
root = "discs"
split = "train"
licence = "CC0"
source = "drawn by this test"

[[images]]
root = "discs"
split = "clicks"
annotation = "centres"
share = 0.5

[[validation]]
root = "discs"
split = "val"

[augmentation]
diameter_px = [13.0, 20.0]
view_px = 96
crops_per_view = 3

[optimiser]
learning_rate = 0.01
warm_up_steps = 3
averaging = 0.9

[run]
steps = 8
batch = 2
crop_px = 64
threads = 1
device = "cpu"
checkpoint_every = 2
validate_every = 4
"""


def draw_frame(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bright discs on a noisy ground: pixels, masks, centres."""
    rng = np.random.default_rng(seed)
    pixels = rng.normal(100, 4, (90, 110))
    masks = np.zeros(pixels.shape, np.uint16)
    y, x = np.mgrid[: pixels.shape[0], : pixels.shape[1]]
    for label, (row, column) in enumerate(np.ndindex(3, 4), start=1):
        centre = np.array([16 + 28 * row, 15 + 26 * column]) + rng.uniform(-4, 4, 2)
        inside = np.hypot(y - centre[0], x - centre[1]) < rng.uniform(7, 10)
        masks[inside] = label
        pixels[inside] += 60
    centres = np.array([np.argwhere(masks == label).mean(axis=0) for label in range(1, 13)])
    return np.clip(pixels, 0, 255).astype(np.uint8), masks, centres


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the data set ``discs`` with splits train, val (masks) and clicks (centres)."""
    root = tmp_path_factory.mktemp("images")
    folder = root / "discs"
    for number, (split, masked) in enumerate((("train", True), ("val", True), ("clicks", False))):
        (folder / split).mkdir(parents=True)
        for frame in range(2):
            pixels, masks, centres = draw_frame(10 * number + frame)
            stem = folder / split / f"frame{frame}"
            tifffile.imwrite(stem.with_suffix(".tif"), pixels)
            np.savetxt(
                f"{stem}.centres.csv", centres, delimiter=",", header="y_px,x_px", comments=""
            )
            if masked:
                Path(f"{stem}.cells.png").write_bytes(imagecodecs.png_encode(masks))
    card = 'name = "discs"\ncell_diameter_px = 17\nmatch_radius_px = 8\n'
    (folder / "dataset.toml").write_text(card, encoding="utf-8")
    return root


@pytest.fixture(scope="session")
def tiny_recipe_text() -> str:
    """A recipe that trains a network of width 2 for 8 steps."""
    return RECIPE


@pytest.fixture
def tiny_recipe(tmp_path: Path, tiny_recipe_text: str) -> Path:
    """That recipe as a file."""
    path = tmp_path / "tiny.toml"
    path.write_text(tiny_recipe_text, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def undisturbed(
    tmp_path_factory: pytest.TempPathFactory, tiny_data: Path, tiny_recipe_text: str
) -> Path:
    """A finished run that no test changes."""
    folder = tmp_path_factory.mktemp("undisturbed")
    recipe = folder / "tiny.toml"
    recipe.write_text(tiny_recipe_text, encoding="utf-8")
    train(recipe, folder / "run", data_root=tiny_data)
    return folder / "run"
