"""The calls into the Windows API; importable everywhere, callable on Windows only.

Written from Microsoft's documentation of ``CreateFileW``, ``SetPriorityClass``,
``SetThreadExecutionState``, ``GetProcessAffinityMask`` and ``GetDriveTypeW``; not run on Windows by
this project's tests.
"""

from __future__ import annotations

import ctypes
import ntpath
import os
from typing import Any

__all__ = [
    "ON_WINDOWS",
    "affinity_cores",
    "drive_type",
    "extended_path",
    "lower_cpu_priority",
    "lower_io_priority",
    "open_descriptor",
    "set_execution_state",
]

ON_WINDOWS = os.name == "nt"

GENERIC_READ = 0x80000000
FILE_READ_ATTRIBUTES = 0x0080
FILE_SHARE_READ, FILE_SHARE_WRITE, FILE_SHARE_DELETE = 0x1, 0x2, 0x4
OPEN_EXISTING = 3
FILE_FLAG_BACKUP_SEMANTICS = 0x02000000
FILE_FLAG_OPEN_REPARSE_POINT = 0x00200000
FILE_FLAG_SEQUENTIAL_SCAN = 0x08000000
IDLE_PRIORITY_CLASS = 0x40
BELOW_NORMAL_PRIORITY_CLASS = 0x4000
PROCESS_IO_PRIORITY = 33
IO_PRIORITY_LOW = 1

_VERBATIM = "\\\\?\\"
_DEVICE = "\\\\.\\"


def _library(name: str) -> Any:
    return ctypes.WinDLL(name, use_last_error=True)  # type: ignore[attr-defined,unused-ignore]


def _last_error(path: str | None = None) -> OSError:
    code = ctypes.get_last_error()  # type: ignore[attr-defined,unused-ignore]
    message = ctypes.FormatError(code)  # type: ignore[attr-defined,unused-ignore]
    return OSError(0, message, path, code)


def extended_path(path: str) -> str:
    r"""Give a Windows path the verbatim prefix that lifts the limit of 260 characters.

    Parameters
    ----------
    path
        Any path in Windows syntax; relative paths are made absolute.

    Returns
    -------
    str
        The path with prefix, UNC paths included; device paths and prefixed paths unchanged.

    Examples
    --------
    >>> print(extended_path("D:/frames/a.tif"))
    \\?\D:\frames\a.tif
    >>> print(extended_path(r"\\server\share\a.tif"))
    \\?\UNC\server\share\a.tif
    """
    if path.startswith((_VERBATIM, _DEVICE)):
        return path
    # abspath normalises "/" and "..", which the verbatim prefix would no longer allow.
    absolute = ntpath.abspath(path)
    if absolute.startswith("\\\\"):
        return f"{_VERBATIM}UNC\\{absolute[2:]}"
    return _VERBATIM + absolute


def open_descriptor(path: str, *, read: bool) -> int:
    """Open a file with all sharing flags and return a C file descriptor.

    Parameters
    ----------
    path
        The file, of any length.
    read
        True to read its bytes; False to ask for size and times only, which no other program's
        sharing mode can refuse, and then the link itself where the path is one.

    Raises
    ------
    OSError
        With the Windows error code, mapped by Python to ``FileNotFoundError`` and its like.
    """
    import msvcrt

    kernel = _library("kernel32")
    kernel.CreateFileW.restype = ctypes.c_void_p
    kernel.CreateFileW.argtypes = [
        ctypes.c_wchar_p,
        ctypes.c_uint32,
        ctypes.c_uint32,
        ctypes.c_void_p,
        ctypes.c_uint32,
        ctypes.c_uint32,
        ctypes.c_void_p,
    ]
    kernel.CloseHandle.argtypes = [ctypes.c_void_p]
    handle = kernel.CreateFileW(
        extended_path(path),
        GENERIC_READ if read else FILE_READ_ATTRIBUTES,
        FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
        None,
        OPEN_EXISTING,
        FILE_FLAG_SEQUENTIAL_SCAN
        if read
        else FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT,
        None,
    )
    if handle is None or handle == ctypes.c_void_p(-1).value:
        raise _last_error(path)
    try:
        flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOINHERIT", 0)
        return int(msvcrt.open_osfhandle(handle, flags))  # type: ignore[attr-defined,unused-ignore]
    except OSError:
        kernel.CloseHandle(handle)
        raise


def lower_cpu_priority(*, to_idle: bool = False) -> None:
    """Put this process into the class below normal, or into the idle one.

    Raises
    ------
    OSError
        Where Windows refuses.
    """
    kernel = _library("kernel32")
    kernel.GetCurrentProcess.restype = ctypes.c_void_p
    kernel.SetPriorityClass.argtypes = [ctypes.c_void_p, ctypes.c_uint32]
    priority = IDLE_PRIORITY_CLASS if to_idle else BELOW_NORMAL_PRIORITY_CLASS
    if not kernel.SetPriorityClass(kernel.GetCurrentProcess(), priority):
        raise _last_error()


def lower_io_priority() -> None:
    """Put this process's reads and writes behind those of others.

    ``PROCESS_MODE_BACKGROUND_BEGIN`` would do so too, but also trims the process's memory, which
    inference cannot stand; so only the I/O priority is set.

    Raises
    ------
    OSError
        Where Windows refuses.
    """
    kernel, native = _library("kernel32"), _library("ntdll")
    kernel.GetCurrentProcess.restype = ctypes.c_void_p
    native.NtSetInformationProcess.argtypes = [
        ctypes.c_void_p,
        ctypes.c_int,
        ctypes.c_void_p,
        ctypes.c_uint32,
    ]
    priority = ctypes.c_uint32(IO_PRIORITY_LOW)
    status = native.NtSetInformationProcess(
        kernel.GetCurrentProcess(),
        PROCESS_IO_PRIORITY,
        ctypes.byref(priority),
        ctypes.sizeof(priority),
    )
    if status != 0:
        raise OSError(f"NtSetInformationProcess returned 0x{status & 0xFFFFFFFF:08x}")


def set_execution_state(flags: int) -> None:
    """Call ``SetThreadExecutionState`` for the calling thread.

    Raises
    ------
    OSError
        Where Windows refuses.
    """
    kernel = _library("kernel32")
    kernel.SetThreadExecutionState.argtypes = [ctypes.c_uint32]
    kernel.SetThreadExecutionState.restype = ctypes.c_uint32
    if kernel.SetThreadExecutionState(flags) == 0:
        raise _last_error()


def affinity_cores() -> int:
    """Count the cores that this process may run on; 0 where Windows does not say."""
    kernel = _library("kernel32")
    kernel.GetCurrentProcess.restype = ctypes.c_void_p
    kernel.GetProcessAffinityMask.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]
    process, system = ctypes.c_size_t(), ctypes.c_size_t()
    found = kernel.GetProcessAffinityMask(
        kernel.GetCurrentProcess(), ctypes.byref(process), ctypes.byref(system)
    )
    return process.value.bit_count() if found else 0


def drive_type(root: str) -> int:
    r"""Tell the kind of the drive with root folder ``D:\``, as ``GetDriveTypeW`` numbers it."""
    kernel = _library("kernel32")
    kernel.GetDriveTypeW.argtypes = [ctypes.c_wchar_p]
    return int(kernel.GetDriveTypeW(root))
