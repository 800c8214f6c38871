"""Files of other microscopes, through the libraries that their communities keep."""

from __future__ import annotations

import shutil
from datetime import UTC
from pathlib import Path

import numpy as np
import pytest

from livecount.errors import RefusedFrameError, UnreadableFrameError
from livecount.readers import ReadLimits, is_frame_file, look, read_frames, read_page
from livecount.readers.patterns import Patterns

pytest.importorskip("liffile")
pytest.importorskip("pylibCZIrw")
pytest.importorskip("nd2")

KINDS = ("czi", "lif", "nd2")


def frames_of(path: Path):
    return list(read_frames(path, source=path.parent))


def test_a_czi_of_several_times_channels_and_planes(real_images: Path) -> None:
    frames = frames_of(real_images / "formats" / "czi" / "CD_s_1_t_3_c_2_z_5.czi")
    places = [(f.attributes.time_point, f.attributes.channel, f.attributes.z) for f in frames]
    channels = ("Alexa Fluor 555", "Alexa Fluor 488")
    assert places == [(t, c, z) for t in range(3) for c in channels for z in range(5)]
    assert {f.pixels.shape for f in frames} == {(170, 240)}
    assert {f.pixels.dtype for f in frames} == {np.dtype("uint16")}
    assert len({f.key.content_hash for f in frames}) == 30
    assert [f.attributes.elapsed_s for f in frames[::10]] == [0.0, 60.075, 120.15]
    assert frames[0].attributes.acquired_at.isoformat() == "2016-02-12T09:47:02.944560+00:00"
    assert frames[0].attributes.pixel_size_um == pytest.approx(0.0906, abs=1e-4)


def test_the_tiles_of_a_czi_are_one_plane(real_images: Path) -> None:
    frames = frames_of(real_images / "formats" / "czi" / "tiles_time_z.czi")
    assert {f.pixels.shape for f in frames} == {(512, 512)}
    assert len(frames) == 8


def test_colours_of_a_czi_become_grey(real_images: Path) -> None:
    (frame,) = frames_of(real_images / "formats" / "czi" / "RGB-8bit.czi")
    assert frame.pixels.shape == (624, 924)
    assert "colour" in frame.flags


def test_a_lif_of_several_images(real_images: Path) -> None:
    path = real_images / "formats" / "lif" / "wavelength-sweep.lif"
    frames = frames_of(path)
    assert len(frames) == 20 + 15 + 220
    last = frames[-1].attributes
    assert (last.position, last.time_point, last.channel, last.z) == (
        "x_y_z_t_lambdaEmi", 1, "λ9", 10,
    )  # fmt: skip
    assert frames[0].pixels.shape == (64, 64)
    assert frames[0].attributes.acquired_at.tzinfo is UTC
    assert frames[0].attributes.elapsed_s == 0.0
    assert 80 < last.elapsed_s < 200
    assert last.pixel_size_um == pytest.approx(0.1048, abs=1e-3)


def test_a_lif_without_planes_says_so(real_images: Path) -> None:
    path = real_images / "formats" / "lif" / "two-channel-xz.lif"
    with pytest.raises(RefusedFrameError, match="no image with rows and columns"):
        frames_of(path)


@pytest.mark.parametrize("kind", KINDS)
def test_names_are_taken_as_frames(kind: str) -> None:
    assert is_frame_file(f"plate/A1.{kind}".encode())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("content", [b"", b"\0" * 4096, b"ZISRAWFILE" + b"\7" * 5000, b"II*\0"])
def test_what_is_no_such_file_is_told_in_one_line(
    kind: str, content: bytes, tmp_path: Path
) -> None:
    path = tmp_path / f"a.{kind}"
    path.write_bytes(content)
    with pytest.raises(UnreadableFrameError) as caught:
        frames_of(path)
    assert "\n" not in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("name", ["czi/CD_s_1_t_3_c_2_z_5.czi", "lif/wavelength-sweep.lif"])
@pytest.mark.parametrize("share", [0.2, 0.6, 0.95])
def test_a_file_cut_off_is_not_taken_for_whole(
    name: str, share: float, real_images: Path, tmp_path: Path
) -> None:
    whole = real_images / "formats" / name
    path = tmp_path / whole.name
    path.write_bytes(whole.read_bytes()[: int(share * whole.stat().st_size)])
    with pytest.raises(UnreadableFrameError):
        frames_of(path)


def test_nothing_is_read_while_it_grows(real_images: Path) -> None:
    path = real_images / "formats" / "lif" / "wavelength-sweep.lif"
    assert look(path, settled=False).complete_pages == ()
    assert len(look(path, settled=True).complete_pages) == 255


def test_limits_hold_before_anything_is_decoded(real_images: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.czi"
    shutil.copyfile(real_images / "formats" / "czi" / "RGB-8bit.czi", path)
    with pytest.raises(RefusedFrameError, match="the limit is 1,000"):
        read_page(
            tmp_path, b"a.czi", 0, patterns=Patterns.shipped(), limits=ReadLimits(max_pixels=1000)
        )
