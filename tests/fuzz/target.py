"""Feeds a part of livecount with bytes that grow towards code not yet reached (atheris).

    python -m tests.fuzz.target readers|patterns|config|annotations [-max_total_time=600] ...

Further words go to libFuzzer. Ends with an error, and keeps the input, where anything but the
part's own error comes out.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["livecount"], enable_loader_override=False):
    from livecount import annotations, config, readers
    from livecount.errors import AnnotationError, ConfigError, ReadError
    from livecount.readers import tiff, tiff_structure, tiff_tags, zarr_layout  # noqa: F401

WORK = Path(tempfile.mkdtemp())
LIMITS = readers.ReadLimits(max_pixels=1_000_000, max_bytes_decoded=8_000_000, max_pages=50)
PATTERNS = readers.Patterns.shipped()
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000004000000040800000000"
    "8c9c6e2c0000000a49444154789c6360c00f00000400010d0a2db40000000049454e44ae426082"
)


def insist(holds: bool, error: Exception) -> None:
    """End the search where an error is not one that a user can do something with."""
    if not holds:
        raise AssertionError(repr(error))


def feed_readers(content: bytes) -> None:
    """Any file is a frame or a ReadError of one line with a hint."""
    path = WORK / "frame.tif"
    path.write_bytes(content)
    try:
        readers.look(path, settled=False, limits=LIMITS)
        for frame in readers.read_frames(path, limits=LIMITS):
            assert frame.pixels.ndim == 2
    except ReadError as error:
        insist(bool(error.hint) and "\n" not in str(error), error)


def feed_patterns(content: bytes) -> None:
    """Any path is understood or not; wells that are found can be sorted."""
    name = readers.readable_path(content)
    assert "\n" not in name
    readers.is_frame_file(content)
    found = PATTERNS.match(name)
    if found is not None and found.attributes.well is not None:
        readers.well_sort_key(found.attributes.well)


def feed_config(content: bytes) -> None:
    """Any file is settings or a ConfigError."""
    path = WORK / "config.toml"
    path.write_bytes(content)
    try:
        config.load_config(path, environment={}, overrides={})
    except ConfigError as error:
        insist(bool(error.message), error)


def feed_annotations(content: bytes) -> None:
    """Any table of centres is one or an AnnotationError."""
    folder = WORK / "annotated"
    folder.mkdir(exist_ok=True)
    (folder / "a.tif").write_bytes(PNG)
    (folder / "a.centres.csv").write_bytes(content)
    (folder / "dataset.toml").write_text(
        'name = "a"\ncell_diameter_px = 4\nmatch_radius_px = 2\n', encoding="utf-8"
    )
    try:
        for dataset in annotations.find_datasets([folder])[0]:
            for image in dataset.images:
                annotations.load_image(image, readers.read_pixels)
    except (AnnotationError, ReadError) as error:
        insist(bool(error.message), error)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "readers": feed_readers,
    "patterns": feed_patterns,
    "config": feed_config,
    "annotations": feed_annotations,
}


def main() -> None:
    """Fuzz the part that is named."""
    name, *words = sys.argv[1:]
    os.chdir(WORK)
    atheris.Setup([sys.argv[0], "-max_len=4096", "-rss_limit_mb=4096", *words], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
