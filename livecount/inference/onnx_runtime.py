"""Inference on the CPU with ONNX Runtime: always there."""

from __future__ import annotations

from typing import Any

import numpy as np

from livecount.errors import EngineError
from livecount.frame import FloatArray
from livecount.inference.models import Model

__all__ = ["OnnxRuntimeEngine"]


class OnnxRuntimeEngine:
    """A DeepDistance network in ONNX Runtime, fp32 on the CPU.

    Parameters
    ----------
    model
        The model whose network is loaded; its SHA-256 is checked first.
    threads
        CPU threads that inference may use.

    Raises
    ------
    EngineError
        ONNX Runtime refuses the network.
    ModelError
        The network is missing or not the one its card describes.
    """

    precision = "fp32"
    max_side_px: int | None = None
    memory_share = 0.65

    def __init__(self, model: Model, *, threads: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # The arena never gives memory back: one large frame would keep gigabytes for weeks.
        options.enable_cpu_mem_arena = False
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        content = model.checked_onnx()
        try:
            self._session: Any = onnxruntime.InferenceSession(
                content, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            raise EngineError(
                f"ONNX Runtime {onnxruntime.__version__} cannot load {model.onnx_path}: {error}",
                hint="Update onnxruntime, or choose another model",
            ) from error
        self.runtime = f"ONNX Runtime {onnxruntime.__version__} CPU"

    def infer(self, image: FloatArray) -> FloatArray:
        """Run the network over one normalised image (y, x); returns its maps (head, y, x)."""
        try:
            (maps,) = self._session.run(None, {"image": image[np.newaxis, np.newaxis]})
        except Exception as error:
            raise EngineError(
                f"ONNX Runtime failed on an image of {image.shape[0]} x {image.shape[1]}: {error}",
                hint="Lower `memory_limit_mb` in [counting] if memory ran out",
            ) from error
        return np.asarray(maps[0], np.float32)
