"""``[[experiments]]`` in the settings: each experiment's own over what holds for all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from livecount.config import Config, explained_config, load_config, with_experiment
from livecount.errors import ConfigError
from livecount.experiment_tables import EXPERIMENT_KEYS

TWO = """
[counting]
cell_diameter_um = 18.0
h = 0.2
[[experiments]]
name = "left"
folders = ["frames/left"]
cell_diameter_px = 30.0
time_zone = "Europe/Berlin"
t0 = "2026-07-05T14:30:00"
[[experiments]]
name = "right"
folders = ["frames/right"]
h = 0.3
plate_map = "right.csv"
"""


def load(tmp_path: Path, text: str, **overrides: Any) -> Config:
    path = tmp_path / "config.toml"
    path.write_text(text, encoding="utf-8")
    dotted = {name.replace("__", "."): value for name, value in overrides.items()}
    return load_config(path, environment={}, overrides=dotted)


def test_each_experiment_lays_its_own_over_what_holds_for_all(tmp_path: Path) -> None:
    left, right = load(tmp_path, TWO).each_experiment
    assert (left.experiment_name, right.experiment_name) == ("left", "right")
    assert left.watch.folders == (tmp_path / "frames" / "left",)
    assert (left.counting.cell_diameter_um, left.counting.cell_diameter_px) == (None, 30)
    assert (right.counting.cell_diameter_um, right.counting.cell_diameter_px) == (18, None)
    assert (left.counting.h, right.counting.h) == (0.2, 0.3)
    assert left.experiment.t0 is not None
    assert left.experiment.t0.isoformat() == "2026-07-05T12:30:00+00:00"
    assert (right.experiment.t0, right.experiment.time_zone) == (None, "UTC")
    assert right.experiment.plate_map == tmp_path / "right.csv"


def test_plain_settings_are_one_experiment(tmp_path: Path) -> None:
    config = load(tmp_path, "[watch]\nfolders = ['frames']\n")
    assert config.each_experiment == (config,)
    assert Config().each_experiment == ()


def test_a_flag_holds_for_all_that_say_nothing_themselves(tmp_path: Path) -> None:
    left, right = load(tmp_path, TWO, counting__z="all").each_experiment
    assert (left.counting.z, right.counting.z) == ("all", "all")


def test_what_one_experiment_sets_reads_as_the_same_again(tmp_path: Path) -> None:
    config = load(tmp_path, TWO)
    for one in config.each_experiment:
        table = json.loads(json.dumps(one.own_table()))
        again = with_experiment(config, table, "Ada")
        for section in ("experiment", "watch", "counting"):
            assert getattr(again, section) == getattr(one, section)


def test_a_flag_that_an_experiment_would_win_over_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"command line: counting.h: .*config.toml, line 14"):
        load(tmp_path, TWO, counting__h=0.4)


@pytest.mark.parametrize(
    ("change", "line", "said"),
    [
        (('name = "left"', "nme = 'left'"), 5, "must be given for each experiment"),
        (('name = "left"', "name = 'left'\nhh = 1"), 7, "did you mean experiments.h, item 1?"),
        (('name = "left"', "name = 'left'\nfolder = 1"), 7, "mean experiments.folders, item 1?"),
        (
            ('name = "left"', "name = 'left'\nscan_interval_s = 1"),
            7,
            "no such setting (did you mean watch.scan_interval_s?)",
        ),
        (("h = 0.3", "h = 7"), 14, "experiments.h, item 2: must be at most 1 (is 7)"),
        (('"2026-07-05T14:30:00"', '"soon"'), 10, "must be a time such as"),
        (('name = "right"', 'name = "left"'), 12, "'left' is another experiment's name too"),
        (("frames/right", "frames/left/b"), 13, "lie one inside the other"),
        (("frames/right", "frames/left"), 13, "twice"),
        (("cell_diameter_px = 30.0", "cell_diameter_px = 30\ncell_diameter_um = 9"), 8, "too"),
        (("h = 0.3", "pixel_size_override = true"), 14, "needs pixel_size_um"),
        (("h = 0.3", "pattern = '{x}('"), 14, "not a usable regular expression"),
        (("h = 0.3", "channel = 5"), 14, "must be a text in quotes"),
        (("[counting]", "[watch]\nfolders = ['a']\n[counting]"), 7, "[watch] folders is given too"),
        (("[counting]", "[experiment]\nt0 = 2026-10-05\n[counting]"), 7, "t0 is given too"),
    ],
)
def test_what_cannot_be_used_is_one_clear_line(
    tmp_path: Path, change: tuple[str, str], line: int, said: str
) -> None:
    assert change[0] in TWO
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, TWO.replace(*change))
    told = [one for one in caught.value.message.splitlines() if said in one]
    assert len(told) == 1, caught.value.message
    assert f"config.toml, line {line}: experiments" in told[0]


@pytest.mark.parametrize("text", ["experiments = 5", "experiments = [5]", "experiments = {}"])
def test_what_is_no_table_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"\[\[experiments\]\]"):
        load(tmp_path, text)


def shipped_table() -> str:
    _, table = explained_config().read_text(encoding="utf-8").split("#[[experiments]]\n")
    return "[[experiments]]\n" + "".join(line[1:] for line in table.splitlines(keepends=True))


def test_the_shipped_table_can_be_used_and_holds_every_key(tmp_path: Path) -> None:
    text = shipped_table()
    (one,) = load(tmp_path, text).each_experiment
    assert one.experiment_name == "Plate 7"
    either_or = {"cell_diameter_px", "channel_roles"}
    for key in EXPERIMENT_KEYS:
        assert f"  {key} = " in text or (key in either_or and f"# or {key}" in text)


def test_a_table_given_later_is_checked_in_the_same_way(tmp_path: Path) -> None:
    config = load(tmp_path, "[counting]\nh = 0.2\n")
    one = with_experiment(config, {"name": "c", "folders": ["/c"], "pixel_size_um": 0.5}, "Ada")
    assert (one.experiment_name, one.counting.h, one.counting.pixel_size_um) == ("c", 0.2, 0.5)
    with pytest.raises(ConfigError) as caught:
        with_experiment(config, {"name": "c", "folders": ["/c"], "h": 2, "zz": 1}, "Ada")
    assert "Ada: experiments.h: must be at most 1 (is 2)" in caught.value.message
    assert "Ada: experiments.zz: no such setting (did you mean experiments.z?)" in str(caught.value)
