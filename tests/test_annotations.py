"""Annotated folders: what is found, and one clear error for each way of being wrong."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile

from livecount.annotations import find_datasets, load_image, read_centres, read_masks
from livecount.errors import AnnotationError

CARD = 'name = "dish"\ncell_diameter_px = 20\nmatch_radius_px = 10\n'


def annotated(
    folder: Path,
    name: str = "one",
    *,
    centres: str | bytes = "y_px,x_px\n1,2\n3.5,4\n",
    shape: tuple[int, int] = (8, 10),
    masks: Any = None,
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(folder / f"{name}.tif", np.zeros(shape, dtype=np.uint8))
    path = folder / f"{name}.centres.csv"
    path.write_bytes(centres.encode() if isinstance(centres, str) else centres)
    if masks is not None:
        (folder / f"{name}.cells.png").write_bytes(imagecodecs.png_encode(masks))
    return path


def with_card(folder: Path, text: str = CARD) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dataset.toml").write_text(text, encoding="utf-8")
    return folder


def the_image(folder: Path) -> Any:
    (dataset,), _ = find_datasets([folder])
    (image,) = dataset.images
    return image


def test_splits_below_one_card_are_one_data_set(tmp_path: Path) -> None:
    card = 'name = "dish"\ncell_diameter_px = 20\nmatch_radius_px = 9.5\nedge_margin_px = 30\n'
    with_card(tmp_path, card + "pixel_size_um = 0.87\n")
    annotated(tmp_path / "train", "b.first")
    annotated(tmp_path / "train", "a")
    annotated(tmp_path / "test", "c", masks=np.ones((8, 10), dtype=np.uint16))
    (dataset,), skipped = find_datasets([tmp_path])
    assert (dataset.name, dataset.cell_diameter_px, dataset.match_radius_px) == ("dish", 20, 9.5)
    assert (dataset.edge_margin_px, dataset.pixel_size_um) == (30, 0.87)
    assert [image.path.name for image in dataset.images] == ["c.tif", "a.tif", "b.first.tif"]
    assert [image.masks_path is None for image in dataset.images] == [False, True, True]
    assert skipped == []


def test_what_a_card_leaves_out_is_not_invented(tmp_path: Path) -> None:
    annotated(with_card(tmp_path))
    (dataset,), _ = find_datasets([tmp_path])
    assert (dataset.edge_margin_px, dataset.pixel_size_um) == (0, None)


def test_the_nearest_card_wins_and_may_lie_above_the_given_folder(tmp_path: Path) -> None:
    with_card(tmp_path, CARD.replace("dish", "outer"))
    annotated(tmp_path / "plain" / "deep")
    annotated(with_card(tmp_path / "own", CARD.replace("dish", "inner")))
    datasets, _ = find_datasets([tmp_path / "plain", tmp_path / "own"])
    assert [dataset.name for dataset in datasets] == ["inner", "outer"]


def test_overlapping_roots_count_an_image_once(tmp_path: Path) -> None:
    annotated(with_card(tmp_path) / "test")
    (dataset,), _ = find_datasets([tmp_path, tmp_path / "test", tmp_path])
    assert len(dataset.images) == 1


def test_frames_without_annotations_are_skipped_and_said(tmp_path: Path) -> None:
    with_card(tmp_path)
    annotated(tmp_path / "test")
    tifffile.imwrite(tmp_path / "test" / "two.tif", np.zeros((4, 4), dtype=np.uint8))
    (tmp_path / "raw" / "deep").mkdir(parents=True)
    (tmp_path / "raw" / "deep" / "a.JPG").write_bytes(b"")
    (tmp_path / "raw" / "deep" / "b.czi").write_bytes(b"")
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "counts.csv").write_text("frame,n\n", encoding="utf-8")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "c.tif").write_bytes(b"")
    _, skipped = find_datasets([tmp_path])
    assert skipped == [tmp_path / "raw" / "deep", tmp_path / "test" / "two.tif"]


def test_image_centres_and_masks_are_read(tmp_path: Path) -> None:
    masks = np.zeros((8, 10), dtype=np.uint16)
    masks[2, 3] = 40_000
    annotated(with_card(tmp_path), masks=masks)
    loaded = load_image(the_image(tmp_path), tifffile.imread)
    assert loaded.pixels.shape == (8, 10)
    assert loaded.centres_yx.tolist() == [[1, 2], [3.5, 4]]
    assert loaded.masks is not None
    np.testing.assert_array_equal(loaded.masks, masks)


def test_eight_bit_masks_are_read_too(tmp_path: Path) -> None:
    path = tmp_path / "m.cells.png"
    path.write_bytes(imagecodecs.png_encode(np.full((3, 4), 7, dtype=np.uint8)))
    masks = read_masks(path)
    assert masks.dtype == np.uint16
    assert masks.tolist() == [[7] * 4] * 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("y_px,x_px\n", []),
        ("y_px,x_px", []),
        ("\ufeffy_px,x_px\r\n1,2\r\n\r\n3,4\r\n", [[1, 2], [3, 4]]),
        ('"","x_px","note","y_px"\n"1","2.5","round, bright","1e1"\n', [[10, 2.5]]),
        ("y_px,x_px\n 1 , 2 \n,\n3,4,\n", [[1, 2], [3, 4]]),
    ],
    ids=["header only", "no newline", "Excel", "R, other columns", "blanks"],
)
def test_centre_files_as_programs_write_them(
    tmp_path: Path, text: str, expected: list[list[float]]
) -> None:
    path = annotated(tmp_path, centres=text)
    assert read_centres(path).shape == (len(expected), 2)
    assert read_centres(path).tolist() == expected


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "line 1: no column y_px and x_px"),
        ("y_px,x\n1,2\n", "line 1: no column x_px among the columns (y_px, x)"),
        ("y_px;x_px\n1;2\n", "no column y_px and x_px among the columns (y_px;x_px)"),
        ("y_px,x_px\n1,2\n\n1,two\n", "line 4: x_px is 'two', not a number"),
        ("y_px,x_px\n1,nan\n", "line 2: x_px is 'nan', not a number"),
        ("y_px,x_px\n-inf,1\n", "line 2: y_px is '-inf', not a number"),
        ("y_px,x_px\n1\n", "line 2: x_px is missing"),
        ("y_px,x_px\n1,5,2,5\n", "line 2: 4 values, but 2 columns"),
        (b"y_px,x_px\n1,\xff\n", "not UTF-8"),
        ("y_px,x_px\n" + "1" * 200_000, "line 2: field larger than field limit"),
    ],
)
def test_bad_centre_files_name_file_and_line(
    tmp_path: Path, content: str | bytes, said: str
) -> None:
    path = annotated(tmp_path, centres=content)
    with pytest.raises(AnnotationError) as caught:
        read_centres(path)
    assert str(path) in caught.value.message
    assert said in caught.value.message
    assert caught.value.hint
    assert "\n" not in str(caught.value)


def test_files_that_are_not_there_are_named(tmp_path: Path) -> None:
    for read in (read_centres, read_masks):
        with pytest.raises(AnnotationError, match=r"gone\.png cannot be read"):
            read(tmp_path / "gone.png")
    with pytest.raises(AnnotationError, match="no folder"):
        find_datasets([tmp_path / "gone"])
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(AnnotationError, match="is not a folder"):
        find_datasets([tmp_path / "file"])


@pytest.mark.skipif(os.name == "nt" or os.getuid() == 0, reason="root may read everything")
def test_an_unreadable_folder_is_not_passed_over(tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    annotated(with_card(locked))
    locked.chmod(0)
    try:
        with pytest.raises(AnnotationError, match="locked cannot be read"):
            find_datasets([tmp_path])
    finally:
        locked.chmod(0o700)


@pytest.mark.parametrize("centre", ["-0.6,2", "7.6,2", "2,9.6", "2,1e9"])
def test_a_centre_outside_the_image_is_named_with_its_line(tmp_path: Path, centre: str) -> None:
    annotated(with_card(tmp_path), centres=f"y_px,x_px\n-0.5,9.5\n\n{centre}\n")
    with pytest.raises(AnnotationError, match=r"one\.centres\.csv, line 4: .* 8 x 10 pixels"):
        load_image(the_image(tmp_path), tifffile.imread)


def test_masks_of_another_size_are_refused(tmp_path: Path) -> None:
    annotated(with_card(tmp_path), masks=np.zeros((8, 11), dtype=np.uint16))
    with pytest.raises(AnnotationError, match=r"cells\.png is 8 x 11 pixels .* one\.tif is 8 x 10"):
        load_image(the_image(tmp_path), tifffile.imread)


def test_masks_must_be_a_grey_png(tmp_path: Path) -> None:
    path = tmp_path / "m.cells.png"
    path.write_bytes(imagecodecs.png_encode(np.zeros((3, 4, 3), dtype=np.uint8)))
    with pytest.raises(AnnotationError, match="colour"):
        read_masks(path)
    for content in (b"", b"no image", imagecodecs.png_encode(np.zeros((99, 99), np.uint8))[:60]):
        path.write_bytes(content)
        with pytest.raises(AnnotationError, match=r"m\.cells\.png is no PNG image"):
            read_masks(path)


@pytest.mark.parametrize(
    ("card", "said"),
    [
        ("", "name is missing"),
        (CARD.replace('"dish"', "3"), "name is 3, not a text"),
        (CARD.replace("20", '"20"'), "cell_diameter_px is '20', not a positive number"),
        (CARD.replace("20", "0"), "cell_diameter_px is 0"),
        (CARD.replace("match_radius_px = 10", ""), "match_radius_px is missing"),
        (CARD.replace("10", "nan"), "match_radius_px is nan"),
        (CARD.replace("10", "true"), "match_radius_px is True"),
        (CARD + "edge_margin_px = -1", "edge_margin_px is -1"),
        (CARD + "pixel_size_um = 0", "pixel_size_um is 0"),
        (CARD + "oops\n", "line 4"),
    ],
)
def test_a_bad_card_names_the_key(tmp_path: Path, card: str, said: str) -> None:
    annotated(with_card(tmp_path, card))
    with pytest.raises(AnnotationError) as caught:
        find_datasets([tmp_path])
    assert str(tmp_path / "dataset.toml") in caught.value.message
    assert said in caught.value.message
    assert caught.value.hint


def test_annotations_without_a_card_are_refused(tmp_path: Path) -> None:
    annotated(tmp_path / "test")
    with pytest.raises(AnnotationError, match=r"no dataset\.toml") as caught:
        find_datasets([tmp_path])
    assert "cell_diameter_px" in caught.value.hint


@pytest.mark.parametrize("suffix", [".TIF", ".Tiff"])
def test_an_image_may_spell_its_suffix_as_microscopes_do(tmp_path: Path, suffix: str) -> None:
    image = annotated(with_card(tmp_path)).with_name("one.tif")
    image.rename(image.with_suffix(suffix))
    assert the_image(tmp_path).path.name == f"one{suffix}"


def test_centres_without_an_image_are_refused(tmp_path: Path) -> None:
    annotated(with_card(tmp_path)).with_name("one.tif").unlink()
    with pytest.raises(AnnotationError, match=r"one\.centres\.csv has no image one\.tif"):
        find_datasets([tmp_path])


def test_two_data_sets_of_one_name_are_refused(tmp_path: Path) -> None:
    annotated(with_card(tmp_path / "a"))
    annotated(with_card(tmp_path / "b"))
    with pytest.raises(AnnotationError, match="both have the name 'dish'"):
        find_datasets([tmp_path])


def test_real_images_are_all_found_and_consistent(real_images: Path) -> None:
    datasets, skipped = find_datasets([real_images])
    with_centres = list(real_images.rglob("*.centres.csv"))
    assert sum(len(dataset.images) for dataset in datasets) == len(with_centres) > 0
    assert skipped
    for dataset in datasets:
        loaded = load_image(dataset.images[0], tifffile.imread)
        assert len(loaded.centres_yx)
