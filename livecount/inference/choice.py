"""The runtime that counts: the fastest that works here, or the one that was asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import numpy as np

from livecount.errors import EngineError, EngineReplacedError
from livecount.inference.runtimes import REFERENCE, RUNTIMES, Runtime
from livecount.inference.trial import Trial, forget_trial, try_runtime

if TYPE_CHECKING:
    from livecount.frame import FloatArray
    from livecount.inference import Engine
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
    """Which runtime counts, why, in words, and which could count once their engine is built.

    Attributes
    ----------
    stands_in
        Another runtime was asked for, whose engine is not built.
    """

    runtime: Runtime
    why: str
    to_build: tuple[Runtime, ...] = ()
    stands_in: bool = False


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


def choose_runtime(
    model: Model, *, threads: int, failed: Mapping[str, str] = MappingProxyType({})
) -> Choice:
    """Choose by :func:`choose_among`, and try nothing where there is only one to choose.

    Parameters
    ----------
    failed
        Runtimes that are not to be taken, and why.
    """
    installed = [name for name, runtime in RUNTIMES.items() if runtime.is_installed]
    if installed == [REFERENCE]:
        return Choice(RUNTIMES[REFERENCE], "the only one installed")
    trials = try_all(model, threads)
    trials |= {name: Trial(finding) for name, finding in failed.items()}
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
        return _open_fastest(model, threads)
    choice = _asked_for(RUNTIMES[runtime], model, threads)
    try:
        return ChosenEngine(choice, model, threads)
    except EngineError:
        forget_trial(choice.runtime, model, threads)
        raise


def _open_fastest(model: Model, threads: int) -> ChosenEngine:
    """Open the fastest; one that does not open here, though its trial went well, is passed over."""
    failed: dict[str, str] = {}
    while True:
        choice = choose_runtime(model, threads=threads, failed=failed)
        try:
            return ChosenEngine(choice, model, threads)
        except Exception as error:
            if choice.runtime.name == REFERENCE:
                raise
            failed[choice.runtime.name] = _words_of(error)
            forget_trial(choice.runtime, model, threads)


def _asked_for(runtime: Runtime, model: Model, threads: int) -> Choice:
    """Take what was asked for; until its engine is built, the reference counts in its place."""
    if runtime.name == REFERENCE:
        return Choice(runtime, "asked for")
    trial = try_runtime(runtime, model, threads)
    if trial.usable:
        return Choice(runtime, "asked for")
    if trial.to_build:
        words = _in_words({runtime.name: trial})
        return Choice(RUNTIMES[REFERENCE], words, (runtime,), stands_in=True)
    instead = f'set runtime = "{AUTO}" in [counting]'
    raise EngineError(
        f"The runtime {runtime.name!r} cannot be used: {trial.finding}",
        hint=f"{trial.mend}, or {instead}" if trial.mend else instead.capitalize(),
    )


def _words_of(error: Exception) -> str:
    """Say what went wrong in one line; what a library raises may not even say its kind."""
    if isinstance(error, EngineError):
        return error.message
    return " ".join(f"{type(error).__name__}: {error}".split())


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
    is_reference
        Whether the reference counts, for whatever reason.
    """

    def __init__(self, choice: Choice, model: Model, threads: int) -> None:
        self.why, self.to_build, self.trouble = choice.why, choice.to_build, ""
        self._stands_in = choice.stands_in
        self._model, self._threads = model, threads
        self._engine = choice.runtime.open(model, threads)
        self.is_reference = choice.runtime.name == REFERENCE
        self._failed: tuple[Engine, str] | None = None

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

    @property
    def reservation(self) -> str:
        """Why what was asked for does not count, in words; empty where it does."""
        if self._stands_in and not self.trouble:
            return f"{self.why}; {self.runtime} counts in its place"
        return self.trouble

    def infer(self, image: FloatArray) -> FloatArray:
        """Map a normalised image (y, x), sizes multiples of the model's, to maps (head, y, x).

        Raises
        ------
        EngineReplacedError
            The runtime failed, and the reference has taken its place: the frame is to be done
            again, in tiles of the reference's size.
        EngineError
            The reference failed. Where it had just taken a runtime's place, that has it back:
            memory may have run out for both.
        """
        if self.is_reference:
            return self._infer_by_reference(image)
        try:
            maps = self._engine.infer(image)
            if not np.isfinite(maps).all():
                raise EngineError(f"{self.runtime} drew maps that are no numbers")
        except Exception as error:  # whatever a library raises: the reference may do without
            self._replace(error)
            raise EngineReplacedError(
                _words_of(error), hint="See `livecount engine list`"
            ) from error
        return maps

    def _replace(self, error: Exception) -> None:
        self._failed = self._engine, _words_of(error)
        self._engine = RUNTIMES[REFERENCE].open(self._model, self._threads)
        self.is_reference = True

    def _infer_by_reference(self, image: FloatArray) -> FloatArray:
        try:
            maps = self._engine.infer(image)
        except EngineError:
            if self._failed is not None:
                self._engine, self.is_reference = self._failed[0], False
                self._failed = None
            raise
        if self._failed is not None:
            self.trouble = f"{self._failed[1]}; {self.runtime} counts in its place"
            self._failed = None
        return maps
