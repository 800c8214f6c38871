"""Trying a runtime in a child process: does it work here, does it agree, and how fast is it.

A broken installation or an old driver can end the process that asks (TensorRT without a driver
does, OpenVINO on some servers did). So the question is put to a child:

    python -m livecount.inference.trial RUNTIME MODEL_FOLDER THREADS

which prints one line of JSON. What was found of a runtime on the CPU is kept in the user's cache
folder until livecount, the runtime, the model or the machine is another one.
"""

from __future__ import annotations

import hashlib
import json
import platform
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import platformdirs

from livecount import __version__
from livecount.errors import EngineError, EngineNotBuiltError, LivecountError
from livecount.inference.models import read_model
from livecount.inference.runtimes import REFERENCE, RUNTIMES, Runtime

if TYPE_CHECKING:
    from livecount.inference.models import Model

__all__ = ["Trial", "forget_trial", "try_runtime"]

_PATIENCE_S: Final = 50.0
"""Importing and compiling took 2 s on two cores; a worker is given 120 s to start."""
_TIMED: Final = 7


@dataclass(frozen=True, slots=True)
class Trial:
    """What became of trying a runtime.

    Attributes
    ----------
    finding
        Why it cannot be used; empty where it can.
    ms
        Shortest time of a golden tile in milliseconds, where it can be used: what else the machine
        does at the time makes some slower, and none faster. On one thread of the CPU its own time.
    to_build
        It could be used if the model's engine were built for it.
    mend
        A command that may mend it; empty where none may.
    """

    finding: str
    ms: float = 0.0
    to_build: bool = False
    mend: str = ""

    @property
    def usable(self) -> bool:
        """Whether it may count."""
        return not self.finding


def try_runtime(runtime: Runtime, model: Model, threads: int, *, again: bool = False) -> Trial:
    """Try a runtime on a model, in a child process, or recall how that went on this machine.

    Returns
    -------
    Trial
        Never raises for what is wrong with the runtime: that is what is asked.
    """
    if not runtime.is_installed:
        return Trial(f"it is not installed ({runtime.install})")
    try:
        runtime.require()
    except EngineError as error:
        return Trial(str(error))
    kept = _kept_at(runtime, model, threads)
    recalled = None if again or not runtime.is_remembered else _recall(kept)
    if recalled is not None:
        return recalled
    trial = _ask_child(runtime, model, threads)
    if trial.usable and runtime.is_remembered:  # What failed may have been mended by then.
        _keep(trial, kept)
    return trial


def forget_trial(runtime: Runtime, model: Model, threads: int) -> None:
    """Have a runtime tried anew the next time: what was found of it does not hold any more."""
    with suppress(OSError):
        _kept_at(runtime, model, threads).unlink()


def _kept_at(runtime: Runtime, model: Model, threads: int) -> Path:
    """Name the file of an outcome after all that it depends on."""
    depends_on = (
        __version__, runtime.name, runtime.version, runtime.revision, model.onnx_sha256, threads,
        platform.platform(), platform.processor(), platform.node(), platform.python_version(),
    )  # fmt: skip
    digest = hashlib.sha256(json.dumps(depends_on).encode()).hexdigest()[:32]
    folder = Path(platformdirs.user_cache_dir("livecount", appauthor=False)) / "trials"
    return folder / f"{runtime.name}-{digest}.json"


def _recall(path: Path) -> Trial | None:
    try:
        return Trial(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _keep(trial: Trial, path: Path) -> None:
    """Write it whole or not at all; without a place to write, the next start asks again."""
    temporary = path.with_suffix(f".{time.time_ns()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(asdict(trial)), encoding="utf-8")
        temporary.replace(path)
    except OSError:
        return


def _ask_child(runtime: Runtime, model: Model, threads: int) -> Trial:
    command = [sys.executable, "-m", __name__, runtime.name, str(model.folder), str(threads)]
    try:
        asked = subprocess.run(command, capture_output=True, timeout=_PATIENCE_S, check=False)
    except subprocess.TimeoutExpired:
        return Trial(f"it did not answer within {_PATIENCE_S:.0f} s", mend=runtime.install)
    except OSError as error:
        return Trial(f"it could not be tried: {error}")
    try:
        return Trial(**json.loads(asked.stdout.splitlines()[-1]))
    except (IndexError, ValueError, TypeError):
        said = asked.stderr.decode(errors="replace").strip().splitlines()[-1:]
        return Trial(": ".join([_how_it_ended(asked.returncode), *said]), mend=runtime.install)


def _how_it_ended(status: int) -> str:
    if status < 0:
        try:
            return f"it crashed the process that tried it ({signal.Signals(-status).name})"
        except ValueError:
            return f"it crashed the process that tried it (signal {-status})"
    return f"the process that tried it ended with status {status}"


def _judge(name: str, folder: Path, threads: int) -> Trial:
    """Open, compare with the golden tiles, and time: in the child."""
    from livecount.inference.golden import read_golden

    model = read_model(folder)
    engine = RUNTIMES[name].open(model, threads)
    golden = read_golden(model)
    difference = golden.find_difference(model, engine)
    if difference and name != REFERENCE:
        return Trial(f"its cells differ from those of {REFERENCE}: {difference}")
    # One thread's own time leaves out what else the machine does meanwhile. A graphics card's work
    # is not in it, nor that threads wait for each other.
    is_alone = threads == 1 and RUNTIMES[name].is_remembered
    clock = time.process_time if is_alone else time.perf_counter
    took_ms = []
    for _ in range(_TIMED):
        began = clock()
        engine.infer(golden.images[0])
        took_ms.append(1000 * (clock() - began))
    return Trial("", round(min(took_ms), 2))


def _answer(name: str, folder: str, threads: str) -> None:
    try:
        trial = _judge(name, Path(folder), int(threads))
    except EngineNotBuiltError as error:
        trial = Trial(str(error), to_build=True)
    except LivecountError as error:
        trial = Trial(str(error))
    except (ImportError, OSError) as error:
        trial = Trial(str(error), mend=RUNTIMES[name].install)
    sys.stdout.write(json.dumps(asdict(trial)) + "\n")


if __name__ == "__main__":
    _answer(*sys.argv[1:])
