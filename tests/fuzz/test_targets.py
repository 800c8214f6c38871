"""Coverage-guided fuzzing, for seconds; as long as one likes by `python -m tests.fuzz.target`."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from livecount.config import explained_config
from tests.endtoend.program import environment

pytest.importorskip("atheris", reason="coverage-guided fuzzing needs the package atheris (Linux)")


def seeds(target: str) -> list[bytes]:
    """Give sound inputs, from which the search starts."""
    if target == "config":
        return [explained_config().read_bytes()]
    if target == "patterns":
        return [b"VID9955_Phase_B3_1_00d00h30m.tif", b"r01c01f04p01-ch1sk1fk1fl1.tiff"]
    if target == "annotations":
        return [b"y_px,x_px\n1.5,2.5\n"]
    pixels = np.arange(24 * 32, dtype=np.uint16).reshape(24, 32)
    made = []
    for options in ({}, {"compression": "zlib"}, {"tile": (16, 16), "compression": "lzw"}):
        buffer = io.BytesIO()
        with tifffile.TiffWriter(buffer) as tif:
            tif.write(pixels, metadata=None, **options)  # type: ignore[arg-type]
        made.append(buffer.getvalue())
    for form in ("PNG", "JPEG"):
        buffer = io.BytesIO()
        Image.fromarray(pixels.astype(np.uint8)).save(buffer, form)
        made.append(buffer.getvalue())
    return made


@pytest.mark.parametrize("seconds", [3, pytest.param(60, marks=pytest.mark.long)])
@pytest.mark.parametrize("target", ["readers", "patterns", "config", "annotations"])
def test_nothing_but_its_own_error_comes_out(target: str, seconds: int, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for number, content in enumerate(seeds(target)):
        (corpus / str(number)).write_bytes(content)
    done = subprocess.run(
        [
            sys.executable, "-m", "tests.fuzz.target", target, f"-max_total_time={seconds}",
            "-seed=1", f"-artifact_prefix={tmp_path}/", str(corpus),
        ],
        check=False, capture_output=True, text=True, env=environment(), timeout=seconds + 120,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    found = [path.read_bytes() for path in tmp_path.glob("crash-*")]
    assert done.returncode == 0, f"{found}\n{done.stderr[-4000:]}"
    assert "DONE" in done.stderr
