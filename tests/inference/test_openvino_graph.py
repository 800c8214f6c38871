"""Folding enlargements into transposed convolutions: fewer products, the same numbers."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import correlate2d

from livecount.inference import find_model
from livecount.inference.onnx_runtime import OnnxRuntimeEngine
from livecount.inference.openvino_graph import fold_enlargements, folded_weights

sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
openvino = pytest.importorskip("openvino")
from openvino import opset13  # noqa: E402


def transposed(small: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Spread each pixel over 4 x 4 of a map twice as large, cropped by one: what stride 2 does."""
    height, width = small.shape
    spread = np.zeros((2 * height + 2, 2 * width + 2))
    for y, x in np.ndindex(height, width):
        spread[2 * y : 2 * y + 4, 2 * x : 2 * x + 4] += small[y, x] * weights
    return spread[1:-1, 1:-1]


@settings(max_examples=40)
@given(
    height=st.integers(1, 6),
    width=st.integers(1, 6),
    seed=st.integers(0, 99),
)
def test_folded_weights_do_what_enlarging_and_convolving_do(
    height: int, width: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    small, weights = rng.normal(size=(height, width)), rng.normal(size=(3, 3)).astype(np.float32)
    enlarged = small.repeat(2, axis=0).repeat(2, axis=1)
    folded = folded_weights(weights[np.newaxis, np.newaxis])[0, 0]
    np.testing.assert_allclose(
        transposed(small, folded), correlate2d(enlarged, weights, mode="same"), atol=1e-5
    )


def test_the_shipped_network_draws_the_same_maps_with_its_decoders_folded() -> None:
    model = find_model("deepdistance")
    network = openvino.Core().read_model(model.checked_onnx())
    assert fold_enlargements(network, opset13) == 4 * len(model.heads)
    image = np.random.default_rng(3).normal(size=(96, 128)).astype(np.float32)
    drawn = openvino.compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(
        image[np.newaxis, np.newaxis]
    )[0][0]
    reference = OnnxRuntimeEngine(model, threads=1).infer(image)
    np.testing.assert_allclose(drawn, reference, atol=1e-5)


@pytest.mark.parametrize(
    "other",
    [
        {"mode": "linear_onnx"},
        {"scales": [1, 1, 3, 3]},
        {"coordinates": "half_pixel", "nearest": "round_prefer_floor"},
        {"strides": [2, 2]},
        {"kernel": 5},
        {},
    ],
)
def test_only_what_means_the_same_is_folded(other: dict[str, object]) -> None:
    side = int(other.get("kernel", 3))  # type: ignore[call-overload]
    small, skip = (opset13.parameter([1, 2, -1, -1], np.float32) for _ in range(2))
    enlarged = opset13.interpolate(
        small,
        opset13.constant(np.array(other.get("scales", [1, 1, 2, 2]), np.float32)),
        mode=other.get("mode", "nearest"),
        shape_calculation_mode="scales",
        coordinate_transformation_mode=other.get("coordinates", "asymmetric"),
        nearest_mode=other.get("nearest", "floor"),
    )
    convolved = opset13.convolution(
        opset13.concat([enlarged, skip], axis=1),
        opset13.constant(np.ones((3, 4, side, side), np.float32)),
        strides=other.get("strides", [1, 1]),
        pads_begin=[1, 1],
        pads_end=[1, 1],
        dilations=[1, 1],
    )
    network = openvino.Model([opset13.relu(convolved)], [small, skip], "made")
    assert fold_enlargements(network, opset13) == (0 if other else 1)
