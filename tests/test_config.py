import os
import re
import subprocess
import sys
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from livecount.config import (
    Config,
    default_database,
    explained_config,
    load_config,
    setting_names,
    variable_names,
)
from livecount.frame import MIN_PROMINENCE
from livecount.inference import RUNTIME_NAMES
from livecount.settings import CountingSettings, RetrySettings, WatchSettings

COMMENTED_SETTING = re.compile(r"^#(?=\w+ = )", re.MULTILINE)


def load(
    tmp_path: Path,
    text: str | bytes | None = None,
    environment: dict[str, str] | None = None,
    **overrides: Any,
) -> Config:
    """Load settings; overrides are written ``counting__h`` here."""
    path = None
    if text is not None:
        path = tmp_path / "config.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    dotted = {name.replace("__", "."): value for name, value in overrides.items()}
    return load_config(path, environment=environment or {}, overrides=dotted)


# --- the shipped file -----------------------------------------------------------------------------


def keys_of(table: dict[str, Any], within: str = "") -> list[str]:
    found = []
    for key, value in table.items():
        tables_of_its_own = isinstance(value, dict) and key not in (
            "channel_roles",
            "targets",
            "thresholds",
        )
        found += keys_of(value, f"{within}{key}.") if tables_of_its_own else [within + key]
    return found


def test_the_shipped_file_holds_every_setting_in_order_and_no_other() -> None:
    text = COMMENTED_SETTING.sub("", explained_config().read_text(encoding="utf-8"))
    text = text.replace("#[[experiments]]", "[[experiments]]")
    assert sorted(keys_of(tomllib.loads(text))) == sorted(setting_names())


def test_the_shipped_file_shows_the_defaults() -> None:
    shipped = load_config(explained_config(), environment={}, overrides={})
    assert shipped == Config()
    given = set(keys_of(tomllib.loads(explained_config().read_text(encoding="utf-8"))))
    left_out = {name for name in setting_names() if name not in given}
    absent = {name for name in setting_names() if default_of(name) in (None, ())}
    assert left_out == absent - given
    assert left_out


def default_of(name: str) -> Any:
    value: Any = Config()
    for part in name.split("."):
        value = getattr(value, part)
    return value


@pytest.mark.parametrize(
    "line", re.findall(r"^#\w+ = .*$", explained_config().read_text("utf-8"), re.MULTILINE)
)
def test_every_example_in_the_shipped_file_can_be_used(tmp_path: Path, line: str) -> None:
    text = explained_config().read_text(encoding="utf-8")
    assert load(tmp_path, text.replace(f"\n{line}\n", f"\n{line[1:]}\n")) != Config()


def test_every_setting_is_explained_right_above_it() -> None:
    block: list[str] = []
    for line in explained_config().read_text(encoding="utf-8").splitlines():
        if COMMENTED_SETTING.match(line) or re.match(r"\w+ = ", line):
            assert block, f"nothing explains {line}"
        elif line.startswith("# "):
            block.append(line)
        elif not line.startswith("#"):
            block = []


def test_the_file_names_in_its_explanation_are_usable_patterns() -> None:
    text = explained_config().read_text(encoding="utf-8")
    patterns = re.findall(r"'(\(\?P<.*)'", text)
    assert patterns
    for pattern in patterns:
        assert WatchSettings(pattern=pattern).pattern == pattern


# --- values that depend on where they come from ---------------------------------------------------


def test_flags_win_over_environment_over_file_over_defaults(tmp_path: Path) -> None:
    text = "[counting]\nh = 0.1\nthreads = 1\nmemory_limit_mb = 200\n"
    environment = {"LIVECOUNT_COUNTING__H": "0.2", "LIVECOUNT_COUNTING__THREADS": "2"}
    counting = load(tmp_path, text, environment, counting__h=0.3, counting__z=None).counting
    assert (counting.h, counting.threads, counting.memory_limit_mb) == (0.3, 2, 200)
    assert counting.z == "sharpest"


@pytest.mark.parametrize("upper", ["environment", "override"])
def test_a_diameter_given_later_takes_back_the_other_unit(tmp_path: Path, upper: str) -> None:
    text = "[counting]\ncell_diameter_um = 18.0\n"
    if upper == "environment":
        config = load(tmp_path, text, {"LIVECOUNT_COUNTING__CELL_DIAMETER_PX": "30"})
    else:
        config = load(tmp_path, text, counting__cell_diameter_px=30)
    assert config.counting.cell_diameter_um is None
    assert config.counting.cell_diameter_px == 30


def test_a_channel_given_later_takes_back_the_roles(tmp_path: Path) -> None:
    text = "[counting]\nchannel_roles = { Phase = 'count', GFP = 'ignore' }\n"
    counting = load(tmp_path, text, counting__channel="GFP").counting
    assert (counting.channel, counting.channel_roles) == ("GFP", {})
    roles = {"LIVECOUNT_COUNTING__CHANNEL_ROLES": "{ GFP = 'count' }"}
    assert load(tmp_path, text, roles).counting.channel_roles == {"GFP": "count"}


def test_paths_in_the_file_start_where_it_lies_others_where_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    text = "[watch]\nfolders = ['scans/../frames', '~/frames']\n[database]\nfile = 'x.db'\n"
    config = load(tmp_path, text, {"LIVECOUNT_LOG__FILE": "x.log"})
    assert config.watch.folders == (tmp_path / "frames", tmp_path / "home" / "frames")
    assert config.database.file == tmp_path / "x.db"
    assert config.log_file == elsewhere / "x.log"
    assert load(tmp_path, text, watch__folders=[Path("a")]).watch.folders == (elsewhere / "a",)


@pytest.mark.parametrize(
    ("value", "folders"),
    [("/one folder", ["/one folder"]), ("['/a', \"/b\"]", ["/a", "/b"])],
)
def test_folders_from_the_environment(tmp_path: Path, value: str, folders: list[str]) -> None:
    config = load(tmp_path, None, {"LIVECOUNT_WATCH__FOLDERS": value})
    assert config.watch.folders == tuple(Path(folder).absolute() for folder in folders)


def test_variables_of_every_kind(tmp_path: Path) -> None:
    environment = {
        "LIVECOUNT_EXPERIMENT__NAME": "12",
        "LIVECOUNT_EXPERIMENT__T0": "2026-10-05T14:30:00+02:00",
        "LIVECOUNT_WATCH__RETRY__ATTEMPTS": "9",
        "LIVECOUNT_COUNTING__CHANNEL_ROLES": '{ Phase = "count", GFP = "ignore" }',
        "LIVECOUNT_COUNTING__Z": "3",
        "LIVECOUNT_COUNTING__PIXEL_SIZE_UM": "0.65",
        "LIVECOUNT_COUNTING__PIXEL_SIZE_OVERRIDE": "true",
        "LIVECOUNT_COUNTING__H": "",
        "LIVECOUNT_DATA": "/images",
        "PATH": "/bin",
    }
    config = load(tmp_path, None, environment)
    assert config.experiment.name == "12"
    assert config.experiment.t0 == datetime(2026, 10, 5, 12, 30, tzinfo=UTC)
    assert config.watch.retry.attempts == 9
    assert config.counting.channel_roles == {"Phase": "count", "GFP": "ignore"}
    assert config.counting.z == 3
    assert config.counting.pixel_size_override is True
    assert config.counting.h is None


def test_every_setting_has_a_variable() -> None:
    assert list(variable_names().values()) == setting_names()
    assert "LIVECOUNT_WATCH__RETRY__FIRST_WAIT_S" in variable_names()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('t0 = "2026-07-01T12:00:00"', datetime(2026, 7, 1, 10, tzinfo=UTC)),
        ("t0 = 2026-07-01 12:00:00", datetime(2026, 7, 1, 10, tzinfo=UTC)),
        ("t0 = 2026-07-01T12:00:00Z", datetime(2026, 7, 1, 12, tzinfo=UTC)),
        ("t0 = 2026-01-01", datetime(2025, 12, 31, 23, tzinfo=UTC)),
        ('t0 = ""', None),
    ],
)
def test_t0_is_in_the_experiments_time_zone(
    tmp_path: Path, text: str, expected: datetime | None
) -> None:
    config = load(tmp_path, f"[experiment]\n{text}\ntime_zone = 'Europe/Berlin'\n")
    assert config.experiment.t0 == expected
    assert expected is None or config.experiment.t0.utcoffset() == timedelta(0)  # type: ignore[union-attr]


def test_names_that_follow_from_other_settings(tmp_path: Path) -> None:
    config = load(
        tmp_path, "[watch]\nfolders = ['/scans/HeLa 5', '/b']\n[database]\nfile = '/x.db'"
    )
    assert config.experiment_name == "HeLa 5"
    assert config.log_file == Path("/x.log").absolute()
    assert load(tmp_path, None, experiment__name=" A ").experiment_name == "A"
    assert Config().experiment_name == "experiment"
    assert Config().database.file == default_database()
    assert default_database().is_absolute()


def test_one_folder_needs_no_brackets(tmp_path: Path) -> None:
    assert load(tmp_path, "[watch]\nfolders = '/scans'").watch.folders == (
        Path("/scans").absolute(),
    )


def test_settings_cannot_be_changed_afterwards() -> None:
    with pytest.raises(ValidationError):
        Config().counting.h = 0.5  # type: ignore[misc]


# --- rules held together with other parts ---------------------------------------------------------


def test_h_may_go_as_low_as_candidates_are_kept() -> None:
    assert CountingSettings(h=MIN_PROMINENCE).h == MIN_PROMINENCE
    with pytest.raises(ValidationError):
        CountingSettings(h=MIN_PROMINENCE * 0.99)


@pytest.mark.parametrize("runtime", RUNTIME_NAMES)
def test_every_runtime_can_be_chosen(tmp_path: Path, runtime: str) -> None:
    assert load(tmp_path, None, counting__runtime=runtime).counting.runtime == runtime


@given(st.floats(0.001, 800), st.floats(1, 100), st.integers(-3, 9999), st.integers(-3, 9999))
def test_waits_grow_up_to_the_longest(first: float, factor: float, one: int, other: int) -> None:
    retry = RetrySettings(first_wait_s=first, longest_wait_s=first * factor)
    waits = [retry.wait_s(failures) for failures in sorted((one, other))]
    assert first <= waits[0] <= waits[1] <= first * factor
    assert retry.wait_s(1) == first


def test_reading_settings_stays_light() -> None:
    heavy = [
        "numpy",
        "scipy",
        "pandas",
        "skimage",
        "matplotlib",
        "sqlalchemy",
        "onnxruntime",
        "numba",
        "tifffile",
    ]
    code = f"import sys, livecount.config; print([m for m in {heavy!r} if m in sys.modules])"
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    assert shown.stdout.strip() == "[]"
