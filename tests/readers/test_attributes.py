"""Where and when a frame was taken, and where each of these came from."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
import tifffile

from livecount.frame import AttributeSource, Frame, FrameAttributes
from livecount.readers import Patterns, read_attributes, read_frames, read_page
from livecount.readers.stamps import parse_stamp

Read = Callable[..., Frame]
Write = Callable[..., Path]
PIXELS = np.arange(1, 1201, dtype=np.uint16).reshape(30, 40)
TAG, OME = AttributeSource.FILE_TAG, AttributeSource.OME_XML
COMPANION, NAME = AttributeSource.COMPANION_FILE, AttributeSource.FILE_NAME


def micro_manager_tag(record: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [(51123, "s", 0, json.dumps(record), True)]


def known(attributes: FrameAttributes) -> dict[str, Any]:
    return {name: getattr(attributes, name) for name in attributes.sources}


def test_nis_elements_frames_of_a_real_microscope(real_images: Path):
    folder = real_images / "t98g-series"
    frames = [next(read_frames(path)) for path in sorted(folder.glob("*.tif"))]
    elapsed_s = np.array([frame.attributes.elapsed_s for frame in frames])
    assert len(frames) == 14
    assert np.abs(np.diff(elapsed_s) - 600).max() < 3
    for number, frame in enumerate(frames, start=1):
        said = frame.attributes
        assert said.pixel_size_um == pytest.approx(0.871, abs=5e-4)
        assert (said.position, said.time_point, said.channel) == ("1", number, "Phase contrast")
        assert said.sources["elapsed_s"] == said.sources["pixel_size_um"] == TAG
        assert said.sources["time_point"] == NAME
        assert said.acquired_at is None


def test_ndtiff_of_a_real_micro_manager(real_images: Path):
    path = real_images / "formats/ndtiff/labeled_positions_1/labeled_positions_NDTiffStack.tif"
    frames = list(read_frames(path, time_zone=timezone(timedelta(hours=-7))))
    assert [frame.attributes.position for frame in frames] == ["Pos2", "Pos0", "Pos1"]
    assert [frame.attributes.elapsed_s for frame in frames] == [0.0, 0.013, 0.025]
    assert {frame.attributes.acquired_at for frame in frames} == {
        datetime(2023, 7, 26, 21, 27, 30, tzinfo=UTC)
    }
    path = (
        real_images
        / "formats/ndtiff/12_bit_pycromanager_mda/12_bit_pycromanager_mda_NDTiffStack.tif"
    )
    frames = list(read_frames(path))
    assert {(f.attributes.channel, f.attributes.time_point) for f in frames} == {
        (channel, t) for channel in ("DAPI", "FITC") for t in range(4)
    }
    assert {frame.saturation_level for frame in frames} == {4095.0}


def test_a_micro_manager_record_in_a_page(read: Read, write: Write):
    record = {
        "ElapsedTime-ms": 61234.5,
        "ReceivedTime": "2023-10-31 10:52:30.250 -0700",
        "PixelSizeUm": 0.65,
        "PositionName": "B10-Site_3",
        "Channel": "Phase",
        "FrameIndex": 7,
        "SliceIndex": 0,
        "BitDepth": 12,
        "XPositionUm": -1250.5,
        "YPositionUm": 0.0,
    }
    frame = read(write(PIXELS, extratags=micro_manager_tag(record)))
    assert known(frame.attributes) == {
        "position": "B10-Site_3",
        "well": "B10",
        "field": "3",
        "channel": "Phase",
        "time_point": 7,
        "z": 0,
        "elapsed_s": 61.2345,
        "acquired_at": datetime(2023, 10, 31, 17, 52, 30, 250_000, tzinfo=UTC),
        "pixel_size_um": 0.65,
        "stage_x_um": -1250.5,
        "stage_y_um": 0.0,
    }
    assert set(frame.attributes.sources.values()) == {TAG}
    assert frame.saturation_level == 4095


def test_what_micro_manager_does_not_know_stays_unknown(read: Read, write: Write):
    record = {"PixelSizeUm": 0, "ElapsedTime-ms": 0, "FrameIndex": 5, "Channel": ""}
    record |= {"XPositionUm": 12.5}
    said = read(write(PIXELS, extratags=micro_manager_tag(record))).attributes
    assert (said.stage_x_um, said.stage_y_um) == (None, None)
    assert said.pixel_size_um is None
    assert said.elapsed_s is None
    assert said.channel is None


def test_a_record_in_imagej_s_info(read: Read, write: Write):
    record = {"ElapsedTime-ms": 500, "PositionName": "Pos1", "PixelSizeUm": 1.25}
    path = write(PIXELS, imagej=True, metadata={"Info": json.dumps(record)})
    said = read(path).attributes
    assert (said.elapsed_s, said.position, said.pixel_size_um) == (0.5, "Pos1", 1.25)


def test_a_broken_record_does_not_cost_the_frame(read: Read, write: Write):
    path = write(PIXELS, extratags=[(51123, "s", 0, '{"ElapsedTime-ms": 5', True)])
    np.testing.assert_array_equal(read(path).pixels, PIXELS)


def metadata_txt(folder: Path, names: list[str], *, closed: bool) -> None:
    lines = ['{\n"Summary": {"PixelSize_um": 0.5, "Prefix": "x"}']
    for t, name in enumerate(names):
        key = f"{folder.name}/{name}"
        coords = {"time": t, "channel": 0, "position": 0}
        record = {"ElapsedTime-ms": 1000.0 * t, "PositionName": folder.name, "Channel": "Phase"}
        lines.append(f'"Coords-{key}": {json.dumps(coords, indent=2)}')
        lines.append(f'"Metadata-{key}": {json.dumps(record, indent=2)}')
    text = ",\n".join(lines) + ("\n}\n" if closed else "")
    (folder / "metadata.txt").write_text(text)


@pytest.mark.parametrize("closed", [True, False])
def test_micro_manager_2_metadata_txt(closed: bool, tmp_path: Path, read: Read):
    folder = tmp_path / "PosX"
    folder.mkdir()
    names = [f"img_channel000_position000_time{t:09d}_z000.tif" for t in range(3)]
    for name in names:
        tifffile.imwrite(folder / name, PIXELS)
    metadata_txt(folder, names[:2], closed=closed)
    said = read(folder / names[1]).attributes
    assert (said.elapsed_s, said.position, said.channel) == (1.0, "PosX", "Phase")
    assert said.pixel_size_um == 0.5
    assert said.sources["elapsed_s"] == COMPANION
    assert (said.time_point, said.z) == (1, 0)
    waiting = read(folder / names[2]).attributes
    assert waiting.elapsed_s is None
    assert waiting.time_point == 2
    metadata_txt(folder, names, closed=closed)
    assert read(folder / names[2]).attributes.elapsed_s == 2.0


def test_micro_manager_1_4_metadata_txt(tmp_path: Path, read: Read):
    folder = tmp_path / "Pos0"
    folder.mkdir()
    name = "img_000000003_Phase_000.tif"
    tifffile.imwrite(folder / name, PIXELS)
    record = {"FileName": name, "ElapsedTime-ms": 1234, "Time": "2015-10-07 15:28:24 -0700"}
    (folder / "metadata.txt").write_text(
        json.dumps({"Summary": {}, "FrameKey-3-0-0": record, "FrameKey-4-0-0": {"Fil": 1}})[:-30]
    )
    said = read(folder / name).attributes
    assert said.elapsed_s == 1.234
    assert said.acquired_at == datetime(2015, 10, 7, 22, 28, 24, tzinfo=UTC)
    assert (said.channel, said.sources["channel"]) == ("Phase", NAME)
    assert (said.position, said.time_point) == (None, 3)


def pymmcore_record(t: int) -> dict[str, Any]:
    return {
        "format": "frame-dict",
        "runner_time_ms": 28.0 + 600_000 * t,
        "pixel_size_um": 0.65,
        "mda_event": {
            "index": {"t": t, "p": 1, "c": 0},
            "channel": {"config": "Phase", "group": "Channel"},
            "pos_name": "C3",
            "x_pos": 40.0,
            "y_pos": -7.5,
        },
        "position": {"x": 40.2, "y": -7.4, "z": 3.0} if t else {},
        "camera_metadata": {"TimeReceivedByCore": "2026-11-20 05:11:03.487157"},
    }


def test_pymmcore_plus_companion_is_read_again_when_it_is_rewritten(tmp_path: Path):
    names = [f"{t:05d}_t{t:04d}_p001_c00.tif" for t in range(2)]
    for name in names:
        tifffile.imwrite(tmp_path / name, PIXELS)
    companion = tmp_path / "_frame_metadata.json"
    berlin = ZoneInfo("Europe/Berlin")

    def said(name: str) -> FrameAttributes:
        return read_attributes(
            tmp_path, name.encode(), 0, patterns=Patterns.shipped(), time_zone=berlin
        )

    assert said(names[1]).position == "1"
    companion.write_text(json.dumps({names[0]: pymmcore_record(0)}))
    assert said(names[0]).position == "C3"
    assert said(names[1]).elapsed_s is None
    companion.write_text(json.dumps({n: pymmcore_record(t) for t, n in enumerate(names)})[:-9])
    assert said(names[1]).elapsed_s is None
    companion.write_text(json.dumps({n: pymmcore_record(t) for t, n in enumerate(names)}))
    assert known(said(names[1])) == {
        "position": "C3",
        "well": "C3",
        "time_point": 1,
        "channel": "Phase",
        "elapsed_s": 600.028,
        "pixel_size_um": 0.65,
        "acquired_at": datetime(2026, 11, 20, 4, 11, 3, 487157, tzinfo=UTC),
        "stage_x_um": 40.2,
        "stage_y_um": -7.4,
    }
    # Where the stage was not read, it is where it was sent.
    assert (said(names[0]).stage_x_um, said(names[0]).stage_y_um) == (40.0, -7.5)


def test_ome_tiff(tmp_path: Path):
    path = tmp_path / "growth_t005.ome.tif"
    stack = np.stack([np.stack([PIXELS + 2 * t, PIXELS + 2 * t + 1]) for t in range(3)])
    tifffile.imwrite(
        path,
        stack,
        metadata={
            "axes": "TCYX",
            "Channel": {"Name": ["Phase", "DAPI"]},
            "PhysicalSizeX": 650.0,
            "PhysicalSizeXUnit": "nm",
            "PhysicalSizeY": 650.0,
            "PhysicalSizeYUnit": "nm",
            "AcquisitionDate": "2026-10-05T14:30:00Z",
            "Plane": {
                "DeltaT": [0.0, 1.0, 10.0, 11.0, 20.0, 21.0],
                "DeltaTUnit": ["min"] * 6,
                "TheC": [0, 1] * 3,
                "TheT": [0, 0, 1, 1, 2, 2],
                "TheZ": [0] * 6,
                "PositionX": [-1.5] * 6,
                "PositionXUnit": ["mm"] * 6,
                "PositionY": [20.0] * 6,
                "PositionYUnit": ["µm"] * 5 + ["reference frame"],
            },
        },
    )
    frames = list(read_frames(path))
    assert len(frames) == 6
    for page, frame in enumerate(frames):
        t, c = divmod(page, 2)
        np.testing.assert_array_equal(frame.pixels, stack[t, c])
        said = frame.attributes
        assert (said.time_point, said.channel) == (t, ("Phase", "DAPI")[c])
        assert said.elapsed_s == pytest.approx(600 * t + 60 * c)
        assert said.acquired_at == datetime(2026, 10, 5, 14, 30 + 10 * t + c, tzinfo=UTC)
        assert said.pixel_size_um == pytest.approx(0.65)
        assert said.sources["pixel_size_um"] == said.sources["time_point"] == OME
        # A unit that only the microscope knows is none.
        at = (None, None) if page == 5 else (-1500.0, 20.0)
        assert (said.stage_x_um, said.stage_y_um) == at


OME_PLATE = """<?xml version="1.0" encoding="UTF-8"?>
<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:here">
  <Plate ID="Plate:0" Name="toxicity">
    <Well ID="Well:0" Row="1" Column="9">
      <WellSample ID="WellSample:0" Index="0"><ImageRef ID="Image:0"/></WellSample>
      <WellSample ID="WellSample:1" Index="1"><ImageRef ID="Image:1"/></WellSample>
    </Well>
  </Plate>
  <Image ID="Image:0" Name="first"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16"
    SizeX="40" SizeY="30" SizeZ="1" SizeC="1" SizeT="1">
    <Channel ID="Channel:0:0" Name="BF"/>
    <TiffData IFD="0"><UUID FileName="other.tif">urn:uuid:elsewhere</UUID></TiffData>
  </Pixels></Image>
  <Image ID="Image:1" Name="second"><Pixels ID="Pixels:1" DimensionOrder="XYZCT" Type="uint16"
    SizeX="40" SizeY="30" SizeZ="1" SizeC="1" SizeT="1">
    <Channel ID="Channel:1:0" Name="BF"/>
    <TiffData IFD="0" PlaneCount="1"><UUID FileName="renamed.tif">urn:uuid:here</UUID></TiffData>
  </Pixels></Image>
</OME>"""


def test_ome_plates_and_sets_of_files(read: Read, write: Write):
    said = read(write(PIXELS, description=OME_PLATE, metadata=None)).attributes
    assert (said.plate, said.well, said.field) == ("toxicity", "B10", "2")
    assert (said.position, said.channel) == ("second", "BF")
    assert {said.sources[name] for name in ("plate", "well", "field")} == {OME}


@pytest.mark.parametrize(
    "xml",
    [
        OME_PLATE.replace("</Image>", "", 1),
        OME_PLATE.replace('SizeC="1"', 'SizeC="many"'),
        OME_PLATE.replace("<OME", '<!DOCTYPE x [<!ENTITY a "&b;">]><OME', 1),
        "<OME>" + "<a>" * 20_000 + "</OME>",
    ],
)
def test_broken_ome_xml_does_not_cost_the_frame(xml: str, read: Read, write: Write):
    frame = read(write(PIXELS, description=xml, metadata=None))
    np.testing.assert_array_equal(frame.pixels, PIXELS)
    assert frame.attributes.plate is None


def test_imagej_stack(read: Read, write: Write):
    stack = np.stack([PIXELS + i for i in range(12)]).reshape(3, 2, 2, 30, 40)
    path = write(
        stack,
        imagej=True,
        resolution=(1 / 0.65, 1 / 0.65),
        metadata={"axes": "TZCYX", "unit": "um", "finterval": 600.0},
    )
    said = [read(path, page).attributes for page in range(12)]
    assert [(a.time_point, a.z, a.channel) for a in said] == [
        (t, z, c) for t in range(3) for z in range(2) for c in ("c1", "c2")
    ]
    assert said[11].elapsed_s == 1200.0
    assert said[0].pixel_size_um == pytest.approx(0.65, rel=1e-4)


@pytest.mark.parametrize(
    ("unit", "seconds"),
    [
        ("sec", 2.0),
        ("min", 120.0),
        ("minutes", 120.0),
        ("Hours", 7200.0),
        ("day", 172_800.0),
        ("ms", 0.002),
        ("fortnights", None),
    ],
)
def test_imagej_time_units(unit: str, seconds: float | None, read: Read, write: Write):
    stack = np.stack([PIXELS, PIXELS])
    path = write(stack, imagej=True, metadata={"axes": "TYX", "finterval": 2.0, "tunit": unit})
    assert read(path, 1).attributes.elapsed_s == seconds


META_SERIES = """<MetaData>
<prop id="Description" type="string" value=""/>
<PlaneInfo>
<prop id="stage-label" type="string" value="B03 : Site 2"/>
<prop id="spatial-calibration-x" type="float" value="1.3672"/>
<prop id="spatial-calibration-units" type="string" value="um"/>
<prop id="acquisition-time-local" type="time" value="20110302 10:12:35.125"/>
<custom-prop id="_IllumSetting_" type="string" value="Transmitted Light"/>
</PlaneInfo></MetaData>"""


def test_meta_series(tmp_path: Path):
    path = tmp_path / "TimePoint_4" / "growth_B03_s2_w1.TIF"
    path.parent.mkdir()
    tifffile.imwrite(path, PIXELS, description=META_SERIES, metadata=None)
    raw = b"TimePoint_4/growth_B03_s2_w1.TIF"
    frame = read_page(
        tmp_path, raw, 0, patterns=Patterns.shipped(), time_zone=ZoneInfo("America/New_York")
    )
    assert known(frame.attributes) == {
        "well": "B3",
        "field": "2",
        "channel": "Transmitted Light",
        "pixel_size_um": 1.3672,
        "acquired_at": datetime(2011, 3, 2, 15, 12, 35, 125_000, tzinfo=UTC),
        "plate": "growth",
        "time_point": 4,
    }
    assert frame.attributes.sources["time_point"] == AttributeSource.FOLDER_NAME


@pytest.mark.parametrize(
    ("resolution", "unit", "pixel_size_um"),
    [
        ((6250, 6250), "CENTIMETER", 1.6),
        ((72, 72), "INCH", None),
        ((300, 300), "INCH", None),
        ((39077, 39077), "INCH", 0.65),
        ((6250, 6250), "NONE", None),
        ((6250, 3000), "CENTIMETER", None),
        ((1e6, 1e6), "CENTIMETER", None),
    ],
)
def test_resolution_tags_count_where_they_make_sense(resolution, unit, pixel_size_um, read, write):
    path = write(PIXELS, resolution=resolution, resolutionunit=unit, metadata=None)
    said = read(path).attributes
    assert said.pixel_size_um == (pixel_size_um and pytest.approx(pixel_size_um, rel=1e-3))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2022-12-28 17:04:24 -", "2022-12-28T16:04:24+00:00"),
        ("2022-07-28 17:04:24", "2022-07-28T15:04:24+00:00"),
        ("2015-10-07 15:28:24 -0700", "2015-10-07T22:28:24+00:00"),
        ("2026-10-05T14:30:00.5Z", "2026-10-05T14:30:00.500000+00:00"),
        ("20110302 10:12:35.125", "2011-03-02T09:12:35.125000+00:00"),
    ],
)
def test_stamps(text: str, expected: str):
    found = parse_stamp(text, ZoneInfo("Europe/Berlin"))
    assert found is not None
    assert found.isoformat() == expected


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "2022-13-28 17:04:24", None, 5, "2022-12-28", "2022-12-28 17:04:24 +9900"],
)
def test_what_is_no_stamp(text: object):
    assert parse_stamp(text, UTC) is None


def test_every_time_without_a_zone_is_of_the_given_zone(write: Write, tmp_path: Path):
    tokyo = ZoneInfo("Asia/Tokyo")
    expected = datetime(2026, 10, 5, 5, 30, tzinfo=UTC)
    by_name = write(PIXELS, "VID1_C04_2_2026y10m05d_14h30m.tif", metadata=None)
    record = {"ReceivedTime": "2026-10-05 14:30:00 -"}
    by_tag = write(PIXELS, "xy01t01.tif", extratags=micro_manager_tag(record))
    for path in (by_name, by_tag):
        name = path.name.encode()
        for patterns, zone in ((Patterns.shipped(), tokyo), (Patterns.shipped(tokyo), None)):
            frame = read_page(tmp_path, name, 0, patterns=patterns, time_zone=zone)
            said = read_attributes(tmp_path, name, 0, patterns=patterns, time_zone=zone)
            assert frame.attributes.acquired_at == said.acquired_at == expected
            (again,) = read_frames(path, patterns=patterns, time_zone=zone)
            assert again.attributes.acquired_at == expected
