"""The runtime that counts: the fastest that works here, or the one that was asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from livecount.errors import EngineError
from livecount.inference.runtimes import REFERENCE, RUNTIMES, Runtime
from livecount.inference.trial import Trial, try_runtime

if TYPE_CHECKING:
    from livecount.frame import FloatArray
    from livecount.inference.models import Model

__all__ = [
    "RUNTIME_NAMES",
    "Choice",
    "ChosenEngine",
    "choose_among",
    "choose_runtime",
    "open_engine",
    "try_all",
]

AUTO: Final = "auto"
RUNTIME_NAMES: Final = (AUTO, *RUNTIMES)


@dataclass(frozen=True, slots=True)
class Choice:
    """Which runtime counts, why, in words, and which could count once their engine is built."""

    runtime: Runtime
    why: str
    to_build: tuple[Runtime, ...] = ()


def try_all(
    model: Model,
    threads: int,
    *,
    again: bool = False,
    on_tried: Callable[[], object] = lambda: None,
) -> dict[str, Trial]:
    """Try every runtime on a model, each in a child process.

    Parameters
    ----------
    again
        Try also what was tried before on this machine.
    on_tried
        Called after each.

    Returns
    -------
    dict
        By name, in the order of :data:`livecount.inference.runtimes.RUNTIMES`.
    """
    trials: dict[str, Trial] = {}
    for runtime in RUNTIMES.values():
        trials[runtime.name] = try_runtime(runtime, model, threads, again=again)
        on_tried()
    return trials


def choose_among(trials: Mapping[str, Trial]) -> Choice:
    """Choose the fastest runtime that works here and finds the cells of the reference.

    Where none does, it is the reference: it says itself, on being opened, what is wrong.
    """
    usable = [name for name in trials if trials[name].usable]
    chosen = min(usable, key=lambda name: trials[name].ms) if usable else REFERENCE
    to_build = tuple(RUNTIMES[name] for name in trials if trials[name].to_build)
    return Choice(RUNTIMES[chosen], _in_words(trials), to_build)


def choose_runtime(model: Model, *, threads: int) -> Choice:
    """Choose by :func:`choose_among`, and try nothing where there is only one to choose."""
    installed = [name for name, runtime in RUNTIMES.items() if runtime.is_installed]
    if installed == [REFERENCE]:
        return Choice(RUNTIMES[REFERENCE], "the only one installed")
    trials = try_all(model, threads)
    return choose_among({name: trials[name] for name in installed})


def _in_words(trials: Mapping[str, Trial]) -> str:
    """Say how the trials went: ``openvino 31 ms a tile, onnxruntime 45 ms a tile``."""
    ordered = sorted(trials, key=lambda name: (not trials[name].usable, trials[name].ms))
    return ", ".join(
        f"{name} {trials[name].ms:.3g} ms a tile"
        if trials[name].usable
        else f"{name} not used: {trials[name].finding}"
        for name in ordered
    )


def open_engine(model: Model, *, runtime: str = AUTO, threads: int = 1) -> ChosenEngine:
    """Load a model into the fastest runtime that is really usable, or into the one named.

    Parameters
    ----------
    runtime
        One of :data:`RUNTIME_NAMES`.
    threads
        CPU threads that inference may use.

    Raises
    ------
    EngineError
        The runtime is unknown, cannot be used here, or refuses the network.
    """
    if runtime not in RUNTIME_NAMES:
        raise EngineError(
            f"There is no runtime {runtime!r}", hint=f"Choose {', '.join(RUNTIME_NAMES)}"
        )
    if runtime == AUTO:
        choice = choose_runtime(model, threads=threads)
    else:
        choice = _asked_for(RUNTIMES[runtime], model, threads)
    return ChosenEngine(choice, model, threads)


def _asked_for(runtime: Runtime, model: Model, threads: int) -> Choice:
    """Take what was asked for; until its engine is built, the reference counts in its place."""
    if runtime.name == REFERENCE:
        return Choice(runtime, "asked for")
    trial = try_runtime(runtime, model, threads)
    if trial.usable:
        return Choice(runtime, "asked for")
    if trial.to_build:
        return Choice(RUNTIMES[REFERENCE], _in_words({runtime.name: trial}), (runtime,))
    raise EngineError(
        f"The runtime {runtime.name!r} cannot be used: {trial.finding}",
        hint=f'{runtime.install}; or set runtime = "{AUTO}" in [counting]',
    )


class ChosenEngine:
    """The engine that counts; when it fails at work the reference goes on, and no frame is lost.

    Attributes
    ----------
    why
        Why this runtime was chosen, in words.
    to_build
        Runtimes that could count once the model's engine is built for them.
    trouble
        Why the reference had to take its place, in words; empty as long as it has not.
    """

    def __init__(self, choice: Choice, model: Model, threads: int) -> None:
        self.why, self.to_build, self.trouble = choice.why, choice.to_build, ""
        self._model, self._threads = model, threads
        self._engine = choice.runtime.open(model, threads)
        self._is_reference = choice.runtime.name == REFERENCE

    @property
    def runtime(self) -> str:
        """Name and version of the runtime and the device that compute now."""
        return self._engine.runtime

    @property
    def precision(self) -> str:
        """Numeric precision of what computes now."""
        return self._engine.precision

    @property
    def max_side_px(self) -> int | None:
        """Longest side of an image that what computes now takes; None: any."""
        return self._engine.max_side_px

    @property
    def memory_share(self) -> float:
        """Working memory a pixel of what computes now, as a share of the model's."""
        return self._engine.memory_share

    def infer(self, image: FloatArray) -> FloatArray:
        """Map a normalised image (y, x), sizes multiples of the model's, to maps (head, y, x).

        Raises
        ------
        EngineError
            The reference failed as well.
        """
        try:
            return self._engine.infer(image)
        except EngineError as error:
            if self._is_reference:
                raise
            reference = RUNTIMES[REFERENCE].open(self._model, self._threads)
            maps = reference.infer(image)
            # Where memory ran out for the reference too, the runtime keeps its place.
            self.trouble = f"{error.message}; {reference.runtime} counts in its place"
        self._engine, self._is_reference = reference, True
        return maps
