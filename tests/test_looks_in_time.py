"""Moved fields, moved plates and hidden parts are flagged; growth, noise and light are not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from livecount.flags import MEANINGS
from livecount.frame import Frame, FrameAttributes, FrameKey
from livecount.looks import read_looks
from livecount.looks_in_time import find_hidden, find_places, moved_frames, moved_with_their_plate
from livecount.neighbours_in_time import neighbour_flags
from livecount.quality import assess

N, SIDE_PX = 16, 240
Pixels = np.ndarray


def dish(seed: int) -> list[Pixels]:
    """Give a dish of cells that wander, larger than a field, over time."""
    rng = np.random.default_rng(seed)
    at = rng.uniform(0, 2 * SIDE_PX, (120, 2))
    frames = []
    for _ in range(N):
        at = np.clip(at + rng.normal(0, 1.0, at.shape), 0, 2 * SIDE_PX - 1)
        light = np.zeros((2 * SIDE_PX, 2 * SIDE_PX))
        light[tuple(at.astype(int).T)] = 1
        cells = ndimage.gaussian_filter(light, 2) - ndimage.gaussian_filter(light, 4)
        frames.append(1000 + 20_000 * cells + rng.normal(0, 5, light.shape))
    return frames


def field(frame: Pixels, top_px: int = 0, left_px: int = 0) -> Pixels:
    return frame[top_px : top_px + SIDE_PX, left_px : left_px + SIDE_PX]


def look(pixels: Pixels) -> bytes:
    whole = np.rint(np.clip(pixels, 0, 65535)).astype(np.uint16)
    found = assess(Frame(FrameKey("/w", b"a.tif", 0, "0"), FrameAttributes(), whole)).look
    assert found is not None
    return found


def table_of(series: list[Pixels], name: str = "1", plate: str = "P") -> pd.DataFrame:
    return pd.DataFrame(
        {
            "watched_folder": "/w", "plate": plate, "well": "A1", "field": name,
            "elapsed_h": np.arange(len(series), dtype=float), "excluded": "",
            "focus": 1.0, "mean_intensity": 0.5, "count": 60.0,
            "look": [look(frame) for frame in series],
        }
    )  # fmt: skip


def flagged(*tables: pd.DataFrame) -> dict[int, str]:
    table = pd.concat(tables, ignore_index=True)
    flags = neighbour_flags(table.sample(frac=1, random_state=2)).sort_index()
    return {int(at): text for at, text in flags.items() if text}


def bubble(frame: Pixels) -> Pixels:
    y, x = np.ogrid[: frame.shape[0], : frame.shape[1]]
    return np.where(np.hypot(y - 100, x - 120) < 60, 1300.0, frame)


def haze(frame: Pixels) -> Pixels:
    y, x = np.ogrid[: frame.shape[0], : frame.shape[1]]
    share = np.clip((90 - np.hypot(y - 100, x - 120)) / 30, 0, 1)
    return frame + share * 0.7 * (1000 - frame)


def test_ordinary_frames_are_not_flagged() -> None:
    for seed in range(4):
        assert flagged(table_of([field(frame) for frame in dish(seed)])) == {}


@pytest.mark.parametrize("shift_px", [30, 100, 230])
def test_a_field_that_stays_elsewhere_is_flagged_once(shift_px: int) -> None:
    frames = [field(frame, shift_px * (at >= 7)) for at, frame in enumerate(dish(1))]
    assert flagged(table_of(frames)) == {7: "field_moved;"}


@pytest.mark.parametrize("last", [7, 9])
def test_a_field_that_comes_back_is_flagged_meanwhile(last: int) -> None:
    frames = [field(frame, 0, 120 * (7 <= at <= last)) for at, frame in enumerate(dish(2))]
    assert flagged(table_of(frames)) == dict.fromkeys(range(7, last + 1), "field_moved;")


@pytest.mark.parametrize("hide", [bubble, haze])
@pytest.mark.parametrize("last", [7, 11])
def test_a_hidden_part_is_flagged_as_long_as_it_is_there(
    hide: Callable[[Pixels], Pixels], last: int
) -> None:
    frames = [field(frame) for frame in dish(3)]
    frames[7 : last + 1] = [hide(frame) for frame in frames[7 : last + 1]]
    assert flagged(table_of(frames)) == dict.fromkeys(range(7, last + 1), "part_hidden;")


def test_light_that_changes_all_over_hides_nothing() -> None:
    frames = [field(frame) * (0.7 if at == 7 else 1.0) for at, frame in enumerate(dish(4))]
    assert flagged(table_of(frames)) == {}


def test_a_step_of_light_in_a_part_is_no_fault_in_the_end() -> None:
    looks = np.random.default_rng(0).normal(0, 0.01, (20, 2, 12, 12)).astype(np.float32)
    looks[5:, 0, :6, :6] += 0.2
    assert find_hidden(looks[:16]).tolist() == [False] * 5 + [True] * 11
    assert not find_hidden(looks).any()
    looks[5:, 1, :6, :6] -= 1.0
    assert np.flatnonzero(find_hidden(looks)).tolist() == list(range(5, 17))


def test_most_fields_of_a_plate_that_move_at_once_are_a_moved_plate() -> None:
    moving = [
        table_of([field(frame, 90 * (at >= 7)) for at, frame in enumerate(dish(seed))], str(seed))
        for seed in range(4)
    ]
    # In the middle of a scan: half of the fields were seen shortly before.
    for table in moving[:2]:
        table["elapsed_h"] += 0.4
    other = [
        table_of([field(frame) for frame in dish(seed)], str(seed), "Q") for seed in range(4, 8)
    ]
    assert set(flagged(*moving, *other).values()) == {"plate_moved;"}
    assert len(flagged(*moving, *other)) == 4
    still = [table.assign(plate="P", field=f"{n}s") for n, table in enumerate(other)]
    assert set(flagged(*moving[1:], *still).values()) == {"field_moved;"}
    assert {"field_moved", "plate_moved", "part_hidden"} <= MEANINGS.keys()


def test_frames_without_texture_or_look_are_passed_over() -> None:
    table = table_of([field(frame) for frame in dish(5)])
    blank = table_of([field(frame) for frame in dish(6)])
    table.loc[7, ["focus", "look"]] = [0.1, blank.loc[7, "look"]]
    table.loc[9, "look"] = None
    table.loc[11, ["excluded", "look"]] = ["bubble", blank.loc[11, "look"]]
    assert flagged(table) == {7: "focus_lost;"}
    assert flagged(table.assign(look=None)) == {7: "focus_lost;"}


def test_series_that_change_from_frame_to_frame_are_not_judged() -> None:
    frames = [field(dish(seed)[0]) for seed in range(N)]
    looks = read_looks([look(frame) for frame in frames])
    assert not find_places(looks).any()


@pytest.mark.parametrize("by_themselves", [0, 14])
def test_a_part_is_hidden_only_where_blocks_are_quiet_otherwise(by_themselves: int) -> None:
    """Bright cells as large as blocks change many of them from frame to frame."""
    rng = np.random.default_rng(5)
    looks = rng.normal(0, 0.002, (N, 2, 12, 12)).astype(np.float32)
    for frame in looks:
        frame[0].flat[rng.choice(144, by_themselves, replace=False)] += 0.2
    looks[9, 0, 3:7, 3:7] += 0.2
    assert find_hidden(looks).any() == (by_themselves == 0)


def test_plates_move_only_with_several_fields() -> None:
    fields = np.array([[0.0, 9.0]] * 3)
    assert moved_with_their_plate(np.array([[3.0, 4.0]] * 3), fields).all()
    assert not moved_with_their_plate(np.array([[3.0, 4.0]] * 2), fields[:2]).any()
    assert not moved_with_their_plate(np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), fields).any()
    ended = np.array([[0.0, 9.0]] * 3 + [[0.0, 2.0]] * 5)
    assert moved_with_their_plate(np.array([[3.0, 4.0]] * 3), ended).all()


def test_moves_between_places() -> None:
    assert np.flatnonzero(moved_frames(np.array([0, 0, 1, 1, 0, 2, 2]))).tolist() == [2, 3, 5]
    assert not moved_frames(np.zeros(0, np.intp)).any()


@given(st.integers(0, 20), st.floats(0, 3), st.integers(0, 99))
def test_whatever_the_looks_the_answer_has_their_length(n: int, scatter: float, seed: int) -> None:
    looks = np.random.default_rng(seed).normal(0, scatter, (n, 2, 12, 12)).astype(np.float32)
    assert find_places(looks).shape == find_hidden(looks).shape == (n,)


@pytest.mark.parametrize("shape", [(97, 96), (100, 250), (2500, 1600)])
def test_a_look_is_light_and_texture_of_blocks(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.normal(1000, 20, shape)
    pixels[: shape[0] // 2] *= 1.5
    pixels[:, shape[1] // 2 :] += rng.normal(0, 60, (shape[0], shape[1] - shape[1] // 2))
    (light, texture) = read_looks([look(pixels)])[0]
    assert light[:5].mean() - light[7:].mean() == pytest.approx(np.log(1.5), abs=0.03)
    rise = texture[7:, 7:].mean() - texture[7:, :5].mean()
    assert rise == pytest.approx(np.log(np.hypot(20, 60) / 20), abs=0.2)


def test_small_and_even_frames() -> None:
    tiny = Frame(FrameKey("/w", b"a.tif", 0, "0"), FrameAttributes(), np.ones((20, 90), np.uint8))
    assert assess(tiny).look is None
    assert not read_looks([look(np.zeros((50, 50)))]).any()
