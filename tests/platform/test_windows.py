"""What the Windows module asks of Windows, as far as that can be seen without one.

The library calls are caught and their arguments looked at; the rest of the module is as on Windows.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from livecount.platform import files, process, windows

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows itself is asked there")


class Library:
    """A stand-in for a DLL: keeps what is called, answers what it was given."""

    def __init__(self, **answers: Any) -> None:
        self.called: list[tuple[str, tuple[Any, ...]]] = []
        for name, answer in answers.items():
            setattr(self, name, self._function(name, answer))

    def _function(self, name: str, answer: Any) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            self.called.append((name, arguments))
            return answer(*arguments) if callable(answer) else answer

        return call

    def arguments(self, name: str) -> tuple[Any, ...]:
        (found,) = [arguments for called, arguments in self.called if called == name]
        return found


@pytest.fixture
def as_windows(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Library]:
    def pretend(**answers: Any) -> Library:
        library = Library(**answers)
        monkeypatch.setattr(windows, "ON_WINDOWS", True)
        monkeypatch.setattr(windows, "_library", lambda _: library)
        monkeypatch.setattr(ctypes, "get_last_error", lambda: 32, raising=False)
        monkeypatch.setattr(ctypes, "FormatError", lambda code: f"error {code}", raising=False)
        return library

    return pretend


@pytest.fixture
def descriptors(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[int, Path]:
    """Let handles stand for real files, so that what is read is real."""
    handles: dict[int, Path] = {}
    made = types.ModuleType("msvcrt")
    made.open_osfhandle = lambda handle, flags: os.open(handles[handle], flags)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "msvcrt", made)
    return handles


def test_a_frame_is_opened_with_all_sharing_flags(
    as_windows: Callable[..., Library], descriptors: dict[int, Path], tmp_path: Path
) -> None:
    frame = tmp_path / "frame.tif"
    frame.write_bytes(b"II*\0content")
    descriptors[7] = frame
    library = as_windows(CreateFileW=7, CloseHandle=1)
    with files.open_shared("D:/scans/frame.tif") as handle:
        assert handle.read() == b"II*\0content"
    name, access, share, _, disposition, flags, _ = library.arguments("CreateFileW")
    assert name == "\\\\?\\D:\\scans\\frame.tif"
    assert access == windows.GENERIC_READ
    assert share == 0x1 | 0x2 | 0x4, "the writer must still be able to write, rename and delete"
    assert disposition == windows.OPEN_EXISTING
    assert flags & windows.FILE_FLAG_SEQUENTIAL_SCAN


def test_the_size_is_asked_of_the_file_and_not_of_the_listing(
    as_windows: Callable[..., Library], descriptors: dict[int, Path], tmp_path: Path
) -> None:
    frame = tmp_path / "frame.tif"
    frame.write_bytes(bytes(1234))
    descriptors[8] = frame
    library = as_windows(CreateFileW=8, CloseHandle=1)
    stamp = files.stat_shared("\\\\server\\share\\frame.tif")
    assert stamp == files.FileStamp(1234, frame.stat().st_mtime_ns)
    name, access, share, _, _, flags, _ = library.arguments("CreateFileW")
    assert name == "\\\\?\\UNC\\server\\share\\frame.tif"
    assert access == windows.FILE_READ_ATTRIBUTES, "no sharing mode can refuse attributes alone"
    assert share == 0x1 | 0x2 | 0x4
    assert flags & windows.FILE_FLAG_OPEN_REPARSE_POINT, "a link itself, not what it points to"


@pytest.mark.parametrize("refused", [None, ctypes.c_void_p(-1).value])
def test_a_refusal_is_an_os_error_with_the_path(
    refused: int | None, as_windows: Callable[..., Library], descriptors: dict[int, Path]
) -> None:
    as_windows(CreateFileW=refused, CloseHandle=1)
    with pytest.raises(OSError, match=r"error 32.*frame\.tif"):
        files.open_shared("D:/scans/frame.tif")


def test_a_handle_that_python_cannot_take_is_closed(
    as_windows: Callable[..., Library], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(handle: int, flags: int) -> int:
        raise OSError("too many open files")

    made = types.ModuleType("msvcrt")
    made.open_osfhandle = refuse  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "msvcrt", made)
    library = as_windows(CreateFileW=9, CloseHandle=1)
    with pytest.raises(OSError, match="too many"):
        files.open_shared("D:/a.tif")
    assert library.arguments("CloseHandle") == (9,)


@pytest.mark.parametrize(
    ("path", "extended"),
    [
        ("C:\\" + "long\\" * 80 + "a.tif", "\\\\?\\C:\\" + "long\\" * 80 + "a.tif"),
        ("\\\\server\\share\\a b\\..\\c.tif", "\\\\?\\UNC\\server\\share\\c.tif"),
        ("\\\\?\\D:\\a.tif", "\\\\?\\D:\\a.tif"),
        ("\\\\.\\PhysicalDrive0", "\\\\.\\PhysicalDrive0"),
        ("D:/mixed\\slashes/a.tif", "\\\\?\\D:\\mixed\\slashes\\a.tif"),
    ],
)
def test_long_and_network_paths(path: str, extended: str) -> None:
    assert windows.extended_path(path) == extended


def test_priorities_are_lowered_and_refusals_told(as_windows: Callable[..., Library]) -> None:
    library = as_windows(GetCurrentProcess=-1, SetPriorityClass=1, NtSetInformationProcess=0)
    assert process.lower_priority() == ()
    assert library.arguments("SetPriorityClass") == (-1, windows.BELOW_NORMAL_PRIORITY_CLASS)
    assert library.arguments("NtSetInformationProcess")[:2] == (-1, windows.PROCESS_IO_PRIORITY)
    library = as_windows(GetCurrentProcess=-1, SetPriorityClass=1, NtSetInformationProcess=0)
    assert process.lower_priority(behind_counting=True) == ()
    assert library.arguments("SetPriorityClass") == (-1, windows.IDLE_PRIORITY_CLASS)
    as_windows(GetCurrentProcess=-1, SetPriorityClass=0, NtSetInformationProcess=-1073741790)
    problems = process.lower_priority()
    assert len(problems) == 2
    assert "0xc0000022" in problems[1]


def test_the_computer_stays_awake_while_the_run_lasts_and_no_longer(
    as_windows: Callable[..., Library],
) -> None:
    library = as_windows(SetThreadExecutionState=1)
    with process.keep_awake():
        assert library.called == [("SetThreadExecutionState", (0x80000001,))]
    assert library.called[1:] == [("SetThreadExecutionState", (0x80000000,))]


def test_cores_are_counted_by_affinity(as_windows: Callable[..., Library]) -> None:
    def answer(_: Any, mask: Any, __: Any) -> int:
        mask._obj.value = 0b10110
        return 1

    as_windows(GetCurrentProcess=-1, GetProcessAffinityMask=answer)
    assert process.usable_cores() <= 2


def test_ctrl_break_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGBREAK exists on Windows only; another free signal stands for it."""
    monkeypatch.setattr(signal, "SIGBREAK", signal.SIGUSR1, raising=False)
    asked: list[str] = []
    restore = process.install_stop_signals(asked.append)
    try:
        os.kill(os.getpid(), signal.SIGUSR1)
    finally:
        restore()
    assert asked == ["SIGUSR1"]
