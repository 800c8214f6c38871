"""OME-Zarr as acquisition programs write it: planes by their chunks, places by its descriptions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from livecount.errors import ReadError, RefusedFrameError, UnreadableFrameError
from livecount.frame import AttributeSource
from livecount.readers import ReadLimits, ignore_reason, look, read_frames

zarr = pytest.importorskip("zarr")

AXES = [
    {"name": "t", "type": "time", "unit": "minute"},
    {"name": "c", "type": "channel"},
    {"name": "z", "type": "space", "unit": "micrometer"},
    {"name": "y", "type": "space", "unit": "micrometer"},
    {"name": "x", "type": "space", "unit": "nanometer"},
]
SHAPE = (3, 2, 2, 40, 56)


def write(folder: Path, **settings: Any) -> np.ndarray:
    """Write an array of planes and describe it as OME-Zarr 0.5."""
    settings = {"shape": SHAPE, "chunks": (1, 1, 1, 40, 56), "dtype": "uint16"} | settings
    rng = np.random.default_rng(7)
    top = 1 if settings["dtype"] == "float32" else 200
    planes = (rng.random(settings["shape"]) * top + 1).astype(settings["dtype"])
    array = zarr.create_array(folder / "0", zarr_format=3, **settings)
    array[:] = planes
    describe(folder, {"axes": AXES, "datasets": [scaled("0", [10.0, 1, 1, 1, 325.0])]})
    return planes


def scaled(path: str, scale: list[float]) -> dict[str, Any]:
    return {"path": path, "coordinateTransformations": [{"type": "scale", "scale": scale}]}


def describe(folder: Path, multiscale: dict[str, Any]) -> None:
    channels = [{"label": "Phase"}, {"label": "GFP"}]
    ome = {"version": "0.5", "multiscales": [multiscale], "omero": {"channels": channels}}
    content = {"zarr_format": 3, "node_type": "group", "attributes": {"ome": ome}}
    (folder / "zarr.json").write_text(json.dumps(content))


def frame_files(folder: Path) -> list[Path]:
    found = (path for path in folder.rglob("*") if path.is_file())
    root = folder.parent
    return sorted(p for p in found if not ignore_reason(str(p.relative_to(root)).encode()))


FORMS = {
    "one plane a chunk": {},
    "several planes a chunk": {"chunks": (1, 2, 2, 40, 56)},
    "a plane in parts": {"chunks": (1, 1, 1, 16, 20)},
    "sharded": {"chunks": (1, 1, 1, 20, 28), "shards": (1, 1, 1, 40, 56)},
    "sharded over planes": {"chunks": (1, 1, 1, 40, 56), "shards": (2, 1, 2, 40, 56)},
    "not compressed": {"compressors": None},
    "gzip": {"compressors": zarr.codecs.GzipCodec()},
    "blosc": {"compressors": zarr.codecs.BloscCodec()},
    "8 bit": {"dtype": "uint8"},
    "floating": {"dtype": "float32"},
    "dots in names": {"chunk_key_encoding": {"name": "default", "separator": "."}},
}


@pytest.mark.parametrize("form", FORMS)
def test_every_plane_is_read_once_with_its_place(form: str, tmp_path: Path) -> None:
    folder = tmp_path / "run.ome.zarr" / "B10"
    folder.mkdir(parents=True)
    planes = write(folder, **FORMS[form])
    seen = set()
    for path in frame_files(tmp_path / "run.ome.zarr"):
        for frame in read_frames(path, source=tmp_path):
            said = frame.attributes
            at = (said.time_point, ["Phase", "GFP"].index(said.channel), said.z)
            assert at not in seen
            seen.add(at)
            np.testing.assert_array_equal(frame.pixels, planes[at])
            assert frame.pixels.dtype == planes.dtype
            assert (said.position, said.well) == ("B10", "B10")
            assert said.pixel_size_um == pytest.approx(0.325)
            assert said.elapsed_s == pytest.approx(600 * said.time_point)
            assert said.sources["elapsed_s"] is AttributeSource.FRAME_INTERVAL
            assert said.sources["pixel_size_um"] is AttributeSource.OME_ZARR
    assert len(seen) == 12


def test_plates_name_wells_by_row_and_column(tmp_path: Path) -> None:
    folder = tmp_path / "plate.ome.zarr" / "C" / "4" / "1"
    folder.mkdir(parents=True)
    write(folder)
    said = next(read_frames(frame_files(tmp_path / "plate.ome.zarr")[0], source=tmp_path))
    assert said.attributes.well == "C4"
    assert said.attributes.field == "1"


def test_smaller_copies_and_labels_are_not_frames(tmp_path: Path) -> None:
    for name in ("0", "1", "labels/cells/0"):
        (tmp_path / "run.zarr" / name).parent.mkdir(parents=True, exist_ok=True)
        zarr.create_array(
            tmp_path / "run.zarr" / name, shape=(1, 8, 8), chunks=(1, 4, 8), dtype="uint8"
        )[:] = 7
    names = [str(p.relative_to(tmp_path)) for p in frame_files(tmp_path / "run.zarr")]
    assert names == ["run.zarr/0/c/0/0/0"]


def test_a_growing_array_may_not_know_its_newest_planes(tmp_path: Path) -> None:
    folder = tmp_path / "run.zarr"
    folder.mkdir()
    planes = write(folder)
    metadata = json.loads((folder / "0" / "zarr.json").read_text())
    metadata["shape"][0] = 1
    (folder / "0" / "zarr.json").write_text(json.dumps(metadata))
    frame = next(read_frames(folder / "0" / "c" / "2" / "1" / "0" / "0" / "0", source=tmp_path))
    np.testing.assert_array_equal(frame.pixels, planes[2, 1, 0])
    assert frame.attributes.time_point == 2


def test_planes_count_as_whole_only_when_settled(tmp_path: Path) -> None:
    folder = tmp_path / "run.zarr"
    folder.mkdir()
    write(folder)
    path = frame_files(folder)[0]
    assert look(path, settled=False).complete_pages == ()
    assert look(path, settled=True).complete_pages == (0,)


def _without_description(folder: Path, _path: Path) -> None:
    (folder / "0" / "zarr.json").unlink()


def _half_a_description(folder: Path, _path: Path) -> None:
    text = (folder / "0" / "zarr.json").read_text()
    (folder / "0" / "zarr.json").write_text(text[: len(text) // 2])


def _a_group_instead(folder: Path, _path: Path) -> None:
    (folder / "0" / "zarr.json").write_text('{"zarr_format": 3, "node_type": "group"}')


def _half_a_chunk(_folder: Path, path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _garbage(_folder: Path, path: Path) -> None:
    path.write_bytes(b"\x7fELF" * 40)


def _empty(_folder: Path, path: Path) -> None:
    path.write_bytes(b"")


def _complex(folder: Path, _path: Path) -> None:
    _change(folder, data_type="complex64")


def _unknown_codec(folder: Path, _path: Path) -> None:
    _change(folder, codecs=[{"name": "bytes"}, {"name": "no-such-codec"}])


def _other_axes(folder: Path, _path: Path) -> None:
    _change(folder, shape=[40, 56])


def _zero_chunks(folder: Path, _path: Path) -> None:
    _change(
        folder, chunk_grid={"name": "regular", "configuration": {"chunk_shape": [1, 1, 1, 0, 0]}}
    )


def _huge(folder: Path, _path: Path) -> None:
    huge = [1, 1, 1, 100_000, 100_000]
    _change(
        folder, shape=huge, chunk_grid={"name": "regular", "configuration": {"chunk_shape": huge}}
    )


def _change(folder: Path, **entries: Any) -> None:
    path = folder / "0" / "zarr.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **entries}))


@pytest.mark.parametrize(
    ("damage", "kind"),
    [
        (_without_description, UnreadableFrameError),
        (_half_a_description, UnreadableFrameError),
        (_a_group_instead, RefusedFrameError),
        (_half_a_chunk, UnreadableFrameError),
        (_garbage, UnreadableFrameError),
        (_empty, UnreadableFrameError),
        (_complex, RefusedFrameError),
        (_unknown_codec, UnreadableFrameError),
        (_other_axes, RefusedFrameError),
        (_zero_chunks, RefusedFrameError),
        (_huge, RefusedFrameError),
    ],
)
def test_damage_is_told_in_one_clear_line(
    damage: Any, kind: type[ReadError], tmp_path: Path
) -> None:
    folder = tmp_path / "run.zarr"
    folder.mkdir()
    write(folder)
    path = frame_files(folder)[0]
    damage(folder, path)
    with pytest.raises(kind) as caught:
        list(read_frames(path, source=tmp_path))
    assert "\n" not in caught.value.message
    assert caught.value.hint


def test_a_part_that_is_missing_is_waited_for(tmp_path: Path) -> None:
    folder = tmp_path / "run.zarr"
    folder.mkdir()
    write(folder, chunks=(1, 1, 1, 20, 56))
    path = folder / "0" / "c" / "0" / "0" / "0" / "0" / "0"
    path.parent.with_name("1").joinpath("0").unlink()
    with pytest.raises(UnreadableFrameError, match="part c/0/0/0/1/0"):
        list(read_frames(path, source=tmp_path))


def test_what_expands_too_far_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "run.zarr"
    folder.mkdir()
    array = zarr.create_array(
        folder / "0", shape=(1, 4096, 4096), chunks=(1, 4096, 4096), dtype="uint16"
    )
    array[:] = 1
    limits = ReadLimits(expansion_free_bytes=1024)
    with pytest.raises(RefusedFrameError, match="expand"):
        list(read_frames(folder / "0" / "c" / "0" / "0" / "0", source=tmp_path, limits=limits))
