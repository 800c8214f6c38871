"""What somebody sees who looks while a file is being written."""

import re
import threading
import time

import numpy as np
import tifffile

from livecount.simulation import simulate
from livecount.simulation.naming import naming_for
from livecount.simulation.plan import Shot
from livecount.simulation.writers import open_writer
from tests.simulation.small_runs import small


def first_shot(settings):
    return Shot(settings.plan, 0, 0, 0, 0.0)


def looks_while_writing(settings, folder, look):
    """Write one frame through the writer and take a look at every pause."""
    looks = []
    plan = settings.plan
    path = folder / naming_for(settings.scheme).path(first_shot(settings))
    writer = open_writer(
        settings.scheme,
        folder,
        plan,
        naming_for(settings.scheme),
        settings.manner,
        1.0,
        lambda _: looks.append(look(path)),
    )
    pixels = np.full((plan.height_px, plan.width_px), 777, np.uint16)
    writer.write(first_shot(settings), pixels)
    return looks, path, writer


def test_slow_files_grow(tmp_path):
    settings = small(manner="slow")
    sizes, path, _ = looks_while_writing(settings, tmp_path, lambda p: p.stat().st_size)
    assert len(sizes) == 8
    assert sizes == sorted(set(sizes))
    assert sizes[0] < 0.2 * path.stat().st_size
    assert sizes[-1] == path.stat().st_size


def test_pre_sized_files_have_their_full_size_and_a_zero_tail(tmp_path):
    settings = small(manner="pre-sized")

    def look(path):
        content = path.read_bytes()
        return len(content), len(content) - len(content.rstrip(b"\0"))

    looks, path, _ = looks_while_writing(settings, tmp_path, look)
    sizes, tails = zip(*looks, strict=True)
    assert set(sizes) == {path.stat().st_size}
    assert list(tails) == sorted(tails, reverse=True)
    assert tails[0] > 0.8 * sizes[0]
    assert tails[-1] < 0.1 * sizes[0]


def test_a_pre_sized_file_reads_silently_as_half_an_image(tmp_path):
    def look(path):
        try:
            return np.mean(tifffile.imread(path) == 777)
        except (tifffile.TiffFileError, ValueError):
            return None

    shares, _, _ = looks_while_writing(small(manner="pre-sized"), tmp_path, look)
    assert any(share is not None and 0.2 < share < 0.9 for share in shares)


def test_renamed_files_are_never_partial_under_their_name(tmp_path):
    def look(path):
        return path.exists(), [p.suffix for p in path.parent.iterdir()]

    looks, path, _ = looks_while_writing(small(manner="temp-rename"), tmp_path, look)
    assert looks == [(False, [".tmp"])] * 8
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_growing_stacks_show_more_pages_and_no_ome_until_closed(tmp_path):
    seen = []

    def look(frame):
        with tifffile.TiffFile(tmp_path / "run" / frame.source) as tiff:
            seen.append((len(tiff.pages), tiff.is_ome, int(tiff.pages[frame.page].asarray().max())))

    settings = small(scheme="ome-tiff", manner="growing")
    truth = simulate(settings, tmp_path / "run", on_frame=look)
    assert [pages for pages, _, _ in seen] == [1] * 4 + [2] * 4 + [3] * 4
    assert not any(is_ome for _, is_ome, _ in seen)
    assert all(brightest > 0 for _, _, brightest in seen)
    with tifffile.TiffFile(truth.folder / truth.frames[0].source) as tiff:
        assert tiff.is_ome


def test_ome_xml_at_the_start_announces_all_time_points(tmp_path):
    announced = []

    def look(frame):
        with tifffile.TiffFile(tmp_path / "run" / frame.source) as tiff:
            xml = tiff.pages.first.tags["ImageDescription"].value
        announced.append(int(re.search(r'SizeT="(\d+)"', xml).group(1)))

    settings = small(scheme="ome-tiff", manner="growing", ome_at_start=True)
    simulate(settings, tmp_path / "run", on_frame=look)
    assert announced == [3] * 12


def test_the_pixels_of_a_growing_page_arrive_slowly(tmp_path):
    settings = small(scheme="ome-tiff", manner="growing")
    sizes, path, writer = looks_while_writing(settings, tmp_path, lambda p: p.stat().st_size)
    assert len(sizes) == 8
    assert sizes == sorted(set(sizes))
    writer.close()
    assert tifffile.imread(path).min() == 777


def test_pre_sized_stacks_are_cut_when_closed(tmp_path):
    sizes = []
    path = tmp_path / "run" / "SIM_MMStack_A1-Site_0.ome.tif"
    settings = small(scheme="micro-manager-stack", manner="pre-sized")
    simulate(settings, tmp_path / "run", on_frame=lambda _: sizes.append(path.stat().st_size))
    assert len(set(sizes)) == 1
    assert path.stat().st_size < 0.5 * sizes[0]


def test_a_watcher_in_another_thread_sees_partial_files(tmp_path):
    settings = small(
        wells=("A1",), fields_per_well=1, n_time_points=2, manner="slow", write_seconds=0.4
    )
    worker = threading.Thread(target=simulate, args=(settings, tmp_path / "run"))
    path = tmp_path / "run" / "A1_f1_t0001.tif"
    sizes = set()
    worker.start()
    while worker.is_alive():
        if path.exists():
            sizes.add(path.stat().st_size)
        time.sleep(0.01)
    worker.join()
    assert len(sizes) >= 3


# ---- truth
