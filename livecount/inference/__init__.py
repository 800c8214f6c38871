"""Models and the runtimes that compute them, behind one interface.

``find_model`` -> :class:`Model`, ``open_engine`` -> :class:`Engine`, ``infer_tiled`` for frames of
any size. One module a runtime; nothing here knows of files being acquired or of the database.
"""

from __future__ import annotations

from typing import Protocol

from livecount.frame import FloatArray
from livecount.inference.building import LongRunEngine
from livecount.inference.choice import RUNTIME_NAMES, ChosenEngine, open_engine
from livecount.inference.models import Model, find_model, list_models, read_model
from livecount.inference.tiling import MEMORY_LIMIT_MB, TileLimits, infer_in_bands, infer_tiled

__all__ = [
    "MEMORY_LIMIT_MB",
    "RUNTIME_NAMES",
    "ChosenEngine",
    "Engine",
    "LongRunEngine",
    "Model",
    "TileLimits",
    "find_model",
    "infer_in_bands",
    "infer_tiled",
    "list_models",
    "open_engine",
    "read_model",
]


class Engine(Protocol):
    """A network loaded into a runtime."""

    @property
    def runtime(self) -> str:
        """Name and version of the runtime and the device, kept with every count."""

    @property
    def precision(self) -> str:
        """Numeric precision of the network's arithmetic."""

    @property
    def max_side_px(self) -> int | None:
        """Longest side of an image that it takes; None: any."""

    @property
    def memory_share(self) -> float:
        """Working memory a pixel, as a share of the model's ``memory_bytes_per_px``."""

    def infer(self, image: FloatArray) -> FloatArray:
        """Map a normalised image (y, x), sizes multiples of the model's, to maps (head, y, x)."""
