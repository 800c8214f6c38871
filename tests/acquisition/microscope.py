"""Micro-Manager's own core with its demo camera: what the monitor lives beside.

Run as a program it acquires into a folder and prints, as JSON, what it took: one object a plane,
with its pixels' hash, its place, and when the camera gave it.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import sys
import time
import warnings
from contextlib import closing
from pathlib import Path
from typing import Any

LAYOUTS = ("sequence", "ome-tiff", "ome-zarr", "ndtiff")
PIXEL_SIZE_UM = 0.65
POSITIONS = ("A1", "B10")


def camera_core(size_px: int) -> Any:
    """Set up Micro-Manager's core with the demo camera, stages and a calibrated objective."""
    import mm_test_adapters
    from pymmcore_plus import CMMCorePlus

    core = CMMCorePlus()
    core.setDeviceAdapterSearchPaths([str(mm_test_adapters.device_adapter_path())])
    for label, device in (
        ("Camera", "DCam"),
        ("XY", "DXYStage"),
        ("Z", "DStage"),
        ("Shutter", "DShutter"),
    ):
        core.loadDevice(label, "DemoCamera", device)
    core.initializeAllDevices()
    core.setCameraDevice("Camera")
    core.setXYStageDevice("XY")
    core.setFocusDevice("Z")
    core.setShutterDevice("Shutter")
    core.setProperty("Camera", "PixelType", "16bit")
    core.setProperty("Camera", "OnCameraCCDXSize", str(size_px))
    core.setProperty("Camera", "OnCameraCCDYSize", str(size_px))
    core.defineConfig("Channel", "Phase", "Camera", "Gain", "0")
    core.defineConfig("Channel", "GFP", "Camera", "Gain", "1")
    core.definePixelSizeConfig("10x")
    core.setPixelSizeUm("10x", PIXEL_SIZE_UM)
    return core


class NDTiffWriter:
    """Hands every plane to ndstorage, as pycro-manager does."""

    def __init__(self, folder: Path) -> None:
        from ndstorage import NDTiffDataset

        folder.mkdir(parents=True, exist_ok=True)
        self._dataset = NDTiffDataset(str(folder), name="growth", writable=True)

    def sequenceStarted(self, sequence: Any, summary: Any) -> None:  # noqa: N802
        self._dataset.initialize({"PixelSize_um": PIXEL_SIZE_UM})

    def frameReady(self, image: Any, event: Any, metadata: Any) -> None:  # noqa: N802
        axes: dict[str, Any] = {"time": event.index.get("t", 0), "position": event.pos_name}
        axes["channel"] = event.channel.config
        if "z" in event.index:
            axes["z"] = event.index["z"]
        record = {
            "Axes": axes,
            "ElapsedTime-ms": metadata["runner_time_ms"],
            "PixelSizeUm": PIXEL_SIZE_UM,
            "BitDepth": 16,
            "Width": image.shape[1],
            "Height": image.shape[0],
            "PixelType": "GRAY16",
            "PositionName": event.pos_name,
        }
        self._dataset.put_image(axes, image, record)

    def sequenceFinished(self, sequence: Any) -> None:  # noqa: N802
        self._dataset.finish()


def output_for(layout: str, folder: Path) -> Any:
    """Name the place, or the writer, that each layout goes to."""
    if layout == "sequence":
        from pymmcore_plus.mda.handlers import ImageSequenceWriter

        return ImageSequenceWriter(folder / "run")
    if layout == "ndtiff":
        return NDTiffWriter(folder)
    return str(folder / ("run.ome.tiff" if layout == "ome-tiff" else "run.ome.zarr"))


def wait_for_a_count(database: Path, patience_s: float = 60.0) -> None:
    """Wait until the monitor has counted a frame, or patience is over."""
    give_up_at = time.monotonic() + patience_s
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        while time.monotonic() < give_up_at:
            if connection.execute("SELECT 1 FROM counts LIMIT 1").fetchone():
                return
            time.sleep(0.05)


def acquire(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Run the acquisition and note every plane that the camera gave."""
    import useq

    from livecount.readers.grey import content_hash

    core = camera_core(arguments.size_px)
    planes: list[dict[str, Any]] = []

    def note(image: Any, event: Any, metadata: Any) -> None:
        planes.append(
            {
                "position": event.pos_name,
                "time_point": event.index.get("t", 0),
                "channel": event.channel.config,
                "z": event.index.get("z"),
                "elapsed_s": metadata["runner_time_ms"] / 1000,
                "hash": content_hash(image),
                "given_at": time.time(),
            }
        )

    def hold_the_last_time_point(image: Any, event: Any, metadata: Any) -> None:
        if event.index.get("t", 0) == arguments.time_points - 1:
            wait_for_a_count(arguments.until_counted)

    if arguments.until_counted:
        core.mda.events.frameReady.connect(hold_the_last_time_point)
    core.mda.events.frameReady.connect(note)
    sequence = useq.MDASequence(
        axis_order="tpcz",
        time_plan={"interval": arguments.interval_s, "loops": arguments.time_points},
        stage_positions=[useq.Position(x=100.0 * n, y=0, name=p) for n, p in enumerate(POSITIONS)],
        channels=arguments.channels.split(","),
        z_plan={"range": 2.0, "step": 1.0} if arguments.z else None,
    )
    core.mda.run(sequence, output=output_for(arguments.layout, arguments.folder))
    return planes


def main() -> None:
    """Acquire as the command line asks."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("layout", choices=LAYOUTS)
    parser.add_argument("--time-points", type=int, default=6)
    parser.add_argument("--interval-s", type=float, default=1.0)
    parser.add_argument("--channels", default="Phase")
    parser.add_argument("--z", action="store_true")
    parser.add_argument(
        "--until-counted",
        type=Path,
        help="hold the last time point until this database has a count",
    )
    parser.add_argument("--size-px", type=int, default=256)
    warnings.simplefilter("ignore")
    json.dump(acquire(parser.parse_args()), sys.stdout)


if __name__ == "__main__":
    main()
