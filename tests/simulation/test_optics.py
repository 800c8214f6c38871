"""Drawn frames have the marks of phase contrast."""

import numpy as np
import pytest
from numpy.random import SeedSequence

from livecount.simulation.optics import FieldCamera, Microscope, OpticsSettings
from livecount.simulation.population import Cells

D = 40.0


def camera(seed=0, **changes):
    settings = {
        "height_px": 240,
        "width_px": 320,
        "cell_diameter_px": D,
        "debris": 0.0,
        "uneven_light": 0.0,
    } | changes
    return FieldCamera(Microscope(OpticsSettings(**settings), SeedSequence(1)), SeedSequence(seed))


def bodies(*places, roundness=0.0, dead_h=np.nan):
    n = len(places)
    y, x = np.array(places, float).reshape(n, 2).T
    return Cells(
        identity=np.arange(n),
        y_px=y,
        x_px=x,
        angle=np.zeros(n),
        roundness=np.full(n, roundness),
        size=np.ones(n),
        dividing=np.full(n, roundness > 0),
        dead_h=np.full(n, dead_h),
        in_field=np.ones(n, bool),
    )


def disc(shape, at, inner, outer):
    y, x = np.indices(shape)
    r = np.hypot(y - at[0], x - at[1])
    return (r >= inner) & (r < outer)


@pytest.mark.parametrize(("bits", "dtype"), [(8, np.uint8), (16, np.uint16)])
def test_an_empty_dish_is_even_and_grey(bits, dtype):
    frame = camera(bit_depth=bits).frame(bodies(), 0, 0.0)
    assert frame.shape == (240, 320)
    assert frame.dtype == dtype
    assert frame.mean() == pytest.approx(0.38 * (2**bits - 1), rel=0.03)
    assert frame.std() < 0.06 * frame.mean()


def test_spread_cells_are_dark_with_a_bright_halo():
    places = [(60, 60), (60, 160), (60, 260), (180, 60), (180, 160), (180, 260)]
    dish, seen = (camera().frame(bodies(*at), 0, 0.0).astype(float) for at in ((), places))
    change = seen / dish.mean()
    inside, halo = (
        np.mean([change[disc(dish.shape, at, *radii)].mean() for at in places])
        for radii in ((0, 0.3 * D), (0.8 * D, 1.1 * D))
    )
    assert inside < 0.85
    assert halo > 1.01


def test_mitotic_cells_are_bright():
    frame = camera().frame(bodies((120, 160), roundness=1.0), 0, 0.0).astype(float)
    middle = frame[disc(frame.shape, (120, 160), 0, 0.2 * D)].mean()
    assert middle > 1.3 * np.median(frame)


def test_dead_cells_are_small_and_bright_then_fade():
    fresh, old = (
        camera().frame(bodies((120, 160), dead_h=h), 0, 0.0).astype(float) for h in (1.0, 27.9)
    )
    assert fresh.max() > 1.5 * np.median(fresh)
    assert np.ptp(old) < 0.5 * np.ptp(fresh)


def test_a_cell_keeps_its_look_when_it_moves():
    same = camera(noise=0.0)
    at, later = (same.frame(bodies(p), 0, 5.0).astype(float) for p in ((120, 100), (120, 220)))
    other = camera(seed=9, noise=0.0).frame(bodies((120, 220)), 0, 5.0).astype(float)
    half = round(0.45 * D)
    first, second, foreign = (
        frame[120 - half : 120 + half, x - half : x + half].ravel()
        for frame, x in ((at, 100), (later, 220), (other, 220))
    )
    kept, changed = np.corrcoef(first, second)[0, 1], np.corrcoef(first, foreign)[0, 1]
    assert kept > 0.6
    assert kept > changed + 0.2


def test_frames_are_reproducible_and_noise_is_fresh():
    one, again, next_frame = (camera().frame(bodies((50, 50)), t, 0.0) for t in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    assert np.mean(one != next_frame) > 0.9


def test_dust_stays_with_the_microscope_and_specks_with_the_field():
    microscope = Microscope(OpticsSettings(240, 320, D, noise=0.0, debris=8.0), SeedSequence(1))
    fields = [FieldCamera(microscope, SeedSequence(s)).frame(bodies(), 0, 0.0) for s in (1, 2)]
    fields = [f.astype(float) / f.mean() for f in fields]
    shared = np.corrcoef(fields[0].ravel(), fields[1].ravel())[0, 1]
    assert 0.05 < shared < 0.95


def test_cells_outside_and_at_the_border_are_drawn_without_harm():
    places = [(-30, -30), (-200, 10), (239, 319), (260, 340), (0, 500), (120, 0)]
    for roundness, dead_h in ((0.0, np.nan), (1.0, np.nan), (0.0, 2.0)):
        frame = camera().frame(bodies(*places, roundness=roundness, dead_h=dead_h), 0, 0.0)
        assert frame.shape == (240, 320)


@pytest.mark.parametrize("diameter", [8.0, 15.0, 100.0])
def test_any_size_of_cell_can_be_drawn(diameter):
    drawn = camera(cell_diameter_px=diameter, noise=0.0)
    with_cell, without = (
        drawn.frame(bodies(*at), 0, 0.0).astype(float) for at in ([(120, 160)], [])
    )
    changed = np.abs(with_cell - without) > 0.05 * without.mean()
    area = np.pi / 4 * diameter**2
    assert 0.4 * area < np.count_nonzero(changed) < 6 * area


def test_masks_lie_where_the_cells_were_drawn():
    places = [(60, 60), (60, 160), (60, 260), (180, 60), (180, 160), (180, 260)]
    field = camera(noise=0.0)
    masks = field.masks(bodies(*places), 0.0)
    dish, seen = (field.frame(bodies(*at), 0, 0.0).astype(float) for at in ((), places))
    changed = np.abs(seen - dish) / dish.mean()
    assert masks.dtype == np.uint16
    assert sorted(np.unique(masks)) == list(range(len(places) + 1))
    assert [masks[place] for place in places] == list(range(1, len(places) + 1))
    assert np.median(changed[masks > 0]) > 4 * np.median(changed[masks == 0])


def test_masks_are_the_bodies_that_are_drawn_pixel_by_pixel():
    """The outlines follow a crooked dish: drawn and marked cells must follow the same one."""
    field = camera(noise=0.0)
    places = [(60, 60), (60, 160), (60, 260), (180, 60), (180, 160), (180, 260)]
    margin = field._microscope.margin
    phase = np.zeros(field._microscope.shape, np.float32)
    field._painter.paint(phase, bodies(*places), 0.0, origin_px=margin)
    masks = field.masks(bodies(*places), 0.0) > 0
    height, width = masks.shape
    drawn = np.abs(phase[margin : margin + height, margin : margin + width]) > 1e-3
    # A body fades out: whatever level is taken as its border, equal outlines overlap best unmoved.
    overlap = {
        (dy, dx): np.mean(np.roll(masks, (dy, dx), (0, 1)) == drawn)
        for dy in (-2, 0, 2)
        for dx in (-2, 0, 2)
    }
    assert max(overlap, key=overlap.__getitem__) == (0, 0)
    union = (masks | drawn).sum()
    assert (masks & drawn).sum() > 0.88 * union


def test_touching_cells_share_no_pixel_and_dead_ones_have_none():
    field = camera()
    apart = np.bincount(field.masks(bodies((120, 100), (120, 220)), 0.0).ravel(), minlength=3)
    close = np.bincount(field.masks(bodies((120, 140), (120, 165)), 0.0).ravel(), minlength=3)
    assert 0 < close[1] < apart[1]
    assert 0 < close[2] < apart[2]
    assert not field.masks(bodies((120, 160), dead_h=2.0), 0.0).any()


def test_a_rounded_cell_covers_less_than_a_spread_one():
    spread, rounded = (
        int((camera().masks(bodies((120, 160), roundness=r), 0.0) > 0).sum()) for r in (0.0, 1.0)
    )
    assert 0.15 * spread < rounded < 0.6 * spread


def test_cells_beyond_the_edge_are_marked_where_they_reach_in():
    masks = camera().masks(bodies((-4, 160), (500, 500)), 0.0)
    assert set(np.unique(masks)) == {0, 1}
    assert not masks[2 * int(D) :].any()
