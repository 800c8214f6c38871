"""Curves of growth and counts drawn from them, for the tests of their shape."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from livecount.growth import (
    GrowthFit,
    GrowthRow,
    GrowthSeries,
    fit_wells,
    growth_table,
)

HOURS = np.arange(0, 121, 2.0)
RATE = math.log(2) / 12
FLOOR, PLATEAU = 100.0, 2000.0


def gompertz(times: np.ndarray, lag_h: float, rate: float = RATE) -> np.ndarray:
    """Count cells by Zwietering's equation 11, in his own parameters: A, mu_m and lambda."""
    folds = math.log(PLATEAU / FLOOR)
    return FLOOR * np.exp(folds * np.exp(-np.exp(rate * math.e / folds * (lag_h - times) + 1)))


def logistic(times: np.ndarray, start: float = 100.0, plateau: float = PLATEAU) -> np.ndarray:
    return plateau / (1 + (plateau / start - 1) * np.exp(-RATE * times))


def growing(times: np.ndarray, middle_h: float, width_h: float) -> np.ndarray:
    """Add up the share of cells that are awake, step by step: their hours of growth."""
    fine = np.linspace(-300, 300, 60_001)
    awake = 1 / (1 + np.exp(-(fine - middle_h) / width_h))
    return np.interp(times, fine, np.cumsum(awake) * (fine[1] - fine[0]))


def waiting(times: np.ndarray, plateau: float | None = PLATEAU) -> np.ndarray:
    """Count 100 cells that wake about 20 h after the start, most of them within 10 h."""
    hours = growing(times, 20.0, 2.5) - growing(np.zeros(1), 20.0, 2.5)
    if plateau is None:
        return 100 * np.exp(RATE * hours)
    return plateau / (1 + (plateau / 100 - 1) * np.exp(-RATE * hours))


def tangent_lag(times: np.ndarray, values: np.ndarray) -> float:
    """Draw the tangent at the steepest of many points of ln N, to the level of the first."""
    logs = np.log(values)
    slopes = np.gradient(logs, times)
    at = int(np.argmax(slopes))
    return float(times[at] - (logs[at] - logs[0]) / slopes[at] - times[0])


def noisy(rng: np.random.Generator, truth: np.ndarray, n_wells: int = 4) -> list[GrowthFit]:
    times = np.linspace(0, 120, len(truth))
    return fit_wells([[GrowthSeries(times, rng.poisson(truth))] for _ in range(n_wells)])


def plate(truths: dict[str, list[np.ndarray]], seed: int = 11) -> list[GrowthRow]:
    """Give the growth of wells with Poisson counts, one every two hours, by group."""
    rng = np.random.default_rng(seed)
    table = pd.concat(
        pd.DataFrame(
            {
                "well": f"{group}{number}",
                "group": group,
                "elapsed_h": HOURS[: len(truth)],
                "count": rng.poisson(truth),
            }
        )
        for group, wells in truths.items()
        for number, truth in enumerate(wells, 1)
    )
    return growth_table(table)
