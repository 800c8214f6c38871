"""The shipped network in eight bits, for ``runtimes.py``: what it would gain, and what it costs.

Static quantisation by ONNX Runtime (Q/DQ nodes, weights by channel), ranges from painted frames, as
no user's frames are there when a model is made. The first layer and the two that draw the maps stay
in fp32.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

from livecount.inference import Model
from livecount.training.recipe import read_recipe
from livecount.training.run_folder import RECIPE_NAME
from livecount.training.views import paint_view

__all__ = ["quantised"]

VIEW_PX, N_VIEWS, SEED = 320, 24, 7


class PaintedViews(CalibrationDataReader):  # type: ignore[misc]
    """Painted frames, one after the other."""

    def __init__(self, model: Model) -> None:
        self._views = views(model)

    def get_next(self) -> dict[str, np.ndarray] | None:
        """Give the next one, None at the end."""
        return next(self._views, None)


def views(model: Model) -> Iterator[dict[str, np.ndarray]]:
    """Paint what the network is shown while ranges are taken."""
    recipe = read_recipe(model.folder / RECIPE_NAME)
    recipe = replace(recipe, augmentation=replace(recipe.augmentation, view_px=VIEW_PX))
    for number in range(N_VIEWS):
        image = paint_view(recipe, np.random.default_rng([SEED, number])).image
        yield {"image": image[np.newaxis, np.newaxis].astype(np.float32)}


def quantised(model: Model, folder: Path) -> Model:
    """Write a model's network in eight bits to a folder; gives the model that uses it."""
    network = onnx.load(model.onnx_path)
    full_weights(network.graph)
    onnx.save(network, folder / "full.onnx")
    target = folder / model.onnx_path.name
    quantize_static(
        folder / "full.onnx",
        target,
        PaintedViews(model),
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        op_types_to_quantize=["Conv", "Concat", "Resize", "MaxPool"],
        nodes_to_exclude=kept_whole(network.graph),
    )
    digest = hashlib.sha256(target.read_bytes()).hexdigest()
    return replace(model, folder=folder, onnx_sha256=digest)


def full_weights(graph: Any) -> None:
    """Store weights as fp32 where a cast made them so, and name every node."""
    stored = {tensor.name: tensor for tensor in graph.initializer}
    kept = []
    for number, node in enumerate(graph.node):
        node.name = node.name or f"{node.op_type}{number}"
        if node.op_type != "Cast" or node.input[0] not in stored:
            kept.append(node)
            continue
        values = numpy_helper.to_array(stored[node.input[0]]).astype(np.float32)
        graph.initializer.remove(stored[node.input[0]])
        graph.initializer.append(numpy_helper.from_array(values, node.output[0]))
    del graph.node[:]
    graph.node.extend(kept)


def kept_whole(graph: Any) -> list[str]:
    """Name the first convolution and those that draw the maps."""
    shapes = {tensor.name: tensor.dims for tensor in graph.initializer}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    heads = [node for node in convolutions if shapes[node.input[1]][0] == 1]
    return [node.name for node in (convolutions[0], *heads)]
