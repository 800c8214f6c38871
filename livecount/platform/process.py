"""How livecount behaves towards the machine that it shares with the microscope's software."""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import platform
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

from livecount.platform import windows

__all__ = [
    "end_first",
    "end_with_parent",
    "install_stop_signals",
    "keep_awake",
    "lower_priority",
    "release_memory",
    "usable_cores",
]

NICENESS = 10
_NICENESS_BEHIND_COUNTING = 19
_OOM_SCORE = 700

# ioprio_set(2): who = process, class "best effort", its lowest level. The class "idle" could starve
# livecount for as long as the acquisition streams to the same disk.
_IOPRIO_WHO_PROCESS = 1
_IOPRIO_LOWEST = (2 << 13) | 7
_IOPRIO_SET_SYSCALL = {"x86_64": 251, "aarch64": 30, "riscv64": 30}

_ES_CONTINUOUS = 0x80000000
_ES_SYSTEM_REQUIRED = 0x00000001


def lower_priority(*, behind_counting: bool = False) -> tuple[str, ...]:
    """Let the acquisition go first: lower the CPU and I/O priority of this process.

    Call it early: on Linux threads inherit the priority of the thread that starts them.

    Parameters
    ----------
    behind_counting
        Whether counting goes first as well: what people look at may wait, a count may not.

    Returns
    -------
    tuple of str
        What could not be lowered, in words, for the log; empty when all is well.
    """
    if windows.ON_WINDOWS:
        steps: tuple[tuple[str, Callable[[], None]], ...] = (
            ("CPU", lambda: windows.lower_cpu_priority(to_idle=behind_counting)),
            ("I/O", windows.lower_io_priority),
        )
    else:
        niceness = _NICENESS_BEHIND_COUNTING if behind_counting else NICENESS
        steps = (("CPU", lambda: _lower_niceness(niceness)), ("I/O", _lower_io_priority))
    problems = []
    for what, lower in steps:
        try:
            lower()
        except (OSError, AttributeError) as error:
            problems.append(f"the {what} priority could not be lowered: {error}")
    return tuple(problems)


def end_first() -> None:
    """Ask the kernel, where memory runs out, to end this process before others; Linux only."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(_OOM_SCORE), encoding="ascii")


def end_with_parent() -> None:
    """End this process when the one that started it is gone, even where that one was killed."""
    parent = multiprocessing.parent_process()

    def wait() -> None:
        if parent is not None:
            parent.join()
            os._exit(0)

    threading.Thread(target=wait, name="end-with-parent", daemon=True).start()


def release_memory() -> None:
    """Give back what C's allocator keeps for later; does nothing where it has no such call.

    glibc keeps the buffers of a network's layers, in pieces too scattered to be used again: a
    worker that needs 270 MB held 980 MB after some thousand frames. Takes about 2 ms.
    """
    if platform.system() == "Linux":
        with contextlib.suppress(AttributeError):
            ctypes.CDLL(None).malloc_trim(0)


def _lower_niceness(niceness: int) -> None:
    if os.getpriority(os.PRIO_PROCESS, 0) < niceness:
        os.setpriority(os.PRIO_PROCESS, 0, niceness)


def _lower_io_priority() -> None:
    if platform.system() != "Linux":
        return
    number = _IOPRIO_SET_SYSCALL.get(platform.machine())
    if number is None:
        raise OSError(f"ioprio_set is not known for {platform.machine()}")
    system = ctypes.CDLL(None, use_errno=True)
    if system.syscall(number, _IOPRIO_WHO_PROCESS, 0, _IOPRIO_LOWEST) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def usable_cores() -> int:
    """Count the cores that livecount may keep busy: what it is allowed, less one left free.

    Respects the process's affinity and the CPU quota of its control group (containers).

    Returns
    -------
    int
        At least 1.
    """
    allowed = _affinity_cores()
    quota = _quota_cores(Path("/proc/self/cgroup"), Path("/sys/fs/cgroup"))
    if quota is not None:
        allowed = min(allowed, max(1, int(quota)))
    return max(1, allowed - 1)


def _affinity_cores() -> int:
    if windows.ON_WINDOWS:
        return windows.affinity_cores() or os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _quota_cores(membership: Path, hierarchy: Path) -> float | None:
    """Smallest CPU quota over this process's control groups and their parents, in cores."""
    quotas = []
    try:
        lines = membership.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if controllers == "":
            base, read = hierarchy, _quota_v2
        elif "cpu" in controllers.split(","):
            base, read = hierarchy / controllers, _quota_v1
        else:
            continue
        folder = base / group.lstrip("/")
        while True:
            quota = read(folder)
            if quota is not None:
                quotas.append(quota)
            if folder == base:
                break
            folder = folder.parent
    return min(quotas, default=None)


def _quota_v2(folder: Path) -> float | None:
    try:
        quota, period = (folder / "cpu.max").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return None
    return None if quota == "max" else int(quota) / int(period)


def _quota_v1(folder: Path) -> float | None:
    try:
        quota = int((folder / "cpu.cfs_quota_us").read_text(encoding="ascii"))
        period = int((folder / "cpu.cfs_period_us").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return quota / period if quota > 0 else None


@contextlib.contextmanager
def keep_awake() -> Iterator[None]:
    """Keep the computer from going to sleep while the body runs; the screen may still turn off.

    Does nothing except on Windows, where the request belongs to the calling thread: use it on the
    thread that lives as long as the run.
    """
    if not windows.ON_WINDOWS:
        yield
        return
    windows.set_execution_state(_ES_CONTINUOUS | _ES_SYSTEM_REQUIRED)
    try:
        yield
    finally:
        windows.set_execution_state(_ES_CONTINUOUS)


def install_stop_signals(callback: Callable[[str], object]) -> Callable[[], None]:
    """Call ``callback`` when the user or the system asks the program to end.

    Handles SIGTERM, SIGINT (Ctrl-C) and, on Windows, SIGBREAK (Ctrl-Break, a closed console).
    The first signal only calls ``callback``; a second Ctrl-C interrupts at once, so that a
    shutdown that hangs can still be ended by hand.

    Parameters
    ----------
    callback
        Receives the signal's name. It runs in the main thread between two instructions: it may set
        an event, but must not wait for a lock.

    Returns
    -------
    Callable
        Puts the earlier handlers back.

    Raises
    ------
    ValueError
        Outside the main thread, where Python cannot install handlers.
    """
    names = [name for name in ("SIGTERM", "SIGINT", "SIGBREAK") if hasattr(signal, name)]

    def on_signal(number: int, frame: FrameType | None) -> None:
        del frame
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        callback(signal.Signals(number).name)

    earlier = {name: signal.signal(getattr(signal, name), on_signal) for name in names}

    def restore() -> None:
        for name, handler in earlier.items():
            signal.signal(getattr(signal, name), handler or signal.SIG_DFL)

    return restore
