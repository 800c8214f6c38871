"""How acquisition software names its files and what it writes into and beside them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any, Protocol
from xml.sax.saxutils import quoteattr

from livecount.simulation.plan import (
    CHANNEL,
    NUCLEI_CHANNEL,
    Companion,
    FrameTags,
    Plan,
    Scheme,
    Shot,
    site_label,
)

__all__ = ["Naming", "naming_for"]

_ASCII, _DOUBLE = 2, 12


class Naming(Protocol):
    """One acquisition software's habits."""

    def path(self, shot: Shot) -> PurePosixPath:
        """Where the frame goes, below the acquisition folder."""
        ...

    def tags(self, shot: Shot) -> FrameTags:
        """Say what the frame's TIFF holds."""
        ...

    def before(self, plan: Plan) -> Sequence[Companion]:
        """Files written before the first frame."""
        ...

    def after(self, shot: Shot) -> Sequence[Companion]:
        """Files written once a frame is."""
        ...

    def at_end(self, shots: Sequence[Shot]) -> Sequence[Companion]:
        """Files written at the end, for the frames that were taken."""
        ...


class _Plain:
    def tags(self, shot: Shot) -> FrameTags:  # noqa: ARG002
        return FrameTags()

    def before(self, plan: Plan) -> Sequence[Companion]:  # noqa: ARG002
        return ()

    def after(self, shot: Shot) -> Sequence[Companion]:  # noqa: ARG002
        return ()

    def at_end(self, shots: Sequence[Shot]) -> Sequence[Companion]:  # noqa: ARG002
        return ()


class _Generic(_Plain):
    """``A1_f1_t0000.tif`` with resolution and time in the standard TIFF tags."""

    def path(self, shot: Shot) -> PurePosixPath:
        return PurePosixPath(f"{shot.well}_f{shot.field}_t{shot.time_point:04d}.tif")

    def tags(self, shot: Shot) -> FrameTags:  # noqa: ARG002
        return FrameTags(resolution=True, datetime=True)


class _Incucyte(_Plain):
    """``SIM_A1_1_00d00h30m.tif``: the name is all there is."""

    def path(self, shot: Shot) -> PurePosixPath:
        minutes = round(shot.time_point * shot.plan.frame_interval_s / 60)
        days, rest = divmod(minutes, 24 * 60)
        stamp = f"{days:02d}d{rest // 60:02d}h{rest % 60:02d}m"
        channel = f"{NUCLEI_CHANNEL}_" if shot.shows_nuclei else ""
        return PurePosixPath(f"SIM_{channel}{shot.well}_{shot.field}_{stamp}.tif")


class _ImageXpress(_Plain):
    """``TimePoint_1/SIM_A01_s1_w1.TIF`` with MetaSeries tags."""

    def path(self, shot: Shot) -> PurePosixPath:
        well = f"{_row(shot.well)}{_column(shot.well):02d}"
        folder = f"TimePoint_{shot.time_point + 1}"
        wavelength = "w2" if shot.shows_nuclei else "w1"
        return PurePosixPath(folder, f"SIM_{well}_s{shot.field}_{wavelength}.TIF")

    def tags(self, shot: Shot) -> FrameTags:
        size = f"{shot.plan.pixel_size_um:.6g}"
        taken = f"{shot.acquired_at:%Y%m%d %H:%M:%S}.{shot.acquired_at.microsecond // 1000:03d}"
        entries = [
            ("spatial-calibration-state", "bool", "on"),
            ("spatial-calibration-x", "float", size),
            ("spatial-calibration-y", "float", size),
            ("spatial-calibration-units", "string", "um"),
            ("pixel-size-x", "int", str(shot.plan.width_px)),
            ("pixel-size-y", "int", str(shot.plan.height_px)),
            ("bits-per-pixel", "int", str(shot.plan.bit_depth)),
            ("stage-label", "string", f"{shot.well} : Site {shot.field}"),
            ("acquisition-time-local", "time", taken),
            ("image-name", "string", NUCLEI_CHANNEL if shot.shows_nuclei else "Phase Contrast"),
        ]
        rows = "".join(f'<prop id="{i}" type="{t}" value={quoteattr(v)}/>\n' for i, t, v in entries)
        return FrameTags(
            description=f"<MetaData>\n<PlaneInfo>\n{rows}</PlaneInfo>\n</MetaData>",
            software="MetaSeries",
            datetime=True,
        )


class _NisElements(_Plain):
    """``20260105ef001xy01t01.tif`` with the private tags of an export."""

    def path(self, shot: Shot) -> PurePosixPath:
        plan = shot.plan
        wide_xy = max(2, len(str(len(plan.positions))))
        wide_t = max(2, len(str(plan.n_time_points)))
        position = f"xy{shot.position + 1:0{wide_xy}d}t{shot.time_point + 1:0{wide_t}d}"
        return PurePosixPath(f"{plan.started_at:%Y%m%d}ef001{position}.tif")

    def tags(self, shot: Shot) -> FrameTags:
        elapsed_ms = shot.elapsed_s * 1000
        return FrameTags(
            extratags=(
                (65325, _DOUBLE, 1, elapsed_ms, True),
                (65326, _DOUBLE, 1, shot.plan.pixel_size_um, True),
                (65327, _DOUBLE, 1, 1.0, True),
                (65328, _DOUBLE, 1, 1.0, True),
            )
        )


class _MicroManager(_Plain):
    """Position folders of single TIFFs; a record in ``metadata.txt`` follows each of them."""

    def path(self, shot: Shot) -> PurePosixPath:
        name = f"img_channel000_position{shot.position:03d}_time{shot.time_point:09d}_z000.tif"
        return PurePosixPath(shot.label, name)

    def tags(self, shot: Shot) -> FrameTags:
        return FrameTags(imagej_info=json.dumps(_micro_manager_record(shot), indent=2))

    def before(self, plan: Plan) -> Sequence[Companion]:
        summary = json.dumps(_micro_manager_summary(plan), indent=2)
        return [
            Companion(
                PurePosixPath(site_label(well, field), "metadata.txt"), f'{{\n"Summary": {summary}'
            )
            for well, field in plan.positions
        ]

    def after(self, shot: Shot) -> Sequence[Companion]:
        path = self.path(shot)
        coords = {"channel": 0, "position": shot.position, "time": shot.time_point, "z": 0}
        record = {"FileName": str(path), **_micro_manager_record(shot)}
        text = (
            f',\n"Coords-{path}": {json.dumps(coords, indent=2)}'
            f',\n"Metadata-{path}": {json.dumps(record, indent=2)}'
        )
        return [Companion(path.parent / "metadata.txt", text, append=True)]

    def at_end(self, shots: Sequence[Shot]) -> Sequence[Companion]:
        folders = dict.fromkeys(self.path(shot).parent for shot in shots)
        return [Companion(folder / "metadata.txt", "\n}\n", append=True) for folder in folders]


class _MicroManagerStack(_Plain):
    """``SIM_MMStack_A1-Site_0.ome.tif``: one stack a position, a JSON tag a page."""

    def path(self, shot: Shot) -> PurePosixPath:
        return PurePosixPath(f"SIM_MMStack_{shot.label}.ome.tif")

    def tags(self, shot: Shot) -> FrameTags:
        record = json.dumps(_micro_manager_record(shot))
        return FrameTags(extratags=((51123, _ASCII, 0, record, False),))


class _PymmcorePlus(_Plain):
    """``00000_t0000_p000.tif``, with records rewritten to one JSON every ten frames."""

    def __init__(self) -> None:
        self._records: dict[str, Any] = {}

    def path(self, shot: Shot) -> PurePosixPath:
        return PurePosixPath(f"{shot.number:05d}_t{shot.time_point:04d}_p{shot.position:03d}.tif")

    def before(self, plan: Plan) -> Sequence[Companion]:
        sequence = {
            "axis_order": ["t", "p"],
            "stage_positions": [{"name": site_label(*position)} for position in plan.positions],
            "time_plan": {"interval": plan.frame_interval_s, "loops": plan.n_time_points},
        }
        name = PurePosixPath("_useq_MDASequence.json")
        return [Companion(name, json.dumps(sequence, indent=2))]

    def after(self, shot: Shot) -> Sequence[Companion]:
        self._records[self.path(shot).name] = {
            "format": "frame-dict",
            "version": "1.0",
            "runner_time_ms": shot.elapsed_s * 1000,
            "camera_device": "Simulated camera",
            "property_values": [],
            "exposure_ms": 20.0,
            "pixel_size_um": shot.plan.pixel_size_um,
            "mda_event": {
                "index": {"t": shot.time_point, "p": shot.position},
                "channel": {"config": CHANNEL, "group": "Channel"},
                "min_start_time": shot.time_point * shot.plan.frame_interval_s,
                "pos_name": shot.label,
            },
        }
        return self._written() if shot.number % 10 == 0 else ()

    def at_end(self, shots: Sequence[Shot]) -> Sequence[Companion]:  # noqa: ARG002
        return self._written()

    def _written(self) -> Sequence[Companion]:
        text = json.dumps(self._records, indent=2)
        return [Companion(PurePosixPath("_frame_metadata.json"), text)]


class _OmeTiff(_Plain):
    """``run/run_p000.ome.tiff``: one growing stack a position."""

    def path(self, shot: Shot) -> PurePosixPath:
        return PurePosixPath("run", f"run_p{shot.position:03d}.ome.tiff")


def naming_for(scheme: Scheme) -> Naming:
    """Return a fresh set of habits for one acquisition."""
    kinds: dict[Scheme, type[Naming]] = {
        Scheme.GENERIC: _Generic,
        Scheme.MICRO_MANAGER: _MicroManager,
        Scheme.MICRO_MANAGER_STACK: _MicroManagerStack,
        Scheme.PYMMCORE_PLUS: _PymmcorePlus,
        Scheme.INCUCYTE: _Incucyte,
        Scheme.IMAGEXPRESS: _ImageXpress,
        Scheme.NIS_ELEMENTS: _NisElements,
        Scheme.OME_TIFF: _OmeTiff,
    }
    return kinds[scheme]()


def _row(well: str) -> str:
    return well.rstrip("0123456789")


def _column(well: str) -> int:
    return int(well[len(_row(well)) :])


def _pixel_type(plan: Plan) -> str:
    return "GRAY8" if plan.bit_depth == 8 else "GRAY16"


def _micro_manager_summary(plan: Plan) -> dict[str, Any]:
    return {
        "Prefix": "SIM",
        "MicroManagerVersion": "2.0.3",
        "MetadataVersion": "11.0.0",
        "StartTime": f"{plan.started_at:%Y-%m-%d %H:%M:%S.000 %z}",
        "Interval_ms": plan.frame_interval_s * 1000,
        "ChNames": [CHANNEL],
        "Channels": 1,
        "Slices": 1,
        "Frames": plan.n_time_points,
        "Positions": len(plan.positions),
        "Width": plan.width_px,
        "Height": plan.height_px,
        "PixelSize_um": plan.pixel_size_um,
        "PixelType": _pixel_type(plan),
        "BitDepth": plan.bit_depth,
        "StagePositions": [{"Label": site_label(*position)} for position in plan.positions],
    }


def _micro_manager_record(shot: Shot) -> dict[str, Any]:
    plan, taken = shot.plan, shot.acquired_at
    return {
        "Camera": "Simulated camera",
        "Exposure-ms": 20.0,
        "ElapsedTime-ms": round(shot.elapsed_s * 1000, 3),
        "ReceivedTime": f"{taken:%Y-%m-%d %H:%M:%S}.{taken.microsecond // 1000:03d} {taken:%z}",
        "PixelSizeUm": plan.pixel_size_um,
        "PositionName": shot.label,
        "PositionIndex": shot.position,
        "FrameIndex": shot.time_point,
        "ChannelIndex": 0,
        "SliceIndex": 0,
        "Channel": CHANNEL,
        "Width": plan.width_px,
        "Height": plan.height_px,
        "BitDepth": plan.bit_depth,
        "PixelType": _pixel_type(plan),
        "UserData": {},
    }
