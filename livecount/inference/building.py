"""An engine that takes minutes to build is built beside the counting, which then takes it up."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

from livecount.errors import EngineError
from livecount.inference.choice import ChosenEngine, open_engine
from livecount.inference.runtimes import REFERENCE

if TYPE_CHECKING:
    from livecount.inference.models import Model
    from livecount.inference.runtimes import Runtime

__all__ = ["EngineBuild", "LongRunEngine"]


class EngineBuild:
    """A process that builds a model's engine: ``livecount engine build RUNTIME``.

    It ends with the process that started it, however that ends: their pipe closes then.
    """

    def __init__(self, runtime: Runtime, model: Model) -> None:
        self._runtime = runtime
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process
        self._process = subprocess.Popen(
            _command(runtime, model),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=self._said,
        )

    def poll(self) -> str | None:
        """Tell how it went: None while it goes on, empty when it is built, else what went wrong.

        Not to be asked again after an answer.
        """
        status = self._process.poll()
        if status is None:
            return None
        if self._process.stdin is not None:
            self._process.stdin.close()
        with self._said:
            self._said.seek(0)
            lines = self._said.read().decode(errors="replace").strip().splitlines()
        if status == 0:
            return ""
        errors = [line for line in lines if line.startswith("error:")]
        why = errors[-1] if errors else ", ".join([_how_it_ended(status), *lines[-1:]])
        return f"The engine for {self._runtime.name} could not be built: {why}"


def _command(runtime: Runtime, model: Model) -> list[str]:
    program = [sys.executable, "-m", "livecount"]
    options = ["--model", str(model.folder.resolve()), "--while-stdin"]
    return [*program, "engine", "build", runtime.name, *options]


def _how_it_ended(status: int) -> str:
    return f"signal {-status} ended it" if status < 0 else f"it ended with status {status}"


class LongRunEngine:
    """The engine of a run of weeks: what counts now, and what is built beside it.

    Parameters
    ----------
    runtime, threads
        As for :func:`livecount.inference.open_engine`.
    mistrust
        Why only the reference may count, in words; empty where any may.

    Attributes
    ----------
    counting
        What counts now.
    """

    def __init__(self, model: Model, *, runtime: str, threads: int, mistrust: str = "") -> None:
        self._model, self._threads = model, threads
        self._runtime = REFERENCE if mistrust else runtime
        self.counting: ChosenEngine = self._opened()
        self._builds = [EngineBuild(wanted, model) for wanted in self.counting.to_build[:1]]
        self._trouble = f"{mistrust}; {self.counting.runtime} counts" if mistrust else ""

    @property
    def words(self) -> str:
        """Runtime and precision, why they were chosen, and what is being built."""
        engine = self.counting
        words = f"{engine.runtime}, {engine.precision}"
        if not engine.trouble:
            words += f" ({engine.why})"
        return f"{words}; a faster engine is being built" if self._builds else words

    @property
    def trouble(self) -> str:
        """Why what should count does not; empty where all is well."""
        return self.counting.trouble or self._trouble

    def go_over_when_built(self) -> None:
        """Count with what was built, once it is: to be asked between two frames."""
        if not self._builds:
            return
        outcome = self._builds[0].poll()
        if outcome is None:
            return
        self._builds = []
        if not outcome:
            outcome = self._go_over()
        if outcome:
            self._trouble = f"{outcome}; {self.counting.runtime} counts"

    def _go_over(self) -> str:
        """Open what was built; gives what went wrong, in words."""
        try:
            opened = self._opened()
        except EngineError as error:
            return error.message
        if opened.to_build:
            return f"An engine was built, but does not load: {opened.why}"
        self.counting = opened
        return ""

    def _opened(self) -> ChosenEngine:
        return open_engine(self._model, runtime=self._runtime, threads=self._threads)
