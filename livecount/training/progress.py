"""What a training run tells while it runs; free of torch, so that any front end may show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = ["TrainingProgress"]


@dataclass(frozen=True, slots=True)
class TrainingProgress:
    """Where a run stands.

    Attributes
    ----------
    step, steps
        Steps done, and steps that the recipe asks for.
    losses
        Head name -> mean training loss since the last report.
    learning_rate
        Of the last step.
    seconds_per_step
        Averaged since the last report.
    validation
        What the last validation measured (``loss`` and, where it was asked for, ``f_score`` in
        percent and the ``h`` that reached it); empty before the first.
    best_step
        The step whose weights are the best so far; None before the first validation.
    history
        One row per validation since the run began, resumed or not: ``step``, ``seconds``, the
        mean training losses since the row before (``train_HEAD``, and all heads together as
        ``train_loss``), and what was measured as in ``validation``.
    """

    step: int
    steps: int
    losses: Mapping[str, float]
    learning_rate: float
    seconds_per_step: float
    validation: Mapping[str, float]
    best_step: int | None
    history: Sequence[Mapping[str, float]] = ()

    @property
    def remaining_s(self) -> float:
        """Seconds that the remaining steps take at the present pace."""
        return (self.steps - self.step) * self.seconds_per_step
