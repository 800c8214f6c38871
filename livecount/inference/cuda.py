"""The NVIDIA GPU: whether there is one, its memory and its stream. Nothing else speaks to CUDA."""

from __future__ import annotations

import ctypes
import sys
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final
from weakref import finalize

import numpy as np
import numpy.typing as npt

from livecount.errors import EngineError

__all__ = ["Device", "Mirror", "Stream", "find_device", "require_driver"]

_HINTS: Final = {
    "cudaErrorInsufficientDriver": "Update the driver of the graphics card",
    "cudaErrorNoDevice": "`nvidia-smi` says which graphics cards the driver sees",
    "cudaErrorMemoryAllocation": "Close other programs that use the graphics card",
}
_DRIVER: Final = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"


@dataclass(frozen=True, slots=True)
class Device:
    """The GPU that computes: name and compute capability, for which an engine is built."""

    name: str
    capability: tuple[int, int]


def find_device() -> Device:
    """Find the GPU, or say why there is none. To be asked before anything else of CUDA.

    Without a driver some of NVIDIA's libraries end the process instead of raising an error.

    Raises
    ------
    EngineError
        There is no driver, no GPU, or the CUDA bindings are missing.
    """
    require_driver()
    runtime = _runtime()
    found: int = _checked(runtime.cudaGetDeviceCount(), "count the GPUs")
    if not found:
        raise EngineError("The NVIDIA driver sees no GPU", hint="`nvidia-smi` says what it sees")
    properties = _checked(runtime.cudaGetDeviceProperties(0), "ask the GPU what it is")
    return Device(properties.name.decode(), (properties.major, properties.minor))


def require_driver() -> None:
    """Do nothing where there is an NVIDIA driver.

    Raises
    ------
    EngineError
        There is none.
    """
    try:
        ctypes.CDLL(_DRIVER)
    except OSError as error:
        raise EngineError(
            f"There is no NVIDIA driver ({_DRIVER} is missing)",
            hint="Install the driver of the graphics card, if there is an NVIDIA one",
        ) from error


def _runtime() -> ModuleType:
    try:
        from cuda.bindings import runtime
    except ImportError as error:
        raise EngineError(
            f"CUDA's Python bindings cannot be used: {error}",
            hint="pip install 'livecount[tensorrt-rtx]'",
        ) from error
    module: ModuleType = runtime
    return module


def _checked(answer: tuple[Any, ...], what: str) -> Any:
    """Take the value of an answer of CUDA's, whose first part is its error."""
    error, *values = answer
    if int(error) != 0:
        hint = _HINTS.get(error.name, "Restart the computer")
        raise EngineError(f"CUDA could not {what}: {error.name}", hint=hint)
    return values[0] if values else None


class Stream:
    """A queue of work on the GPU of its own, so that nobody else's is waited for."""

    def __init__(self) -> None:
        self._runtime = _runtime()
        self.handle: int = int(_checked(self._runtime.cudaStreamCreate(), "open a stream"))
        finalize(self, self._runtime.cudaStreamDestroy, self.handle).atexit = False

    def wait(self) -> None:
        """Wait until all that was asked of it is done."""
        _checked(self._runtime.cudaStreamSynchronize(self.handle), "finish its work")


class Mirror:
    """Memory on the GPU and as much page-locked memory here, between which copies are fastest.

    Parameters
    ----------
    n_values
        How many float32 values.
    """

    def __init__(self, n_values: int) -> None:
        self._runtime = _runtime()
        self._n_bytes = 4 * n_values
        self.address: int = int(
            _checked(self._runtime.cudaMalloc(self._n_bytes), "reserve memory on the GPU")
        )
        try:
            locked = _checked(self._runtime.cudaMallocHost(self._n_bytes), "lock memory for copies")
        except EngineError:
            self._runtime.cudaFree(self.address)
            raise
        self._host: int = int(locked)
        self._freed = finalize(self, _free, self._runtime, self.address, self._host)
        self._freed.atexit = False
        buffer = (ctypes.c_float * n_values).from_address(self._host)
        self.here: npt.NDArray[np.float32] = np.frombuffer(buffer, np.float32)

    def copy_up(self, stream: Stream, n_values: int) -> None:
        """Ask for the first values to be copied to the GPU."""
        self._copy(self.address, self._host, n_values, "cudaMemcpyHostToDevice", stream)

    def copy_down(self, stream: Stream, n_values: int) -> None:
        """Ask for the first values to be copied from the GPU."""
        self._copy(self._host, self.address, n_values, "cudaMemcpyDeviceToHost", stream)

    def close(self) -> None:
        """Give both back, as happens to one that nobody holds any more."""
        self._freed()

    def _copy(self, to: int, of: int, n_values: int, kind: str, stream: Stream) -> None:
        direction = getattr(self._runtime.cudaMemcpyKind, kind)
        answer = self._runtime.cudaMemcpyAsync(to, of, 4 * n_values, direction, stream.handle)
        _checked(answer, "copy between memories")


def _free(runtime: ModuleType, address: int, host: int) -> None:
    runtime.cudaFree(address)
    runtime.cudaFreeHost(host)
