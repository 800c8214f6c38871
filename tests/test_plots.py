import itertools
import xml.etree.ElementTree as ET
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from livecount.errors import LivecountError
from livecount.frame import Candidates, CellShapes
from livecount.growth import growth_table, wells_of
from livecount.plots import EventMark, draw_overlay, plot_growth
from livecount.plots.growth_figure import growth_figure
from livecount.plots.style import figure_style
from livecount.segmentation import trace_masks

SVG = "{http://www.w3.org/2000/svg}"
YELLOW = (255, 214, 10)


def plate(n_wells: int, *, points: int = 13, columns: int = 12, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    times = np.linspace(0, 72, points)
    parts = [
        pd.DataFrame(
            {
                "experiment": "e",
                "well": f"{chr(65 + index // columns)}{index % columns + 1}",
                "field": "1",
                "elapsed_h": times,
                "count": rng.poisson(50 * 2 ** (times / (20 + index % columns))),
            }
        )
        for index in range(n_wells)
    ]
    table = pd.concat(parts, ignore_index=True).assign(excluded="")
    return table.assign(density_per_mm2=table["count"] / 0.5)


def texts_of(path: Path) -> list[str]:
    return ["".join(node.itertext()).strip() for node in ET.parse(path).iter(f"{SVG}text")]


def candidates(*places: tuple[float, float]) -> Candidates:
    y, x = (np.array([place[axis] for place in places], dtype=np.float32) for axis in (0, 1))
    return Candidates(y, x, np.ones(len(places), dtype=np.float32))


@pytest.mark.parametrize("suffix", [".svg", ".pdf", ".png"])
def test_equal_counts_give_equal_files(tmp_path: Path, suffix: str) -> None:
    counts = plate(3)
    for name in ("one", "two"):
        plot_growth(counts, growth_table(counts), tmp_path / (name + suffix))
    one, two = ((tmp_path / (name + suffix)).read_bytes() for name in ("one", "two"))
    assert one == two


@pytest.mark.parametrize("width_mm", [89, 183])
def test_figure_is_as_wide_as_asked(tmp_path: Path, width_mm: int) -> None:
    plot_growth(plate(2), None, tmp_path / "growth.png", width_mm=width_mm)
    with Image.open(tmp_path / "growth.png") as image:
        assert image.width == pytest.approx(width_mm / 25.4 * 300, abs=1)


def test_svg_says_units_doubling_times_and_that_single_wells_have_no_interval(
    tmp_path: Path,
) -> None:
    counts = plate(2)
    rows = growth_table(counts)
    plot_growth(counts, rows, tmp_path / "growth.svg")
    texts = texts_of(tmp_path / "growth.svg")
    assert {"Time (h)", "Cells / mm² (log₂ axis)"} <= set(texts)
    assert "Doubling time (single well: no interval)" in texts
    well = next(row for row in rows if row.level == "well")
    assert f"A1: {well.doubling_time_h:.1f} h" in texts
    assert any(text.startswith("all wells: ") and "n = 2 wells" in text for text in texts)


def test_counts_without_density_are_per_field_and_linear_axis_says_so(tmp_path: Path) -> None:
    counts = plate(1).drop(columns="density_per_mm2")
    plot_growth(counts, None, tmp_path / "growth.svg", log=False)
    assert "Cells per field" in texts_of(tmp_path / "growth.svg")


def test_exponential_fit_is_curved_on_a_linear_axis() -> None:
    counts = plate(1)
    with figure_style():
        figure = growth_figure(
            wells_of(counts), growth_table(counts), log=False, width_mm=89, title=""
        )
    x, y = figure.axes[0].lines[-1].get_data()
    middle = len(x) // 2
    assert y[middle] < 0.8 * np.interp(x[middle], [x[0], x[-1]], [y[0], y[-1]])


def test_excluded_counts_are_hollow_and_zeros_lie_on_the_floor(tmp_path: Path) -> None:
    counts = plate(1)
    counts.loc[3, "excluded"] = "bubble"
    counts.loc[0, ["count", "density_per_mm2"]] = 0
    plot_growth(counts, None, tmp_path / "growth.svg")
    assert {"excluded, not used", "0 cells"} <= set(texts_of(tmp_path / "growth.svg"))
    with figure_style():
        figure = growth_figure(
            wells_of(counts), growth_table(counts), log=True, width_mm=89, title=""
        )
    lines = {line.get_marker(): line for line in figure.axes[0].lines}
    hollow = [x for x in figure.axes[0].lines if x.get_markerfacecolor() == "none"]
    assert hollow[0].get_xdata().tolist() == [counts.loc[3, "elapsed_h"]]
    floor = lines["v"].get_ydata()[0]
    assert figure.axes[0].get_ylim()[0] <= floor < counts["density_per_mm2"].iloc[1:].min()


def test_replicate_groups_show_their_interval(tmp_path: Path) -> None:
    counts = plate(8, columns=4)
    counts["group"] = np.where(counts["well"].str.startswith("A"), "control", "drug")
    plot_growth(counts, None, tmp_path / "growth.svg")
    texts = texts_of(tmp_path / "growth.svg")
    for name in ("control", "drug"):
        assert any(text.startswith(f"{name}: ") and "95 % CI" in text for text in texts)


def test_many_wells_become_panels_laid_out_as_the_plate() -> None:
    counts = plate(24)
    with figure_style():
        figure = growth_figure(
            wells_of(counts), growth_table(counts), log=True, width_mm=183, title=""
        )
    assert len(figure.axes) == 24
    assert [axes.get_title() for axes in figure.axes[:12]] == [str(n) for n in range(1, 13)]
    tops = {round(axes.get_position().y0, 3) for axes in figure.axes}
    assert len(tops) == 2
    assert len({axes.get_ylim() for axes in figure.axes}) == 1


@pytest.mark.parametrize(
    ("n_wells", "columns", "width_mm", "last_h"),
    [
        (1, 12, 89, 72),
        (8, 12, 89, 72),
        (8, 12, 183, 72),
        (9, 12, 89, 72),
        (24, 6, 89, 72),
        (96, 12, 89, 72),
        (96, 12, 89, 200),
        (96, 12, 183, 72),
        (384, 24, 183, 200),
    ],
)
@pytest.mark.parametrize("grouped", [False, True])
def test_no_label_lies_over_another(
    n_wells: int, columns: int, width_mm: int, last_h: float, grouped: bool
) -> None:
    counts = plate(n_wells, columns=columns)
    counts["elapsed_h"] *= last_h / 72
    if grouped:
        # More groups than one panel shows as means, for the key below the small multiples.
        counts["group"] = "treatment " + counts["well"].str[1:]
        counts.loc[counts.index % 9 == 2, "excluded"] = "bubble"
        counts.loc[counts["well"] == "A1", ["count", "density_per_mm2"]] = 0
    with figure_style():
        rows = growth_table(counts)
        figure = growth_figure(wells_of(counts), rows, log=True, width_mm=width_mm, title="Title")
        assert overlapping(figure) == []


def overlapping(figure: Figure) -> list[tuple[str, str]]:
    figure.draw_without_rendering()
    page = figure.bbox
    boxes = []
    for text in figure.findobj(Text):
        if not (text.get_text().strip() and text.get_visible()):
            continue
        box = text.get_window_extent()
        if box.width and page.overlaps(box) and is_drawn(text):
            assert box.x0 >= -1, text.get_text()
            assert box.x1 <= page.x1 + 1, text.get_text()
            boxes.append((text.get_text(), box.padded(-1)))
    return [
        (one, other)
        for (one, first), (other, second) in itertools.combinations(boxes, 2)
        if first.overlaps(second)
    ]


def is_drawn(text: Text) -> bool:
    """Ticks outside of the axis' limits exist and are not drawn."""
    axes = text.axes
    if axes is None:
        return True
    shown = [*axes.texts, axes.title, axes.xaxis.label, axes.yaxis.label]
    for axis in (axes.xaxis, axes.yaxis):
        low, high = sorted(axis.get_view_interval())
        for tick in axis.get_major_ticks():
            if low <= tick.get_loc() <= high:
                shown += [tick.label1] if tick.label1.get_visible() else []
    return any(text is one for one in shown)


def test_awkward_names_give_valid_svg(tmp_path: Path) -> None:
    counts = plate(2)
    counts["well"] = counts["well"].map({"A1": "$x$ <b>&\x07", "A2": "培養 $\\frac"})
    plot_growth(counts, None, tmp_path / "growth.svg", title="ctrl \x00 $")
    assert any("<b>&" in text for text in texts_of(tmp_path / "growth.svg"))
    plot_growth(counts, None, tmp_path / "growth.png")


def test_settings_of_the_user_neither_matter_nor_change(tmp_path: Path) -> None:
    plot_growth(plate(2), None, tmp_path / "plain.svg")
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red"}):
        plot_growth(plate(2), None, tmp_path / "set.svg")
        assert matplotlib.rcParams["font.size"] == 30
    assert (tmp_path / "plain.svg").read_bytes() == (tmp_path / "set.svg").read_bytes()


@pytest.mark.parametrize(
    "counts",
    [
        pd.DataFrame(),
        plate(2).iloc[:0],
        plate(2).assign(count=0, density_per_mm2=0),
        plate(1).iloc[:1],
        plate(2).assign(excluded="dark"),
    ],
)
@pytest.mark.parametrize("log", [True, False])
def test_counts_that_show_nothing_still_give_a_figure(
    tmp_path: Path, counts: pd.DataFrame, log: bool
) -> None:
    plot_growth(counts, None, tmp_path / "growth.svg", log=log)
    assert texts_of(tmp_path / "growth.svg")


def test_other_suffixes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LivecountError, match=r"growth\.docx") as refused:
        plot_growth(plate(1), None, tmp_path / "growth.docx")
    assert ".svg" in refused.value.hint
    with pytest.raises(LivecountError, match=r"cells\.bmp"):
        draw_overlay(np.zeros((9, 9)), candidates(), tmp_path / "cells.bmp")


# overlays


def overlay(tmp_path: Path, pixels: np.ndarray, cells: Candidates, **more: object) -> np.ndarray:
    path = tmp_path / "overlay.png"
    draw_overlay(pixels, cells, path, **more)  # type: ignore[arg-type]
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


@pytest.mark.parametrize("level", [0, 65535])
def test_rings_show_on_dark_and_on_bright(tmp_path: Path, level: int) -> None:
    pixels = np.full((400, 400), level, dtype=np.uint16)
    pixels[:20] = 65535 - level
    drawn = overlay(tmp_path, pixels, candidates((200, 210)), cell_diameter_px=40)
    around = drawn[188:213, 198:223].astype(int)
    assert (np.abs(around - YELLOW).sum(axis=2) < 60).sum() > 20
    if level:
        assert (around.sum(axis=2) < 200).sum() > 20


def test_frame_is_untouched_away_from_rings(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (330, 400)).astype(np.uint8)
    low, high = np.percentile(pixels, (0.5, 99.5))
    drawn = overlay(tmp_path, pixels, candidates((100, 100)), cell_diameter_px=30)
    expected = np.clip((pixels.astype(float) - low) / (high - low), 0, 1) * 255
    away = np.ones(pixels.shape, dtype=bool)
    away[80:121, 80:121] = False
    assert np.abs(drawn[:330, :400, 0].astype(float) - expected)[away].max() <= 1


def test_ring_is_centred_on_its_cell(tmp_path: Path) -> None:
    drawn = overlay(tmp_path, np.zeros((200, 400)), candidates((60.5, 301.25)), cell_diameter_px=50)
    y, x = np.nonzero(drawn[:200, :, 0].astype(int) - drawn[:200, :, 2] > 100)
    assert (y.mean(), x.mean()) == pytest.approx((60.5, 301.25), abs=0.3)


def test_scale_bar_has_its_length(tmp_path: Path) -> None:
    drawn = overlay(tmp_path, np.zeros((100, 600)), candidates(), pixel_size_um=0.65)
    longest = max(
        len(list(run))
        for row in drawn[100:, :, 2]
        for white, run in itertools.groupby(row == 255)
        if white
    )
    # 600 px are 390 um: a sixth is 65, and 50 the round length below.
    assert longest == pytest.approx(50 / 0.65, abs=1.5)
    without = overlay(tmp_path, np.zeros((100, 600)), candidates())
    assert not (without[100:] == 255).all(axis=2).any()


def test_large_frames_are_averaged_down(tmp_path: Path) -> None:
    pixels = np.zeros((20, 8100), dtype=np.uint8)
    pixels[:, 3000:] = 200
    drawn = overlay(tmp_path, pixels, candidates((10, 6000)), cell_diameter_px=30)
    assert drawn.shape[1] == 2700
    x = np.nonzero(drawn[:6, :, 0].astype(int) - drawn[:6, :, 2] > 100)[1]
    assert x.mean() == pytest.approx(2000, abs=1)


@given(
    hnp.arrays(
        st.sampled_from([np.uint8, np.uint16, np.float32, np.float64, np.bool_]),
        st.tuples(st.integers(1, 30), st.integers(1, 30)),
    ),
    st.lists(st.tuples(st.floats(-5, 40), st.floats(-5, 40)), max_size=4),
)
@settings(max_examples=60)
def test_any_frame_can_be_drawn(
    tmp_path_factory: pytest.TempPathFactory,
    pixels: np.ndarray,
    places: list[tuple[float, float]],
) -> None:
    folder = tmp_path_factory.mktemp("overlay")
    drawn = overlay(folder, pixels, candidates(*places), title="t" * 200, pixel_size_um=0.5)
    assert drawn.shape[0] > pixels.shape[0]


def test_real_frame_shows_every_annotated_cell(tmp_path: Path, real_images: Path) -> None:
    tifffile = pytest.importorskip("tifffile")
    frame = real_images / "hela" / "test" / "hela1.tif"
    centres = pd.read_csv(frame.with_suffix(".centres.csv"))
    pixels = tifffile.imread(frame)
    cells = candidates(*centres[["y_px", "x_px"]].itertuples(index=False, name=None))
    drawn = overlay(tmp_path, pixels, cells, title=frame.name, cell_diameter_px=55)
    yellow = drawn[: pixels.shape[0], :, 0].astype(int) - drawn[: pixels.shape[0], :, 2] > 100
    for y, x in centres.to_numpy():
        row, column = round(y), round(x)
        near = yellow[max(row - 16, 0) : row + 17, max(column - 16, 0) : column + 17]
        assert near.any()
    assert yellow.mean() < 0.03


def test_outlines_stand_in_for_rings_and_tell_bright_rounded_cells(tmp_path: Path) -> None:
    labels = np.zeros((300, 400), np.int32)
    labels[20:60, 20:60], labels[20:60, 60:100] = 1, 3
    shapes = CellShapes(*np.array([[0] * 3] * 4 + [[1, 0, 0]], np.float32))
    cells = candidates((40, 40), (200, 200), (40, 80))
    drawn = overlay(
        tmp_path, np.zeros((300, 400)), cells, cell_diameter_px=40, masks=trace_masks(labels),
        shapes=shapes,
    ).astype(int)  # fmt: skip
    cyan = (np.abs(drawn - (0, 229, 255)).sum(axis=2) < 30)[:300]
    yellow = (np.abs(drawn - YELLOW).sum(axis=2) < 30)[:300]
    y, x = np.nonzero(cyan)
    assert (y.min(), y.max(), x.min(), x.max()) == (20, 60, 20, 60)
    assert cyan[30:50, 60].all(), "of two that touch, the bright one is seen"
    assert not cyan[25:55, 25:55].any()
    assert yellow[20, 80]
    assert yellow[40, 100]
    assert not yellow[30:50, 65:95].any()
    # The cell without a mask keeps its ring.
    assert yellow[190:211, 190:211].sum() > 20


@pytest.mark.parametrize("shape", [(9, 8100), (1, 1), (5000, 700)])
def test_outlines_fit_frames_of_any_size(tmp_path: Path, shape: tuple[int, int]) -> None:
    labels = np.zeros(shape, np.int32)
    labels[: shape[0] // 2 + 1, : shape[1] // 2 + 1] = 1
    drawn = overlay(tmp_path, np.zeros(shape), candidates((0, 0)), masks=trace_masks(labels))
    assert drawn.shape[0] > 0


def test_events_are_numbered_lines_with_their_words_in_the_key(tmp_path: Path) -> None:
    counts = plate(4, columns=4)
    middle = float(counts["elapsed_h"].median())
    events = [EventMark("drug <added>", middle), EventMark("long after", 1e4, ("A1",))]
    plot_growth(counts, None, tmp_path / "growth.svg", events=events)
    texts = texts_of(tmp_path / "growth.svg")
    assert f"1: drug <added>, {middle:.4g} h" in texts
    assert "2: long after, 1e+04 h (A1)" in texts
    assert texts.count("1") == 1
    assert "2" not in [text for text in texts if not text.replace(".", "").isdecimal()]


def test_small_panels_show_only_the_events_of_their_well() -> None:
    counts = plate(24)
    middle = float(counts["elapsed_h"].median())
    with figure_style():
        figure = growth_figure(
            wells_of(counts),
            growth_table(counts),
            None,
            [EventMark("drug", middle, ("A1", "B2"))],
            log=True,
            width_mm=183,
            title="",
        )
    dashed = [sum(line.get_linestyle() == "--" for line in axes.lines) for axes in figure.axes]
    assert sum(dashed) == 2
    assert dashed[0] == 1


def test_wells_in_no_group_are_said_and_not_drawn(tmp_path: Path) -> None:
    counts = plate(8, columns=4)
    counts["group"] = np.where(counts["well"] == "A1", "", "drug")
    plot_growth(counts, None, tmp_path / "growth.svg")
    texts = texts_of(tmp_path / "growth.svg")
    assert any(text.startswith("drug: ") for text in texts)
    assert "not drawn: 1 well in no group" in texts
