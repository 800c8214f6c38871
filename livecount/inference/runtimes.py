"""Which runtimes there are, what each needs, and how each is opened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from livecount.inference.cuda import require_driver

if TYPE_CHECKING:
    from livecount.inference import Engine
    from livecount.inference.models import Model

__all__ = ["REFERENCE", "RUNTIMES", "Runtime"]

REFERENCE: Final = "onnxruntime"
"""In fp32 on the CPU: always there, and right by definition."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """A library that computes networks, of which livecount may use one.

    Attributes
    ----------
    name
        As in ``runtime`` of ``[counting]``.
    module, package
        What is imported, and the package that brings it.
    install
        The command that installs it.
    open
        Makes an engine of a model that may use so many threads.
    require
        Raises EngineError where something outside Python is missing, at no cost and no risk.
    by_package
        Several packages bring the module, and only this one the runtime.
    revision
        Of livecount's own way to compute with it: another one is tried anew on every machine.
    is_remembered
        Whether a trial holds until something that can be asked has changed. Graphics cards and
        their drivers change, or are taken by others, and only a trial tells.
    """

    name: str
    module: str
    package: str
    install: str
    open: Callable[[Model, int], Engine]
    require: Callable[[], None] = lambda: None
    by_package: bool = False
    revision: int = 1
    is_remembered: bool = True

    @property
    def is_installed(self) -> bool:
        """Tell whether it is there, without importing it: that alone may crash."""
        if self.by_package:
            return bool(self.version)
        return find_spec(self.module) is not None

    @property
    def version(self) -> str:
        """Version of the package; empty where it is not known."""
        try:
            return metadata.version(self.package)
        except metadata.PackageNotFoundError:
            return ""


def _open_onnx_runtime(model: Model, threads: int) -> Engine:
    from livecount.inference.onnx_runtime import OnnxRuntimeEngine

    return OnnxRuntimeEngine(model, threads=threads)


def _open_onnx_runtime_cuda(model: Model, threads: int) -> Engine:
    from livecount.inference.onnx_runtime import OnnxRuntimeEngine

    return OnnxRuntimeEngine(model, threads=threads, device="CUDA")


def _open_onnx_runtime_directml(model: Model, threads: int) -> Engine:
    from livecount.inference.onnx_runtime import OnnxRuntimeEngine

    return OnnxRuntimeEngine(model, threads=threads, device="DirectML")


def _open_openvino(model: Model, threads: int) -> Engine:
    from livecount.inference.openvino import OpenVinoEngine

    return OpenVinoEngine(model, threads=threads)


def _open_tensorrt(model: Model, threads: int) -> Engine:  # noqa: ARG001
    from livecount.inference.tensorrt import TensorRtEngine

    return TensorRtEngine(model, module="tensorrt")


def _open_tensorrt_rtx(model: Model, threads: int) -> Engine:  # noqa: ARG001
    from livecount.inference.tensorrt import TensorRtEngine

    return TensorRtEngine(model, module="tensorrt_rtx")


RUNTIMES: Final = {
    runtime.name: runtime
    for runtime in (
        Runtime(
            REFERENCE,
            "onnxruntime",
            "onnxruntime",
            "pip install --force-reinstall onnxruntime",
            _open_onnx_runtime,
        ),
        Runtime(
            "openvino",
            "openvino",
            "openvino",
            "pip install 'livecount[openvino]'",
            _open_openvino,
            revision=2,
        ),
        Runtime(
            "onnxruntime-cuda",
            "onnxruntime",
            "onnxruntime-gpu",
            "pip uninstall -y onnxruntime && pip install onnxruntime-gpu",
            _open_onnx_runtime_cuda,
            require_driver,
            by_package=True,
            is_remembered=False,
        ),
        Runtime(
            "onnxruntime-directml",
            "onnxruntime",
            "onnxruntime-directml",
            "pip uninstall -y onnxruntime && pip install onnxruntime-directml",
            _open_onnx_runtime_directml,
            by_package=True,
            is_remembered=False,
        ),
        Runtime(
            "tensorrt",
            "tensorrt",
            "tensorrt",
            "pip install 'livecount[tensorrt]'",
            _open_tensorrt,
            require_driver,
            is_remembered=False,
        ),
        Runtime(
            "tensorrt-rtx",
            "tensorrt_rtx",
            "tensorrt-rtx-cu13",
            "pip install 'livecount[tensorrt-rtx]'",
            _open_tensorrt_rtx,
            require_driver,
            is_remembered=False,
        ),
    )
}
