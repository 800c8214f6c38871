"""Models and the runtimes that compute them, behind one interface.

``find_model`` -> :class:`Model`, ``open_engine`` -> :class:`Engine`, ``infer_tiled`` for frames of
any size. One module a runtime; nothing here knows of files being acquired or of the database.
"""

from __future__ import annotations

from typing import Protocol

from livecount.errors import EngineError
from livecount.frame import FloatArray
from livecount.inference.models import Model, find_model, list_models, read_model
from livecount.inference.tiling import infer_tiled

__all__ = [
    "RUNTIMES",
    "Engine",
    "Model",
    "find_model",
    "infer_tiled",
    "list_models",
    "open_engine",
    "read_model",
]

RUNTIMES = ("onnxruntime",)


class Engine(Protocol):
    """A network loaded into a runtime.

    Attributes
    ----------
    runtime
        Name and version of the runtime and the device, kept with every count.
    precision
        Numeric precision of the network's arithmetic.
    """

    runtime: str
    precision: str

    def infer(self, image: FloatArray) -> FloatArray:
        """Map a normalised image (y, x), sizes multiples of the model's, to maps (head, y, x)."""


def open_engine(model: Model, *, runtime: str = "auto", threads: int = 1) -> Engine:
    """Load a model into the fastest runtime that is really usable, or into the one named.

    Parameters
    ----------
    runtime
        ``auto`` or one of :data:`RUNTIMES`.
    threads
        CPU threads that inference may use.

    Raises
    ------
    EngineError
        The runtime is unknown or refuses the network.
    """
    if runtime not in ("auto", *RUNTIMES):
        raise EngineError(
            f"There is no runtime {runtime!r}", hint=f"Choose auto or {', '.join(RUNTIMES)}"
        )
    from livecount.inference.onnx_runtime import OnnxRuntimeEngine

    return OnnxRuntimeEngine(model, threads=threads)
