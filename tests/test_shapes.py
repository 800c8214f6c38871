"""Shapes against scikit-image, and what makes a cell bright and rounded."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage
from skimage.measure import perimeter_crofton, regionprops

from livecount.segmentation import measure_shapes


def made_labels(seed: int, n: int = 6) -> npt.NDArray[np.int32]:
    """Draw touching and separate ellipses, some of them cut by the border."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:80, :90]
    labels = np.zeros((80, 90), np.int32)
    for label in range(1, n + 1):
        centre_y, centre_x = rng.uniform((0, 0), (80, 90))
        long, short, angle = rng.uniform(6, 20), rng.uniform(2, 6), rng.uniform(0, np.pi)
        along = (y - centre_y) * np.sin(angle) + (x - centre_x) * np.cos(angle)
        across = (y - centre_y) * np.cos(angle) - (x - centre_x) * np.sin(angle)
        labels[(along / long) ** 2 + (across / short) ** 2 <= 1] = label
    return labels


@given(st.integers(0, 200))
def test_every_measure_equals_scikit_images(seed: int) -> None:
    labels = made_labels(seed)
    shapes = measure_shapes(labels, np.zeros(labels.shape, np.float32), 6)
    found = {region.label: region for region in regionprops(labels)}
    for label in range(1, 7):
        if label not in found:
            assert np.isnan([shapes.area_px[label - 1], shapes.perimeter_px[label - 1]]).all()
            continue
        region, k = found[label], label - 1
        assert shapes.area_px[k] == region.area
        # scikit-image takes pixels for points; as squares each adds 1/12.
        long, short = np.array(region.inertia_tensor_eigvals) + 1 / 12
        assert shapes.eccentricity[k] == pytest.approx(np.sqrt(1 - short / long), abs=1e-3)
        assert shapes.aspect_ratio[k] == pytest.approx(np.sqrt(long / short), rel=1e-5)
        perimeter = perimeter_crofton(np.pad(labels == label, 1), directions=4)
        assert shapes.perimeter_px[k] == pytest.approx(perimeter, rel=1e-5)


def test_a_disc_has_its_known_shape_at_the_scale_of_the_frame() -> None:
    y, x = np.mgrid[:60, :60]
    disc = (np.hypot(y - 30, x - 30) <= 20).astype(np.int32)
    found = measure_shapes(disc, np.zeros(disc.shape, np.float32), 1, px_per_label_px=2.0)
    assert found.area_px[0] == pytest.approx(np.pi * 40**2, rel=0.01)
    assert found.perimeter_px[0] == pytest.approx(2 * np.pi * 40, rel=0.03)
    assert found.aspect_ratio[0] == pytest.approx(1, abs=0.01)
    assert found.eccentricity[0] == pytest.approx(0, abs=0.1)


def test_only_what_is_both_bright_and_round_is_of_that_class() -> None:
    y, x = np.mgrid[:100, :100]
    labels = np.zeros((100, 100), np.int32)
    labels[np.hypot(y - 25, x - 25) <= 10] = 1
    labels[np.hypot(y - 25, x - 75) <= 10] = 2
    labels[70:75, 5:60] = 3
    image = np.full(labels.shape, -0.5, np.float32)
    image[(labels == 1) | (labels == 3)] = 1.0
    image += ndimage.gaussian_filter(np.random.default_rng(1).normal(0, 0.1, labels.shape), 1)
    shapes = measure_shapes(labels, image.astype(np.float32), 4)
    assert shapes.is_bright_rounded.tolist() == [1, 0, 0, 0]
    assert shapes.n_bright_rounded == 1


def test_no_cells_have_no_shapes() -> None:
    shapes = measure_shapes(np.zeros((5, 6), np.int32), np.zeros((5, 6), np.float32), 0)
    assert len(shapes) == 0
    assert shapes.n_bright_rounded == 0
