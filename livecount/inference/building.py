"""An engine that takes minutes to build is built beside the counting, which then takes it up."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

from livecount.inference.choice import ChosenEngine, open_engine

if TYPE_CHECKING:
    from livecount.inference.models import Model
    from livecount.inference.runtimes import Runtime

__all__ = ["EngineBuild", "LongRunEngine"]


class EngineBuild:
    """A process that builds a model's engine: ``livecount engine build RUNTIME``."""

    def __init__(self, runtime: Runtime, model: Model) -> None:
        self._runtime = runtime
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process
        self._process = subprocess.Popen(
            _command(runtime, model),
            stdin=subprocess.DEVNULL,
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
        with self._said:
            self._said.seek(0)
            lines = self._said.read().decode(errors="replace").strip().splitlines()
        if status == 0:
            return ""
        why = lines[-1] if lines else f"it ended with status {status}"
        return f"The engine for {self._runtime.name} could not be built: {why}"


def _command(runtime: Runtime, model: Model) -> list[str]:
    program = [sys.executable, "-m", "livecount"]
    return [*program, "engine", "build", runtime.name, "--model", str(model.folder.resolve())]


class LongRunEngine:
    """The engine of a run of weeks: what counts now, and what is built beside it.

    Parameters
    ----------
    runtime, threads
        As for :func:`livecount.inference.open_engine`.

    Attributes
    ----------
    counting
        What counts now.
    """

    def __init__(self, model: Model, *, runtime: str, threads: int) -> None:
        self._model, self._runtime, self._threads = model, runtime, threads
        self.counting: ChosenEngine = self._opened()
        self._builds = [EngineBuild(wanted, model) for wanted in self.counting.to_build[:1]]
        self._build_trouble = ""

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
        return self.counting.trouble or self._build_trouble

    def go_over_when_built(self) -> None:
        """Count with what was built, once it is: to be asked between two frames."""
        if not self._builds:
            return
        outcome = self._builds[0].poll()
        if outcome is None:
            return
        self._builds = []
        if outcome:
            self._build_trouble = f"{outcome}; {self.counting.runtime} counts"
        else:
            self.counting = self._opened()

    def _opened(self) -> ChosenEngine:
        return open_engine(self._model, runtime=self._runtime, threads=self._threads)
