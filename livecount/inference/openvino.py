"""Inference on the CPU with OpenVINO, where the extra ``openvino`` is installed."""

from __future__ import annotations

import sys
from collections import OrderedDict
from typing import Any, Final

import numpy as np

from livecount.errors import EngineError
from livecount.frame import FloatArray
from livecount.inference.models import Model
from livecount.inference.openvino_graph import fold_enlargements

__all__ = ["PRECISIONS", "OpenVinoEngine"]

PRECISIONS: Final = {"fp32": "f32", "bf16": "bf16"}
_SHAPES_KEPT: Final = 2
"""Frames of an experiment have one size, and so have tiles; each keeps its working memory."""


def _without_telemetry() -> tuple[Any, Any]:
    """Import OpenVINO and its operators without its telemetry.

    On being imported, OpenVINO's model converter, which is not used here, has its telemetry package
    look up the address of a server. Where that package is absent it does without.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino
    from openvino import opset13

    return openvino, opset13


class OpenVinoEngine:
    """A DeepDistance network in OpenVINO on the CPU.

    Parameters
    ----------
    model
        The model whose network is loaded; its SHA-256 is checked first.
    threads
        CPU threads that inference may use.
    precision
        One of :data:`PRECISIONS`. OpenVINO left to itself takes bf16 where the processor has it.

    Raises
    ------
    EngineError
        OpenVINO refuses the network.
    ModelError
        The network is missing or not the one its card describes.
    """

    max_side_px: int | None = None
    memory_share = 0.25

    def __init__(self, model: Model, *, threads: int, precision: str = "fp32") -> None:
        openvino, operators = _without_telemetry()
        self._core: Any = openvino.Core()
        self._properties = {
            "INFERENCE_PRECISION_HINT": PRECISIONS[precision],
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
            # Pinned to cores, its threads would not make way for the acquisition's.
            "ENABLE_CPU_PINNING": False,
        }
        version = openvino.get_version().split("-")[0]
        self.runtime = f"OpenVINO {version} CPU"
        self.precision = precision
        self._compiled: OrderedDict[tuple[int, ...], Any] = OrderedDict()
        content = model.checked_onnx()
        try:
            self._network: Any = self._core.read_model(content)
            fold_enlargements(self._network, operators)
        except Exception as error:
            raise EngineError(
                f"{self.runtime} cannot load {model.onnx_path}: {error}",
                hint='Update openvino, or set runtime = "onnxruntime" in [counting]',
            ) from error

    def infer(self, image: FloatArray) -> FloatArray:
        """Run the network over one normalised image (y, x); returns its maps (head, y, x)."""
        try:
            request = self._request(image.shape)
            request.infer({0: image[np.newaxis, np.newaxis]})
            # The request's own memory is written over by the next frame.
            return np.array(request.get_output_tensor(0).data[0], np.float32)
        except Exception as error:
            raise EngineError(
                f"{self.runtime} failed on an image of {image.shape[0]} x {image.shape[1]}: "
                f"{error}",
                hint="Lower `memory_limit_mb` in [counting] if memory ran out",
            ) from error

    def _request(self, shape: tuple[int, ...]) -> Any:
        """Compile for one size: with sizes left open, OpenVINO is slower and keeps more memory."""
        if shape not in self._compiled:
            network = self._network.clone()
            network.reshape([1, 1, *shape])
            compiled = self._core.compile_model(network, "CPU", self._properties)
            self._compiled[shape] = compiled.create_infer_request()
            while len(self._compiled) > _SHAPES_KEPT:
                self._compiled.popitem(last=False)
        self._compiled.move_to_end(shape)
        return self._compiled[shape]
