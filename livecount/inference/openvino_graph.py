"""A decoder's convolution over [enlarged map, encoder's map], computed without enlarging anything.

A 3 x 3 convolution of a map that nearest neighbours enlarged twice reads every value of the small
map several times. The same numbers come from a transposed convolution of the small map itself,
4 x 4 with stride 2, whose weights are sums of the others: 4 instead of 9 products, and neither the
enlarged nor the joined map is ever in memory. The encoder's map is convolved with its own part of
the weights, and both are added.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from livecount.frame import FloatArray

__all__ = ["fold_enlargements", "folded_weights"]

# Output pixel o = 2 i + q - 1 of an enlarged map reads the small map's pixel i by the taps t with
# 2 i <= o + t - 1 <= 2 i + 1: rows q, columns t.
_TAPS: Final = np.array([[0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]], np.float32)


@dataclass(frozen=True, slots=True)
class _Site:
    """A convolution that reads a joined map: the small map, the encoder's map, the weights."""

    convolution: Any
    small: Any
    skip: Any
    weights: FloatArray


def folded_weights(weights: FloatArray) -> FloatArray:
    """Give the transposed convolution that does what enlarging twice and convolving do.

    Parameters
    ----------
    weights
        Shape (out, in, 3, 3).

    Returns
    -------
    FloatArray
        Shape (in, out, 4, 4), for stride 2 and one pixel cropped at each edge.
    """
    folded = np.einsum("qt,rs,oits->ioqr", _TAPS, _TAPS, weights, optimize=True)
    return np.ascontiguousarray(folded, np.float32)


def fold_enlargements(network: Any, operators: Any) -> int:
    """Replace what :func:`folded_weights` can replace in an OpenVINO network, in place.

    Parameters
    ----------
    network
        An ``openvino.Model``.
    operators
        OpenVINO's module of operators.

    Returns
    -------
    int
        How many convolutions were replaced; a network built otherwise stays as it is.
    """
    sites = list(_sites(network))
    for site in sites:
        n_small = site.small.get_partial_shape()[1].get_length()
        enlarged = operators.convolution_backprop_data(
            site.small,
            operators.constant(folded_weights(site.weights[:, :n_small])),
            strides=[2, 2],
            pads_begin=[1, 1],
            pads_end=[1, 1],
        )
        beside = operators.convolution(
            site.skip,
            operators.constant(np.ascontiguousarray(site.weights[:, n_small:])),
            strides=[1, 1],
            pads_begin=[1, 1],
            pads_end=[1, 1],
            dilations=[1, 1],
        )
        both = operators.add(beside, enlarged).output(0)
        for target in site.convolution.output(0).get_target_inputs():
            target.replace_source_output(both)
    return len(sites)


def _sites(network: Any) -> Iterator[_Site]:
    for convolution in network.get_ordered_ops():
        if convolution.get_type_name() != "Convolution" or not _is_plain(convolution):
            continue
        joined = _source(convolution, 0)
        if not _joins_two(joined):
            continue
        enlarged = _source(joined, 0)
        weights = _constant(_source(convolution, 1))
        if weights is not None and _enlarges_twice(enlarged):
            skip = joined.input_value(1)
            yield _Site(convolution, enlarged.input_value(0), skip, weights)


def _source(node: Any, number: int) -> Any:
    return node.input_value(number).get_node()


def _is_plain(convolution: Any) -> bool:
    attributes = convolution.get_attributes()
    return bool(
        attributes["strides"] == attributes["dilations"] == [1, 1]
        and attributes["pads_begin"] == attributes["pads_end"] == [1, 1]
        and list(convolution.input_value(1).get_shape())[2:] == [3, 3]
    )


def _joins_two(node: Any) -> bool:
    if node.get_type_name() != "Concat" or node.get_input_size() != 2:
        return False
    return bool(node.get_attributes()["axis"] == 1)


def _enlarges_twice(node: Any) -> bool:
    if node.get_type_name() != "Interpolate":
        return False
    attributes = node.get_attributes()
    scales = _constant(_source(node, 1))
    return bool(
        attributes["mode"] == "nearest"
        and attributes["shape_calculation_mode"] == "scales"
        and attributes["coordinate_transformation_mode"] == "asymmetric"
        and attributes["nearest_mode"] == "floor"
        and scales is not None
        and scales.tolist() == [1, 1, 2, 2]
    )


def _constant(node: Any) -> FloatArray | None:
    """Give a constant's values, also where they are stored in half precision."""
    if node.get_type_name() == "Convert":
        node = _source(node, 0)
    return np.asarray(node.data, np.float32) if node.get_type_name() == "Constant" else None
