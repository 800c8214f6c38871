"""The tables of ``paper_comparison.py``: means and spreads over seeds, seen and unseen apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

SCORES = {
    "f_score": "F-score by the paper's rule (section 4.2)",
    "f_score_assignment": "F-score one to one",
}
COLLAPSED = 5.0
"""An f-score below this, in percent, on lines that a network learnt from."""
INTRODUCTION = """\
The networks of Table 2 of the DeepDistance paper (section 4.4), each trained on the same images for
the same number of steps; number of seeds: {seeds}
([what they share](../engines/recipes/paper-comparison/common.toml), and what differs from the
paper's training). h, or the smallest area of a connected part, is the one with the best f-score on
training and validation images. Mean and standard deviation over seeds, in percent; the means of
lines weigh every set the same."""
Scores = dict[str, Any]


@dataclass
class Outcome:
    """What one model reached with one seed.

    Attributes
    ----------
    threshold
        The h, or the smallest area in pixels, that was chosen on training and validation images.
    sets
        Line (seen, unseen) -> data set -> what ``livecount.evaluation.summarise`` gives.
    result
        The run's ``result.json``.
    lowest, highest
        Values of its map on training and validation images.
    """

    model: str
    seed: int
    threshold: float
    sets: dict[str, dict[str, Scores]]
    parameters: int
    result: dict[str, Any]
    lowest: float
    highest: float

    @property
    def has_learnt(self) -> bool:
        """Tell whether it finds cells of the lines that it learnt from."""
        return self.mean("seen", "f_score_assignment") >= COLLAPSED

    def mean(self, line: str, score: str) -> float:
        """Average a score over the data sets of a line."""
        values = [found[score] for found in self.sets[line].values()]
        return float(np.mean([value for value in values if value is not None]))


class Table:
    """The outcomes by model and seed."""

    def __init__(self, plan: dict[str, Any], outcomes: list[Outcome]) -> None:
        self.names = [model["name"] for model in plan["models"]]
        self.proposed = [model["name"] for model in plan["models"] if model.get("proposed")]
        self.others = [name for name in self.names if name not in self.proposed]
        self.outcomes = outcomes
        self.sets = {line: list(found) for line, found in outcomes[0].sets.items()}

    def values(self, name: str, value: Callable[[Outcome], float]) -> np.ndarray:
        """Give a value of a model for every seed, in the order of the seeds."""
        return np.array([value(one) for one in self.outcomes if one.model == name])

    def best(self, names: list[str], line: str, score: str) -> str:
        """Name the model with the highest mean."""
        return max(names, key=lambda name: self.values(name, mean_of(line, score)).mean())

    def difference(self, name: str, other: str, line: str, score: str) -> np.ndarray:
        """Subtract another model's score, seed by seed."""
        value = mean_of(line, score)
        return self.values(name, value) - self.values(other, value)


def mean_of(line: str, score: str) -> Callable[[Outcome], float]:
    """Give the function that averages a score over a line's data sets."""
    return lambda outcome: outcome.mean(line, score)


def report(plan: dict[str, Any], outcomes: list[Outcome], origin: dict[str, str]) -> str:
    """Write all tables and what they say."""
    table = Table(plan, outcomes)
    seeds = len({outcome.seed for outcome in outcomes})
    lines = ["# The paper's comparison, on other images", "", INTRODUCTION.format(seeds=seeds)]
    for score, title in SCORES.items():
        lines += ["", f"## {title}", "", *score_table(table, score)]
    lines += ["", "## Against DeepDistance, seed by seed", "", *difference_table(table)]
    lines += ["", "## What each one is and does", "", *nature_table(table)]
    lines += ["", "## What this says", "", *verdicts(table), *collapses(table)]
    lines += [*learnt_table(table), ""]
    devices = sorted({outcome.result["device"] for outcome in outcomes})
    lines.append(
        f"`{origin['command']}`, {origin['date']}, commit {origin['commit']}, "
        f"{origin['machine']}; trained on: {', '.join(devices)}."
    )
    return "\n".join(lines) + "\n"


def score_table(table: Table, score: str) -> list[str]:
    """Give a row a model, a column a data set and a line."""
    head = ["model"]
    for line, sets in table.sets.items():
        head += [*(f"{of_set} ({line})" for of_set in sets), f"**{line}, mean**"]
    rows = [f"| {' | '.join(head)} |", "|---|" + "---:|" * (len(head) - 1)]
    for name in table.names:
        cells = []
        for line, sets in table.sets.items():
            cells += [spread(table.values(name, value_of(line, of_set, score))) for of_set in sets]
            cells.append(f"**{spread(table.values(name, mean_of(line, score)))}**")
        shown = f"**{name}**" if name in table.proposed else name
        rows.append(f"| {shown} | {' | '.join(cells)} |")
    return rows


def value_of(line: str, of_set: str, score: str) -> Callable[[Outcome], float]:
    """Give the function that takes one score of one data set."""

    def value(outcome: Outcome) -> float:
        found = outcome.sets[line][of_set][score]
        return float("nan") if found is None else float(found)

    return value


def difference_table(table: Table) -> list[str]:
    """Give each model's distance from the first one, paired by seed."""
    first = table.names[0]
    columns = [(line, score) for score in SCORES for line in table.sets]
    titles = [
        f"{line}, {'paper' if score == 'f_score' else 'one to one'}" for line, score in columns
    ]
    rows = [f"| model | {' | '.join(titles)} |", "|---|" + "---:|" * len(columns)]
    for name in table.names[1:]:
        cells = [
            spread(table.difference(name, first, line, score), signed=True)
            for line, score in columns
        ]
        rows.append(f"| {name} | {' | '.join(cells)} |")
    return rows


def nature_table(table: Table) -> list[str]:
    """Give size, cost, choice, precision and recall of each model."""
    rows = [
        "| model | parameters | training, s | h or area chosen | "
        + " | ".join(f"{line}: precision, recall, count bias" for line in table.sets)
        + " |",
        "|---|---:|---:|---|" + "---:|" * len(table.sets),
    ]
    for name in table.names:
        own = [outcome for outcome in table.outcomes if outcome.model == name]
        cells = []
        for line in table.sets:
            keys = ("precision_assignment", "recall_assignment", "count_bias_percent")
            means = [float(np.mean([one.mean(line, key) for one in own])) for key in keys]
            cells.append(f"{means[0]:.1f}, {means[1]:.1f}, {means[2]:+.0f} %")
        seconds = float(np.mean([one.result["seconds"] for one in own]))
        choices = ", ".join(f"{one.threshold:.3g}" for one in own)
        rows.append(
            f"| {name} | {own[0].parameters:,} | {seconds:.0f} | {choices} | {' | '.join(cells)} |"
        )
    return rows


def verdicts(table: Table) -> list[str]:
    """Say in words who is ahead, and whether the seeds agree."""
    lines = []
    for line in table.sets:
        for score, title in SCORES.items():
            proposed = table.best(table.proposed, line, score)
            other = table.best(table.others, line, score)
            ahead = table.difference(proposed, other, line, score)
            agree = int((ahead > 0).sum())
            won = "ahead of" if ahead.mean() > 0 else "**not ahead** of"
            lines.append(
                f"- {line} lines, {title[0].lower() + title[1:]}: the better multi-task model, "
                f"{proposed}, is {won} the best other, {other}, by {spread(ahead, signed=True)} "
                f"points (ahead with {agree} of {len(ahead)} seeds); "
                f"{where_from(table, proposed, other, line)}."
            )
    return lines


def collapses(table: Table) -> list[str]:
    """Name what found next to nothing even on seen lines: its mean says little of the network."""
    found = [
        f"{one.model} with seed {one.seed} (its map lies between {one.lowest:.2g} and "
        f"{one.highest:.2g})"
        for one in table.outcomes
        if not one.has_learnt
    ]
    line = (
        f"- Next to nothing was found, also on seen lines (f below {COLLAPSED:g}), by: "
        f"{'; '.join(found)}. Where a sigmoid p has come near 0 everywhere, it hardly moves again: "
        "the squared error, by which the paper trains all of them, reaches it times p (1 - p). The "
        "tables above count such runs too; the last one does not."
    )
    return [line] if found else []


def learnt_table(table: Table) -> list[str]:
    """Give the means of the runs that learnt, beside DeepDistance's with the same seeds."""
    if all(one.has_learnt for one in table.outcomes):
        return []
    columns = [(line, score) for score in SCORES for line in table.sets]
    titles = [
        f"{line}, {'paper' if score == 'f_score' else 'one to one'}" for line, score in columns
    ]
    rows = ["", "## The runs that learnt", ""]
    rows += [f"| model | seeds | {' | '.join(titles)} |", "|---|---|" + "---:|" * len(columns)]
    for name in table.names:
        own = [one for one in table.outcomes if one.model == name and one.has_learnt]
        seeds = [one.seed for one in own]
        first = [o for o in table.outcomes if o.model == table.names[0] and o.seed in seeds]
        cells = [beside(own, first, line, score) for line, score in columns]
        rows.append(f"| {name} | {', '.join(map(str, seeds)) or 'none'} | {' | '.join(cells)} |")
    return [*rows, "", f"In brackets: against {table.names[0]} with the same seeds."]


def beside(own: list[Outcome], first: list[Outcome], line: str, score: str) -> str:
    """Write a mean over runs and how far it lies from that of others."""
    if not own:
        return "-"
    mean, other = (float(np.mean([one.mean(line, score) for one in of])) for of in (own, first))
    return f"{mean:.1f}" if own == first else f"{mean:.1f} ({mean - other:+.1f})"


def where_from(table: Table, name: str, other: str, line: str) -> str:
    """Take a difference apart: precision and recall, and the sets that make it."""
    parts = [
        f"{word} {table.difference(name, other, line, f'{word}_assignment').mean():+.1f}"
        for word in ("precision", "recall")
    ]
    by_set = {
        of_set: (
            table.values(name, value_of(line, of_set, "f_score_assignment"))
            - table.values(other, value_of(line, of_set, "f_score_assignment"))
        ).mean()
        for of_set in table.sets[line]
    }
    worst, best = min(by_set, key=by_set.__getitem__), max(by_set, key=by_set.__getitem__)
    return (
        f"{', '.join(parts)}; one to one from {by_set[worst]:+.1f} on {worst} to "
        f"{by_set[best]:+.1f} on {best}"
    )


def spread(values: np.ndarray, *, signed: bool = False) -> str:
    """Write mean and standard deviation over seeds; of one seed the value alone."""
    mean = f"{values.mean():+.1f}" if signed else f"{values.mean():.1f}"
    return mean if len(values) < 2 else f"{mean} ± {values.std(ddof=1):.1f}"
