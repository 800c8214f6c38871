"""``[[experiments]]``: each a complete set of settings; what cannot be used is said in one line."""

from pathlib import Path
from typing import Any

import pytest

from livecount.config import load_config
from livecount.errors import ConfigError
from livecount.settings import Config

TWO = """
[counting]
h = 0.15
cell_diameter_um = 20.0

[[experiments]]
name = "A549"
folders = ["a549"]

[[experiments]]
name = "HeLa"
folders = ["hela", "more"]
h = 0.3
cell_diameter_px = 30.0
pattern = '(?P<well>[A-H]\\d+)'
frame_interval_min = 20.0
plate_map = "hela.csv"
"""


def load(
    folder: Path, text: str, environment: dict[str, str] | None = None, **overrides: Any
) -> Config:
    path = folder / "config.toml"
    path.write_text(text, encoding="utf-8")
    dotted = {name.replace("__", "."): value for name, value in overrides.items()}
    return load_config(path, environment=environment or {}, overrides=dotted)


def test_each_experiment_has_what_differs_and_the_rest_of_the_file(tmp_path: Path) -> None:
    config = load(tmp_path, TWO)
    first, second = config.each_experiment
    assert [one.experiment_name for one in (first, second)] == ["A549", "HeLa"]
    assert first.watch.folders == (tmp_path / "a549",)
    assert second.watch.folders == (tmp_path / "hela", tmp_path / "more")
    assert (first.counting.h, second.counting.h) == (0.15, 0.3)
    assert (first.counting.cell_diameter_um, first.counting.cell_diameter_px) == (20, None)
    assert (second.counting.cell_diameter_um, second.counting.cell_diameter_px) == (None, 30)
    assert (first.watch.pattern, second.watch.pattern) == ("", r"(?P<well>[A-H]\d+)")
    assert second.experiment.frame_interval_min == 20
    assert second.experiment.plate_map == tmp_path / "hela.csv"
    assert config.folders == (*first.watch.folders, *second.watch.folders)
    assert config.of_experiment("HeLa") is second
    assert config.of_experiment("another") is config


def test_flags_and_environment_win_over_each_table(tmp_path: Path) -> None:
    environment = {"LIVECOUNT_COUNTING__CELL_DIAMETER_UM": "12"}
    config = load(tmp_path, TWO, environment, counting__h=0.5)
    for one in config.each_experiment:
        assert (one.counting.h, one.counting.cell_diameter_um) == (0.5, 12)
        assert one.counting.cell_diameter_px is None


def test_without_tables_it_is_one_experiment(tmp_path: Path) -> None:
    config = load(tmp_path, "[experiment]\nname = 'e'\n[watch]\nfolders = ['a']\n")
    assert config.each_experiment == (config,)
    assert config.folders == (tmp_path / "a",)


ONE = "[[experiments]]\nname = 'a'\nfolders = ['a']\n"
BAD = [
    (ONE + "hh = 1", 4, "experiments.hh, item 1", "did you mean h?"),
    (ONE + "cell_diamter_px = 3", 4, "cell_diamter_px", "did you mean cell_diameter_px?"),
    (ONE + "model = 'x'", 4, "experiments.model", "counting.model holds for all"),
    (ONE + "qwertz = 1", 4, "experiments.qwertz", "those here are name, time_zone, t0"),
    (ONE + "h = 7", 4, "experiments.h, item 1", "must be at most 1 (is 7)"),
    (ONE + "\ncell_diameter_px = 9\ncell_diameter_um = 9", 5, "cell_diameter_px", "one of the two"),
    (ONE + "pixel_size_override = true", 4, "pixel_size_override", "needs pixel_size_um"),
    (ONE + "time_zone = 'berlin'", 4, "experiments.time_zone", "Europe/Berlin?"),
    (ONE + "pattern = '('", 4, "experiments.pattern", "regular expression"),
    (ONE + ONE, 5, "experiments.name, item 2", "names 'a' twice"),
    (ONE + ONE.replace("'a'", "'A'"), 5, "experiments.name, item 2", "names 'A' twice"),
    ("[[experiments]]\nfolders = ['a']", 1, "experiments.name, item 1", "needs a name"),
    ("[[experiments]]\nname = 'a'", 1, "experiments.folders, item 1", "needs a folder"),
    (
        ONE + "[[experiments]]\nname = 'b'\nfolders = ['a/b']",
        6,
        "folders, item 2",
        "belongs to one",
    ),
    ("[watch]\nfolders = ['x']\n" + ONE, 2, "watch.folders", "keep one of the two"),
    ("[experiment]\nname = 'x'\n" + ONE, 2, "experiment.name", "keep one of the two"),
    ("experiments = []", 1, "experiments", "names no experiment"),
    ("experiments = 5", 1, "experiments", "[[experiments]]"),
    ("experiments = [5]", 1, "experiments", "[[experiments]]"),
    ('[[experiments]]\nname = "a"\nfolders = ["D:\\new"]', 3, "folders", "single quotes"),
]


@pytest.mark.parametrize(("text", "line", "key", "what"), BAD)
def test_what_cannot_be_used_is_said_with_its_line(
    tmp_path: Path, text: str, line: int, key: str, what: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    message = caught.value.message
    assert message.startswith(f"{tmp_path / 'config.toml'}, line {line}: ")
    assert key in message
    assert what in message
    assert "\n" not in message


def test_folders_on_the_command_line_do_not_go_with_tables(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"command line: watch\.folders"):
        load(tmp_path, TWO, watch__folders=["x"])


def test_each_experiment_has_its_own_channel_of_nuclei(tmp_path: Path) -> None:
    text = """
    [counting]
    nuclei_channel = "DAPI"
    nucleus_diameter_um = 12
    [[experiments]]
    name = "a"
    folders = ["/a"]
    [[experiments]]
    name = "b"
    folders = ["/b"]
    nuclei_channel = "Hoechst"
    nucleus_diameter_px = 30
    """
    first, second = (one.counting for one in load(tmp_path, text).each_experiment)
    assert (first.nuclei_channel, first.nucleus_diameter_um) == ("DAPI", 12)
    assert (second.nuclei_channel, second.nucleus_diameter_um) == ("Hoechst", None)
    assert second.nucleus_diameter_px == 30
