"""The comparison of the DeepDistance paper (its Table 2) on other images, in one command.

    python benchmarks/paper_comparison.py FOLDER docs/paper-comparison.md
        [--runs runs/paper-comparison] [--width 8] [--seeds 3] [--steps 3000]
        [--threads 2] [--jobs 1]

Trains every network that ``engines/recipes/paper-comparison/comparison.toml`` names once a seed, on
a GPU where there is one (without one, two jobs of one thread are faster than one job of two),
chooses h (or the smallest area) on training and validation images, scores
the test images below FOLDER and writes the table. Stopped or killed, it goes on where it was: what
is finished is neither trained nor scored again. The report is written anew after every seed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import tomllib
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from accuracy import ROOT, describe_origin
from comparison_report import Outcome, report

from livecount.annotations import Dataset, find_datasets, load_image
from livecount.detection import find_peaks
from livecount.evaluation import FrameScore, SweepFrame, score_at, summarise
from livecount.frame import Candidates
from livecount.inference import TileLimits, infer_tiled
from livecount.normalisation import normalise
from livecount.readers import read_pixels
from livecount.resampling import resize
from livecount.training import TrainingProgress, train
from livecount.training.checkpoint import load_weights
from livecount.training.components import find_components
from livecount.training.network import DeepDistanceNet, count_parameters
from livecount.training.recipe import Recipe, read_recipe
from livecount.training.run_folder import RECIPE_NAME, RESULT_NAME, WEIGHTS_NAME, is_finished

RECIPES = ROOT / "engines" / "recipes" / "paper-comparison"
LEVELS = 5
LOCATED_WITHIN = 0.1
"""Cells lie at the centroid of what stands within this height of their peak (ADR 0010)."""
WHOLE = 1 << 40
Pixels = npt.NDArray[np.float32]
Images = list[tuple[str, Dataset, int]]


def main() -> None:
    """Train, score and write."""
    given = arguments()
    plan = tomllib.loads((given.recipes / "comparison.toml").read_text(encoding="utf-8"))
    names = list(dict.fromkeys(model["recipe"] for model in plan["models"]))
    origin = origin_of(given)  # before the report is written, which changes the working tree
    outcomes: list[Outcome] = []
    with ProcessPoolExecutor(given.jobs, multiprocessing.get_context("spawn")) as jobs:
        running = [
            [jobs.submit(judged_network, given, plan, name, seed) for name in names]
            for seed in range(1, given.seeds + 1)
        ]
        for of_seed in running:
            for network in of_seed:
                outcomes += network.result()
            text = report(plan, outcomes, origin)
            given.report.write_text(text, encoding="utf-8")


def judged_network(
    given: argparse.Namespace, plan: dict[str, Any], name: str, seed: int
) -> list[Outcome]:
    """Train one network and score the models that use it."""
    run = trained(given, given.recipes / name, seed)
    models = [model for model in plan["models"] if model["recipe"] == name]
    return scored(run, models, plan, test_images(plan, given.folder), given.folder, seed)


def origin_of(given: argparse.Namespace) -> dict[str, Any]:
    """Say by which command, when and where the report was made."""
    command = (
        f"python benchmarks/paper_comparison.py IMAGES {given.report} --width {given.width} "
        f"--seeds {given.seeds} --steps {given.steps}"
    )
    origin = describe_origin() | {"command": command}
    if torch.cuda.is_available():
        origin["machine"] += f", {torch.cuda.get_device_name()}"
    return origin


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="annotated images, what recipes are relative to")
    parser.add_argument("report", type=Path)
    parser.add_argument("--runs", type=Path, default=Path("runs/paper-comparison"))
    parser.add_argument("--recipes", type=Path, default=RECIPES)
    parser.add_argument("--width", type=int, default=8, help="of the first level; the paper's: 64")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--threads", type=int, default=2, help="of one training")
    parser.add_argument("--jobs", type=int, default=1, help="trainings at the same time")
    return parser.parse_args()


def test_images(plan: dict[str, Any], folder: Path) -> Images:
    """Find the test sets: line (seen or unseen), images, and of how many frames one is taken."""
    found: Images = []
    for entry in plan["images"]:
        below = sorted(folder.glob(entry["folder"]))
        if not below:
            raise SystemExit(f"There is no folder {folder / entry['folder']}")
        for dataset in find_datasets(below)[0]:
            found.append((entry["line"], dataset, entry.get("every", 1)))
    return found


def trained(given: argparse.Namespace, recipe: Path, seed: int) -> Path:
    """Train one network, or go on with it, or find it finished; give its folder."""
    run = given.runs / f"{recipe.stem}-width{given.width}-steps{given.steps}-seed{seed}"
    run.mkdir(parents=True, exist_ok=True)
    widths = [given.width << level for level in range(LEVELS)]
    short = run / "short.toml"
    short.write_text(
        f"extends = {json.dumps(str(recipe.resolve()))}\n"
        f"[network]\nwidths = {widths}\n"
        f"[run]\nsteps = {given.steps}\nseed = {seed}\nthreads = {given.threads}\n",
        encoding="utf-8",
    )
    if not is_finished(short, run):
        train(short, run, resume=True, on_progress=teller(run.name), data_root=given.folder)
    return Path(run)


def teller(name: str) -> Callable[[TrainingProgress], None]:
    """Say where a run stands whenever it was validated."""
    told: dict[str, float] = {}

    def tell(progress: TrainingProgress) -> None:
        if progress.validation and progress.validation != told:
            told.update(progress.validation)
            measured = ", ".join(f"{key} {value:.4g}" for key, value in told.items())
            minutes = progress.remaining_s / 60
            print(f"{name}: step {progress.step}, {measured}; {minutes:.0f} min left", flush=True)

    return tell


@dataclass
class Network:
    """A trained network that draws the maps of whole frames."""

    recipe: Recipe
    net: DeepDistanceNet
    device: torch.device
    drawn: dict[Path, Pixels] = field(default_factory=dict)

    @classmethod
    def of(cls, run: Path) -> Network:
        """Load a run's weights."""
        recipe = read_recipe(run / RECIPE_NAME)
        net = DeepDistanceNet(recipe.network, recipe.heads)
        load_weights(net, run / WEIGHTS_NAME)
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        torch.set_num_threads(recipe.run.threads)
        return cls(recipe, net.to(device).eval(), device)

    def maps(self, pixels: npt.NDArray[Any], diameter_px: float) -> Pixels:
        """Draw all maps as counting does: scaled, normalised, mirrored outward."""
        scaled = resize(pixels, self.recipe.scale.cell_diameter_px / diameter_px)
        return infer_tiled(
            self._infer,
            normalise(scaled, self.recipe.normalisation),
            TileLimits(WHOLE, 0, self.recipe.multiple_px),
        )

    def _infer(self, image: Pixels) -> Pixels:
        with torch.inference_mode():
            drawn = self.net(torch.from_numpy(image)[None, None].to(self.device))
        return np.asarray(drawn[0].float().cpu().numpy())


def scored(
    run: Path,
    models: list[dict[str, Any]],
    plan: dict[str, Any],
    images: Images,
    folder: Path,
    seed: int,
) -> list[Outcome]:
    """Score the models of one run on all test sets, unless that was done already."""
    kept = run / "scores.json"
    judged = {
        "models": models,
        "images": plan["images"],
        "areas": plan["area_shares"],
        "kept": [of_outcome.name for of_outcome in fields(Outcome)],
    }
    digest = hashlib.sha256((run / WEIGHTS_NAME).read_bytes() + json.dumps(judged).encode())
    if kept.is_file():
        document = json.loads(kept.read_text(encoding="utf-8"))
        if document["judged"] == digest.hexdigest():
            return [Outcome(**found) for found in document["outcomes"]]
    network = Network.of(run)
    recipe = network.recipe
    entries = recipe.images + recipe.validation
    known = find_datasets([folder / entry.root / entry.split for entry in entries])[0]
    choosing = seen_by(network, models, [("known", dataset, 1) for dataset in known])
    tested = seen_by(network, models, images)
    result = json.loads((run / RESULT_NAME).read_text(encoding="utf-8"))
    outcomes = []
    for model in models:
        on = [of_set for _, of_set in choosing[model["name"]]]
        threshold = chosen(on, thresholds(model, plan, recipe))
        values = [value for of_set in on for value in of_set.range_of_maps]
        sets = {line: {} for line, _ in tested[model["name"]]}
        for line, of_set in tested[model["name"]]:
            sets[line][of_set.name] = summarise(of_set.at(threshold))
        outcomes.append(
            Outcome(
                model["name"], seed, threshold, sets, count_parameters(network.net), result,
                lowest=min(values), highest=max(values),
            )
        )  # fmt: skip
        print(f"{run.name}, {model['name']}: {threshold:g}", flush=True)
    document = {"judged": digest.hexdigest(), "outcomes": [vars(found) for found in outcomes]}
    kept.write_text(json.dumps(document, indent=1), encoding="utf-8")
    return outcomes


@dataclass
class TestedSet:
    """A data set with what one model found in it, to be scored at any threshold.

    ``range_of_maps`` holds the lowest and the highest value of every frame's map.
    """

    name: str
    radius_px: float
    edge_margin_px: float
    frames: list[SweepFrame] = field(default_factory=list)
    range_of_maps: list[float] = field(default_factory=list)

    def at(self, threshold: float) -> list[FrameScore]:
        """Score every frame."""
        return [
            score_at(frame, threshold, self.radius_px, self.edge_margin_px) for frame in self.frames
        ]


def seen_by(
    network: Network, models: list[dict[str, Any]], images: Images
) -> dict[str, list[tuple[str, TestedSet]]]:
    """Detect with every model on all images, drawing each image's maps once."""
    found: dict[str, list[tuple[str, TestedSet]]] = {model["name"]: [] for model in models}
    for line, dataset, every in images:
        sets = {
            name: TestedSet(dataset.name, dataset.match_radius_px, dataset.edge_margin_px)
            for name in found
        }
        for image in dataset.images[::every]:
            annotated = load_image(image, read_pixels)
            height, width = annotated.pixels.shape
            maps = network.maps(annotated.pixels, dataset.cell_diameter_px)
            for model in models:
                cells = detected(model, maps, network.recipe)
                placed = cells.scaled(height / maps.shape[1], width / maps.shape[2])
                centres = np.asarray(annotated.centres_yx, np.float64)
                frame = SweepFrame(image.path.name, placed, centres, (height, width))
                sets[model["name"]].frames.append(frame)
                drawn = maps[network.recipe.head_names.index(model["map"])]
                sets[model["name"]].range_of_maps += [float(drawn.min()), float(drawn.max())]
        for name, of_set in sets.items():
            found[name].append((line, of_set))
    return found


def detected(model: dict[str, Any], maps: Pixels, recipe: Recipe) -> Candidates:
    """Find what may be cells; ``prominence`` is what the threshold is compared with."""
    drawn = np.ascontiguousarray(maps[recipe.head_names.index(model["map"])])
    if model["detection"] == "peaks":
        return find_peaks(drawn, h=LOCATED_WITHIN)
    boundary = model.get("boundary")
    edges = None if boundary is None else maps[recipe.head_names.index(boundary)]
    return find_components(drawn, edges)


def thresholds(model: dict[str, Any], plan: dict[str, Any], recipe: Recipe) -> list[float]:
    """List what is tried: h, or areas in pixels at the model's scale."""
    if model["detection"] == "peaks":
        return list(recipe.run.h_choices)
    disc_px = np.pi / 4 * recipe.scale.cell_diameter_px**2
    return [float(share * disc_px) for share in plan["area_shares"]]


def chosen(known: list[TestedSet], choices: list[float]) -> float:
    """Take the best f-score, by the paper's rule, over all cells; in a tie the middle one."""

    def f_score(threshold: float) -> float:
        frames: Iterator[FrameScore] = (frame for of_set in known for frame in of_set.at(threshold))
        value = summarise(list(frames))["f_score"]
        return -1.0 if value is None else float(value)

    scores = np.array([f_score(choice) for choice in choices])
    best = np.flatnonzero(scores == scores.max())
    return choices[int(best[len(best) // 2])]


if __name__ == "__main__":
    main()
