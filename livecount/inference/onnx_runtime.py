"""Inference with ONNX Runtime: on the CPU always there, on a GPU where its package has a way."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from livecount.errors import EngineError
from livecount.frame import FloatArray
from livecount.inference.models import Model

__all__ = ["PROVIDERS", "OnnxRuntimeEngine"]

PROVIDERS: Final[dict[str, tuple[str, dict[str, str]]]] = {
    "CPU": ("CPUExecutionProvider", {}),
    # Without this, an Ampere card or a newer one rounds fp32 to 10 bits before it multiplies.
    "CUDA": ("CUDAExecutionProvider", {"use_tf32": "0"}),
    "DirectML": ("DmlExecutionProvider", {}),
}
"""Where it can compute: ONNX Runtime's name of it, and its options."""


class OnnxRuntimeEngine:
    """A DeepDistance network in ONNX Runtime, in fp32.

    Parameters
    ----------
    model
        The model whose network is loaded; its SHA-256 is checked first.
    threads
        CPU threads that inference may use.
    device
        One of :data:`PROVIDERS`.

    Raises
    ------
    EngineError
        ONNX Runtime refuses the network, or cannot compute it on the device.
    ModelError
        The network is missing or not the one its card describes.
    """

    precision = "fp32"
    max_side_px: int | None = None
    memory_share = 0.65

    def __init__(self, model: Model, *, threads: int, device: str = "CPU") -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # The arena never gives memory back: one large frame would keep gigabytes for weeks.
        options.enable_cpu_mem_arena = False
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        content = model.checked_onnx()
        provider, its_options = PROVIDERS[device]
        if device == "DirectML":  # which computes in sequence, without memory patterns
            options.enable_mem_pattern = False
        self.runtime = f"ONNX Runtime {onnxruntime.__version__} {device}"
        try:
            self._session: Any = onnxruntime.InferenceSession(
                content, options, providers=[provider], provider_options=[its_options]
            )
        except Exception as error:
            raise EngineError(
                f"{self.runtime} cannot load {model.onnx_path}: {error}",
                hint="Update onnxruntime, or choose another model",
            ) from error
        # Where a provider does not start, ONNX Runtime computes on the CPU without a word.
        if self._session.get_providers()[0] != provider:
            raise EngineError(
                f"{self.runtime} does not start: its package has "
                f"{', '.join(onnxruntime.get_available_providers())}",
                hint="Install the package and the driver for this GPU",
            )

    def infer(self, image: FloatArray) -> FloatArray:
        """Run the network over one normalised image (y, x); returns its maps (head, y, x)."""
        try:
            (maps,) = self._session.run(None, {"image": image[np.newaxis, np.newaxis]})
        except Exception as error:
            raise EngineError(
                f"{self.runtime} failed on an image of {image.shape[0]} x {image.shape[1]}: "
                f"{error}",
                hint="Lower `memory_limit_mb` in [counting] if memory ran out",
            ) from error
        return np.asarray(maps[0], np.float32)
