"""From a model's ONNX to a TensorRT plan in fp16; needs no GPU where TensorRT for RTX builds it.

All that differs between versions of TensorRT lives here. From version 10 on a network is strongly
typed: precision comes from its types, so those of the parsed network are changed to half, with a
cast in and a cast out. Before, a flag asks for it.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import platformdirs

from livecount.errors import EngineError

if TYPE_CHECKING:
    from livecount.inference.cuda import Device
    from livecount.inference.models import Model

__all__ = [
    "MAPS",
    "MAX_SIDE_PX",
    "Sizes",
    "build_plan",
    "import_tensorrt",
    "keep_plan",
    "plan_path",
]

MAPS: Final = "maps_fp32"
"""Name of the output, cast back to float32."""
MAX_SIDE_PX: Final = 2048
_OPTIMAL_SIDE_PX: Final = 1024
_BUILDER: Final = 1
"""Counted up when plans are built in another way, so that those of before are not taken."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """For which sizes of image a plan is built, in pixels a side."""

    smallest: int
    optimal: int = _OPTIMAL_SIDE_PX
    largest: int = MAX_SIDE_PX


def import_tensorrt(module: str) -> ModuleType:
    """Import ``tensorrt`` or ``tensorrt_rtx``, which have the same interface.

    Raises
    ------
    EngineError
        It is not installed, or cannot be loaded.
    """
    try:
        return importlib.import_module(module)
    except (ImportError, OSError) as error:
        extra = module.replace("_", "-")
        raise EngineError(
            f"{module} cannot be imported: {error}", hint=f"pip install 'livecount[{extra}]'"
        ) from error


def plan_path(model: Model, tensorrt: ModuleType, device: Device, sizes: Sizes) -> Path:
    """Name the file that keeps a plan after all that it holds for.

    A plan holds for one network, one version of TensorRT, one kind of GPU and one system.
    """
    depends_on = {
        "builder": _BUILDER,
        "onnx": model.onnx_sha256,
        "tensorrt": [tensorrt.__name__, tensorrt.__version__],
        "device": asdict(device),
        "system": [platform.system(), platform.machine()],
        "sizes": asdict(sizes),
        "precision": "fp16",
    }
    digest = hashlib.sha256(json.dumps(depends_on, sort_keys=True).encode()).hexdigest()[:32]
    folder = Path(platformdirs.user_cache_dir("livecount", appauthor=False)) / "plans"
    return folder / f"{model.name}-{digest}.plan"


def build_plan(
    model: Model,
    tensorrt: ModuleType,
    sizes: Sizes,
    *,
    on_step: Callable[[str], bool] = lambda _: True,
) -> bytes:
    """Build a plan: seconds with TensorRT for RTX, minutes with TensorRT.

    Parameters
    ----------
    on_step
        Called with the name of the phase after each of its steps; building ends when it gives
        False.

    Raises
    ------
    EngineError
        The network cannot be parsed or built, or it was ended.
    ModelError
        The network is not the one its card describes.
    """
    logger = _collecting_logger(tensorrt)
    builder = tensorrt.Builder(logger)
    network = builder.create_network(_network_flags(tensorrt))
    _parse(model, tensorrt, network, logger)
    config = builder.create_builder_config()
    halved = _make_half(tensorrt, network, config)
    profile = builder.create_optimization_profile()
    sides = (sizes.smallest, sizes.optimal, sizes.largest)
    profile.set_shape(network.get_input(0).name, *((1, 1, side, side) for side in sides))
    config.add_optimization_profile(profile)
    monitor = _monitor(tensorrt, on_step)
    config.progress_monitor = monitor
    plan = builder.build_serialized_network(network, config)
    del halved  # TensorRT does not keep the memory of weights that it was given
    if monitor.was_ended:
        raise EngineError("Building the engine was ended", hint="It begins anew the next time")
    if plan is None:
        raise EngineError(
            f"{tensorrt.__name__} {tensorrt.__version__} cannot build {model.onnx_path}: "
            f"{logger.last_error}",
            hint='Set runtime = "auto" in [counting]: another runtime counts',
        )
    return bytes(plan)


def keep_plan(plan: bytes, path: Path) -> None:
    """Write a plan whole or not at all.

    Raises
    ------
    EngineError
        There is no place to write it.
    """
    temporary = path.with_suffix(f".{time.time_ns()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(plan)
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise EngineError(
            f"The engine is built, but cannot be kept in {path.parent}: {error.strerror}",
            hint="Free space there or let it be written to, and build again",
        ) from error


def _network_flags(tensorrt: ModuleType) -> int:
    flags = tensorrt.NetworkDefinitionCreationFlag
    if hasattr(flags, "STRONGLY_TYPED"):
        return 1 << int(flags.STRONGLY_TYPED)
    return 1 << int(flags.EXPLICIT_BATCH)


def _parse(model: Model, tensorrt: ModuleType, network: Any, logger: Any) -> None:
    parser = tensorrt.OnnxParser(network, logger)
    parsed = parser.parse(model.checked_onnx())
    if parsed and (network.num_inputs, network.num_outputs) == (1, 1):
        return
    said = "; ".join(parser.get_error(i).desc() for i in range(parser.num_errors))
    said = said or f"it has {network.num_inputs} inputs and {network.num_outputs} outputs"
    raise EngineError(
        f"{tensorrt.__name__} {tensorrt.__version__} cannot read {model.onnx_path}: {said}",
        hint='Set runtime = "auto" in [counting]: another runtime counts',
    )


def _make_half(tensorrt: ModuleType, network: Any, config: Any) -> list[npt.NDArray[np.float16]]:
    """Have the network computed in half precision; gives weights to be kept until it is built."""
    if not hasattr(tensorrt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED"):
        config.set_flag(tensorrt.BuilderFlag.FP16)
        network.get_output(0).name = MAPS
        return []
    half, full = tensorrt.DataType.HALF, tensorrt.DataType.FLOAT
    layers = [network.get_layer(place) for place in range(network.num_layers)]
    for layer in _of_type(layers, tensorrt.LayerType.CAST, tensorrt.ICastLayer):
        if layer.get_input(0).dtype == half:  # weights are stored in half and cast on loading
            layer.to_type = half
    kept = [
        values
        for layer in _of_type(layers, tensorrt.LayerType.CONVOLUTION, tensorrt.IConvolutionLayer)
        for values in _halve_own_weights(tensorrt, layer)
    ]
    image = network.get_input(0)
    as_half = network.add_cast(image, half).get_output(0)
    for layer in layers:
        for place in range(layer.num_inputs):
            given = layer.get_input(place)
            asks_size_only = layer.type == tensorrt.LayerType.SHAPE
            if given is not None and given.name == image.name and not asks_size_only:
                layer.set_input(place, as_half)
    drawn = network.get_output(0)
    network.unmark_output(drawn)
    maps = network.add_cast(drawn, full).get_output(0)
    maps.name = MAPS
    network.mark_output(maps)
    return kept


def _of_type(layers: list[Any], kind: Any, interface: type) -> Iterator[Any]:
    for layer in layers:
        if layer.type == kind:
            layer.__class__ = interface  # the bindings' way to reach what a kind of layer has
            yield layer


def _halve_own_weights(tensorrt: ModuleType, layer: Any) -> Iterator[npt.NDArray[np.float16]]:
    """Halve weights that a convolution keeps itself: biases too small to be stored in half."""
    for name in ("kernel", "bias"):
        values = np.asarray(getattr(layer, name))
        if values.size and values.dtype == np.float32:
            halved = values.astype(np.float16)
            setattr(layer, name, tensorrt.Weights(halved))
            yield halved


def _collecting_logger(tensorrt: ModuleType) -> Any:
    class Collecting(tensorrt.ILogger):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            tensorrt.ILogger.__init__(self)
            self.last_error = "it did not say why"

        def log(self, severity: Any, message: str) -> None:
            if severity in (tensorrt.ILogger.ERROR, tensorrt.ILogger.INTERNAL_ERROR):
                self.last_error = message

    return Collecting()


def _monitor(tensorrt: ModuleType, on_step: Callable[[str], bool]) -> Any:
    class Monitor(tensorrt.IProgressMonitor):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            tensorrt.IProgressMonitor.__init__(self)
            self.was_ended = False

        def phase_start(self, name: str, parent: str, n_steps: int) -> None:
            """Nothing is shown of a phase before its first step."""

        def step_complete(self, name: str, step: int) -> bool:  # noqa: ARG002
            goes_on = not self.was_ended and on_step(name)
            self.was_ended = not goes_on
            return goes_on

        def phase_finish(self, name: str) -> None:
            """Nothing is shown of a phase after its last step."""

    return Monitor()
