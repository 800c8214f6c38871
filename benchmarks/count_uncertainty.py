"""How often a count's interval holds the number of cells that people annotated.

    python benchmarks/count_uncertainty.py IMAGES docs/count-uncertainty.md [--fit FOLDER...]

Every annotated set below IMAGES is counted through livecount; ``test`` folders of sets that also
have others are reported by themselves. For each frame the interval from its peaks is compared with
the annotation, and then the interval that it would have after a validation on all *other* frames of
its set (four frames and more).

With ``--fit`` the calibration is first fitted on the folders named (relative to IMAGES) and written
into the model's card. Name folders with training or validation images, never a test set.
"""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from accuracy import CARD, describe_origin

from livecount.agreement import agree
from livecount.annotations import Dataset, find_datasets
from livecount.evaluation import SweepFrame, inside_margin
from livecount.frame import Candidates
from livecount.inference import Engine, Model, find_model, open_engine
from livecount.inference.models import CALIBRATION_TABLE
from livecount.platform.process import usable_cores
from livecount.scoring import score_model
from livecount.uncertainty import (
    Calibration,
    FittedFrame,
    cells_among,
    count_interval,
    fit_calibration,
    widen,
)

FRAMES_AT_MOST = 20
HEADER = (
    "| images | frames | mean count | mean annotated | interval from peaks, mean | holds it, % "
    "| with a validation, mean | holds it, % |\n|---|---:|---:|---:|---:|---:|---:|---:|"
)
MEANING = """\
What `count_low` and `count_high` are: the 95 % range of the number of cells on images like those of
the calibration, from the prominence of each stored peak, cells missed at the rate seen there, and
how far single frames lay from what their peaks promised. **They do not include cells that the model
cannot see, nor debris that it takes for cells**: on lines that the model has not learnt, an
interval from peaks alone often does not hold the truth, as the table shows. Comparing with your own
clicks (`livecount validate`) is what makes it honest there: the last two columns show the intervals
of a set's frames after a validation on all others of that set (only sets of at least four frames).
"""


@dataclass(frozen=True)
class Compared:
    """One frame: what was annotated, what was counted, and the interval of the count."""

    annotated: int
    count: int
    interval: tuple[int, int]

    def holds(self, interval: tuple[int, int]) -> bool:
        """Tell whether an interval holds what was annotated."""
        return interval[0] <= self.annotated <= interval[1]


def main() -> None:
    """Fit where asked, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("report", type=Path)
    parser.add_argument("--fit", nargs="+", default=[], help="folders below IMAGES")
    given = parser.parse_args()
    model = find_model(str(CARD.parent))
    engine = open_engine(model, threads=usable_cores())
    origin = describe_origin()
    if given.fit:
        calibration = fit(model, engine, [given.folder / name for name in given.fit])
        write_card(calibration, given.fit, origin)
    elif model.calibration is None:
        raise SystemExit(f"{CARD} has no table {CALIBRATION_TABLE}: give --fit")
    else:
        calibration = model.calibration
    rows = [HEADER]
    for name, dataset in parts(given.folder):
        compared = compare(model, engine, dataset, calibration)
        rows.append(row(name, compared))
        print(rows[-1], flush=True)
    fitted = ", ".join(f"{key} {value:.4g}" for key, value in calibration.to_mapping().items())
    words = f" --fit {' '.join(given.fit)}" if given.fit else ""
    given.report.write_text(
        f"# How far a count may be off\n\n{MEANING}\n"
        + "\n".join(rows)
        + f"\n\nThe calibration: {fitted}. At most {FRAMES_AT_MOST} frames of a set, evenly taken. "
        f"`python benchmarks/count_uncertainty.py IMAGES {given.report}{words}`, "
        f"{origin['date']}, commit {origin['commit']}, {origin['machine']}; {model.name} "
        f"{model.version}, h = {model.h}.\n",
        encoding="utf-8",
    )


def parts(folder: Path) -> list[tuple[str, Dataset]]:
    """List the sets, those with several folders folder by folder."""
    found = []
    for dataset in find_datasets([folder])[0]:
        folders = sorted({image.path.parent for image in dataset.images})
        for part in folders:
            images = [image for image in dataset.images if image.path.parent == part]
            step = -(-len(images) // FRAMES_AT_MOST)
            name = f"{dataset.name}, {part.name}" if len(folders) > 1 else dataset.name
            found.append((name, replace(dataset, images=images[::step])))
    return found


def frames_of(
    model: Model, engine: Engine, dataset: Dataset
) -> list[tuple[Candidates, npt.NDArray[np.float64]]]:
    """Count a set; give candidates and annotations inside its edge margin."""
    found = score_model(model, engine, [dataset]).sets[dataset.name]
    return [within(frame, found.edge_margin_px) for frame in found.frames]


def within(frame: SweepFrame, margin_px: float) -> tuple[Candidates, npt.NDArray[np.float64]]:
    """Leave out what lies at the border, where people did not annotate."""
    candidates, annotated = frame.candidates, frame.annotated_yx.reshape(-1, 2)
    places = np.column_stack([candidates.y_px, candidates.x_px]).astype(np.float64)
    kept = inside_margin(places, frame.shape, margin_px)
    columns = (candidates.y_px, candidates.x_px, candidates.prominence)
    inner = Candidates(*(column[kept] for column in columns))
    return inner, annotated[inside_margin(annotated, frame.shape, margin_px)]


def fit(model: Model, engine: Engine, folders: list[Path]) -> Calibration:
    """Fit the calibration on annotated folders."""
    frames = []
    for dataset in find_datasets(folders)[0]:
        for candidates, annotated in frames_of(model, engine, dataset):
            is_cell = cells_among(candidates, annotated, dataset.match_radius_px)
            frames.append(FittedFrame(candidates.prominence, is_cell, len(annotated)))
    return fit_calibration(frames)


def compare(
    model: Model, engine: Engine, dataset: Dataset, calibration: Calibration
) -> list[Compared]:
    """Count a set and hold each frame's interval against its annotation."""
    compared = []
    for candidates, annotated in frames_of(model, engine, dataset):
        count = candidates.count_at(model.h)
        interval = count_interval(calibration, candidates.prominence, count)
        compared.append(Compared(len(annotated), count, interval))
    return compared


def validated(frames: list[Compared]) -> list[tuple[Compared, tuple[int, int]]]:
    """Give the interval of each frame after a validation on all the others."""
    found = []
    for number, frame in enumerate(frames):
        others = frames[:number] + frames[number + 1 :]
        limits = agree((other.count, other.annotated) for other in others).log_limits_of_new
        if limits is not None:
            found.append((frame, widen(frame.interval, frame.count, limits)))
    return found


def row(name: str, frames: list[Compared]) -> str:
    """Write one set's line."""
    ends = np.array([frame.interval for frame in frames])
    held = 100 * np.mean([frame.holds(frame.interval) for frame in frames])
    cells = [
        name,
        str(len(frames)),
        f"{np.mean([frame.count for frame in frames]):.0f}",
        f"{np.mean([frame.annotated for frame in frames]):.0f}",
        "{:.0f} to {:.0f}".format(*ends.mean(axis=0)),
        f"{held:.0f}",
    ]
    after = validated(frames)
    if after:
        ends = np.array([interval for _, interval in after])
        held = 100 * np.mean([frame.holds(interval) for frame, interval in after])
        cells += ["{:.0f} to {:.0f}".format(*ends.mean(axis=0)), f"{held:.0f}"]
    else:
        cells += ["", ""]
    return f"| {' | '.join(cells)} |"


def write_card(calibration: Calibration, folders: list[str], origin: dict[str, str]) -> None:
    """Put the calibration into the card, before its scores."""
    table = f"[{CALIBRATION_TABLE}]"
    lines = [
        table,
        *(f"{key} = {value!r}" for key, value in calibration.to_mapping().items()),
        f"fitted_on = [{', '.join(repr(name).replace(chr(39), chr(34)) for name in folders)}]",
        f'date = "{origin["date"]}"',
        f'commit = "{origin["commit"]}"',
    ]
    text = CARD.read_text(encoding="utf-8")
    text = re.sub(rf"^{re.escape(table)}\n(?:[^\[\n].*\n|\n)*", "", text, flags=re.MULTILINE)
    before, scores, after = text.partition("[scores]\n")
    card = before.rstrip() + "\n\n" + "\n".join(lines) + "\n"
    CARD.write_text(card + (f"\n{scores}{after}" if scores else ""), encoding="utf-8")


if __name__ == "__main__":
    main()
