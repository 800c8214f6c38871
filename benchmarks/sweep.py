"""Score the shipped model at several h, to see which h would serve each set best.

Usage: ``python benchmarks/sweep.py docs/sweep.md FOLDER [FOLDER...]`` with annotated folders.
No h is chosen here: the card's was chosen on training and validation images.
"""

from __future__ import annotations

import sys
from pathlib import Path

from accuracy import describe_origin

from livecount.annotations import find_datasets
from livecount.inference import find_model, open_engine
from livecount.platform.process import usable_cores
from livecount.scoring import score_model

H_VALUES = (0.05, 0.08, 0.1, 0.12, 0.15, 0.2, 0.25, 0.3, 0.4)


def main() -> None:
    """Sweep every folder and write one table."""
    output, *folders = (Path(word) for word in sys.argv[1:])
    model = find_model("deepdistance")
    engine = open_engine(model, threads=usable_cores())
    rows = [
        "| images | frames | best h | f-score there | paper's rule, its best h |",
        "|---|---:|---:|---:|---|",
    ]
    for folder in folders:
        (dataset,) = find_datasets([folder])[0]
        scores = score_model(model, engine, [dataset]).sets[dataset.name].sweep(H_VALUES)
        assigned = {h: found["f_score_assignment"] or 0.0 for h, found in scores.items()}
        paper = {h: found["f_score"] or 0.0 for h, found in scores.items()}
        best, best_paper = max(assigned, key=assigned.get), max(paper, key=paper.get)
        rows.append(
            f"| {dataset.name} ({folder.name}) | {len(dataset.images)} | {best} "
            f"| {assigned[best]:.1f} | {paper[best_paper]:.1f} at {best_paper} |"
        )
        print(rows[-1], flush=True)
    origin = describe_origin()
    output.write_text(
        "# The best h for each set\n\n" + "\n".join(rows) + f"\n\n`python benchmarks/sweep.py`, "
        f"{origin['date']}, commit {origin['commit']}, {origin['machine']}.\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
