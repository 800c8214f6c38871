"""Inference on an NVIDIA GPU with TensorRT, or with TensorRT for RTX on GeForce and RTX cards."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from livecount.errors import EngineError, EngineNotBuiltError
from livecount.frame import FloatArray
from livecount.inference.cuda import Mirror, Stream, find_device
from livecount.inference.models import Model
from livecount.inference.tensorrt_plan import (
    MAPS,
    MAX_SIDE_PX,
    Sizes,
    build_plan,
    import_tensorrt,
    keep_plan,
    plan_path,
)

__all__ = ["TensorRtEngine"]


class TensorRtEngine:
    """A DeepDistance network in TensorRT, fp16 on the first GPU.

    The plan is taken from the user's cache folder, or built where that is wanted: who builds it
    compares its cells with the reference's, and then says :meth:`keep` or :meth:`forget`.

    Parameters
    ----------
    model
        The model whose network is loaded; its SHA-256 is checked before a plan is built.
    module
        ``tensorrt`` or ``tensorrt_rtx``.
    build
        Build the plan where there is none: that takes seconds to minutes.
    on_step
        As for :func:`livecount.inference.tensorrt_plan.build_plan`.

    Raises
    ------
    EngineNotBuiltError
        There is no plan, and none was to be built.
    EngineError
        There is no GPU, TensorRT is missing, or refuses the network.
    ModelError
        The network is missing or not the one its card describes.
    """

    precision = "fp16"
    max_side_px: int | None = MAX_SIDE_PX
    memory_share = 0.1
    """The network works in the card's memory, reserved for the largest size of image whatever the
    tile; what it takes of the computer's own are copies of the image and of its maps."""

    def __init__(
        self,
        model: Model,
        *,
        module: str,
        build: bool = False,
        on_step: Callable[[str], bool] = lambda _: True,
    ) -> None:
        device = find_device()  # first: without a driver TensorRT ends the process
        tensorrt = import_tensorrt(module)
        words = "TensorRT for RTX" if module == "tensorrt_rtx" else "TensorRT"
        self.runtime = f"{words} {tensorrt.__version__} {device.name}"
        sizes = Sizes(smallest=model.multiple_px)
        self._path = plan_path(model, tensorrt, device, sizes)
        self._built = b""
        self._plan = self._loaded(tensorrt, self._path)
        self.was_built = self._plan is None
        if self._plan is None:
            if not build:
                name = module.replace("_", "-")
                raise EngineNotBuiltError(
                    f"The engine of {model.name!r} is not built yet for {self.runtime}",
                    hint=f"livecount engine build {name}",
                )
            self._built = build_plan(model, tensorrt, sizes, on_step=on_step)
            self._plan = self._proven(tensorrt, self._built)
        self._context: Any = self._plan.create_execution_context()
        if self._context is None:
            raise EngineError(
                f"{self.runtime} cannot make room for {model.name!r}",
                hint="Close other programs that use the graphics card",
            )
        self._image_name = self._plan.get_tensor_name(0)
        self._heads = len(model.heads)
        self._stream = Stream()
        self._image: Mirror | None = None
        self._maps: Mirror | None = None
        self._n_reserved = 0

    def keep(self) -> None:
        """Keep what was just built for the next start.

        Raises
        ------
        EngineError
            There is no place to write it.
        """
        if self._built:
            keep_plan(self._built, self._path)
            self._built = b""

    def forget(self) -> None:
        """Drop the plan, the kept one too, so that it counts nowhere and is built anew."""
        self._built = b""
        self._path.unlink(missing_ok=True)

    def _loaded(self, tensorrt: ModuleType, path: Path) -> Any:
        """Load a kept plan; None where there is none, or it does not load: then it is deleted."""
        if not path.is_file():
            return None
        loaded = self._deserialised(tensorrt, path.read_bytes())
        if loaded is None:
            path.unlink(missing_ok=True)
        return loaded

    def _proven(self, tensorrt: ModuleType, plan: bytes) -> Any:
        """Load what was just built."""
        loaded = self._deserialised(tensorrt, plan)
        if loaded is None:
            raise EngineError(
                f"{self.runtime} does not load the engine that it has just built",
                hint="Update the driver of the graphics card",
            )
        return loaded

    def _deserialised(self, tensorrt: ModuleType, plan: bytes) -> Any:
        self._logger = tensorrt.Logger(tensorrt.Logger.ERROR)
        self._runtime = tensorrt.Runtime(self._logger)
        return self._runtime.deserialize_cuda_engine(plan)

    def infer(self, image: FloatArray) -> FloatArray:
        """Run the network over one normalised image (y, x); returns its maps (head, y, x)."""
        height, width = image.shape
        up, down = self._reserve(image.size)
        up.here[: image.size] = image.ravel()
        up.copy_up(self._stream, image.size)
        self._context.set_input_shape(self._image_name, (1, 1, height, width))
        self._context.set_tensor_address(self._image_name, up.address)
        self._context.set_tensor_address(MAPS, down.address)
        if not self._context.execute_async_v3(self._stream.handle):
            raise EngineError(
                f"{self.runtime} failed on an image of {height} x {width}",
                hint="Restart livecount; until then the CPU counts",
            )
        n_values = self._heads * image.size
        down.copy_down(self._stream, n_values)
        self._stream.wait()
        # The locked memory is written over by the next image.
        return down.here[:n_values].reshape(self._heads, height, width).copy()

    def _reserve(self, n_pixels: int) -> tuple[Mirror, Mirror]:
        """Give memory for so large an image, the same as before where that was large enough."""
        if self._image is None or self._maps is None or n_pixels > self._n_reserved:
            self._release()
            self._image = Mirror(n_pixels)
            self._maps = Mirror(self._heads * n_pixels)
            self._n_reserved = n_pixels
        return self._image, self._maps

    def _release(self) -> None:
        """Give the memory back; none is left to be written to should the next be refused."""
        released = self._image, self._maps
        self._image = self._maps = None
        self._n_reserved = 0
        for mirror in released:
            if mirror is not None:
                mirror.close()
