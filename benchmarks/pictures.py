"""Run the demo; put its figures into the README and its pictures into ``docs/pictures``.

python benchmarks/pictures.py
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from accuracy import describe_origin, replace_between

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs" / "pictures"


def main() -> None:
    """Run the demo and one count with overlay, as a user would."""
    origin = describe_origin()  # before the pictures change the tree
    PICTURES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        output = Path(work) / "demo"
        started = time.monotonic()
        result = json.loads(livecount("demo", "-o", output, "--json"))
        seconds = time.monotonic() - started
        shutil.copyfile(output / "growth.png", PICTURES / "demo-growth.png")
        frame = sorted((output / "frames").glob("*A1*.tif"))[-8]
        livecount(
            "count", frame, "--cell-diameter-px", 33, "--pixel-size-um", 0.65, "--overlay", work
        )
        (picture,) = Path(work).glob("*.png")
        shutil.copyfile(picture, PICTURES / "demo-overlay.png")
    report = (
        "```\n"
        f"{result['frames_counted']} of {result['frames_written']} frames counted\n"
        f"doubling time measured: {result['doubling_time_h']:.1f} h "
        f"({result['doubling_time_low_h']:.1f} to {result['doubling_time_high_h']:.1f} h)\n"
        f"doubling time true:     {result['true_doubling_time_h']:.1f} h "
        f"(difference {result['error_percent']:+.1f} %)\n"
        "```\n\n"
        f"(`python benchmarks/pictures.py`, {seconds:.0f} s, {origin['date']}, "
        f"commit {origin['commit']}, {origin['machine']}.)\n"
    )
    replace_between(ROOT / "README.md", "demo", report)
    print(report)


def livecount(*words: object) -> str:
    """Run a command and give what it wrote."""
    call = [sys.executable, "-m", "livecount", *map(str, words)]
    return subprocess.run(call, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    main()
