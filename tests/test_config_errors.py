import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from livecount.config import Config, load_config, setting_names, variable_names
from livecount.errors import ConfigError


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


def problems(tmp_path: Path, *arguments: Any, **named: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, *arguments, **named)
    return caught.value.message


# --- what is refused ------------------------------------------------------------------------------

BAD_FILES = [
    ("[counting]\ncell_diamter_px = 3", 2, "counting.cell_diamter_px", "counting.cell_diameter_px"),
    ("\n\nh = 0.2", 3, "h", "counting.h"),
    ("[experiment]\nH = 0.2", 2, "experiment.H", "counting.h"),
    ("[log]\nfolders = ['x']", 2, "log.folders", "watch.folders"),
    ("[watch]\nSettle-S = 2", 2, "watch.Settle-S", "watch.settle_s"),
    ("[watch]\nfile = 'x'", 2, "watch.file", "database.file or log.file"),
    ("[cuonting]\nh = 0.2", 1, "cuonting", "counting"),
    ("[watch]\nretry = { attemps = 2 }", 2, "watch.retry.attemps", "watch.retry.attempts"),
    ("[log]\nqwertz = 1", 2, "log.qwertz", "those here are file, keep_files, level, max_mb"),
    (
        "[kitchen]\n",
        1,
        "kitchen",
        "those here are alerts, backup, counting, dashboard, database, experiment, experiments",
    ),
    ("watch.retry.attempts = 0", 1, "watch.retry.attempts", "must be at least 1 (is 0)"),
    ("counting = 5", 1, "counting", "must be a table, written as [counting]"),
    ("watch.retry = 5", 1, "watch.retry", "must be a table, written as [watch.retry]"),
    (
        "[counting]\nchannel = 'Ph'\nnuclei_channel = 'PH'",
        3,
        "counting.nuclei_channel",
        "names 'PH', which `channel` counts",
    ),
    (
        "[counting]\nnuclei_channel = 'DAPI'\nchannel_roles = { dapi = 'ignore' }",
        3,
        "counting.channel_roles",
        "says 'ignore' for 'dapi', which `nuclei_channel` names",
    ),
    (
        "[counting]\nnuclei_channel = 'DAPI'\nchannel_roles = { GFP = 'nuclei' }",
        3,
        "counting.channel_roles",
        "says 'nuclei' for 'GFP', but `nuclei_channel` names 'DAPI'",
    ),
    (
        "[counting]\nchannel_roles = { GFP = 'nuclei', DAPI = 'nuclei' }",
        2,
        "counting.channel_roles",
        "has nuclei in 'GFP' and 'DAPI': only one is the referee",
    ),
    (
        "[counting]\nnucleus_diameter_um = 9.0\nnucleus_diameter_px = 14.0",
        3,
        "counting.nucleus_diameter_px",
        "nucleus_diameter_um is given too: keep one of the two",
    ),
    ("[counting]\n\nh = -1", 3, "counting.h", "must be at least 0.02 (is -1)"),
    ("[counting]\nh = nan", 2, "counting.h", "finite number"),
    ("[counting]\nh = '0.2'", 2, "counting.h", "must be a number (is '0.2')"),
    ("[counting]\nh = true", 2, "counting.h", "must be a number"),
    ("[counting]\nthreads = 1.5", 2, "counting.threads", "must be a whole number"),
    ("[counting]\nthreads = -1", 2, "counting.threads", "must be at least 0"),
    ("[counting]\nz = 'all '", 2, "counting.z", '"sharpest", "all" or the number of a plane'),
    ("[counting]\nz = -1", 2, "counting.z", '"sharpest", "all" or the number of a plane'),
    ("[counting]\nz = true", 2, "counting.z", '"sharpest", "all" or the number of a plane'),
    (
        "[counting]\nruntime = 'cuda'",
        2,
        "counting.runtime",
        "'onnxruntime-directml', 'tensorrt' or 'tensorrt-rtx'",
    ),
    ("[counting]\nmodel = 5", 2, "counting.model", "must be a text in quotes"),
    ("[counting]\npixel_size_um = 0", 2, "counting.pixel_size_um", "must be at least 0.001"),
    ("[counting]\npixel_size_override = 'yes'", 2, "counting.pixel_size_override", "true or false"),
    (
        "[counting]\npixel_size_override = true",
        2,
        "counting.pixel_size_override",
        "needs pixel_size_um",
    ),
    (
        "[counting]\ncell_diameter_px = 9\n\ncell_diameter_um = 9",
        2,
        "counting.cell_diameter_px",
        "keep one of the two",
    ),
    (
        "[counting]\nchannel = 'Phase'\nchannel_roles = { phase = 'ignore' }",
        3,
        "counting.channel_roles",
        "which `channel` counts",
    ),
    (
        "[counting]\nchannel = 'Phase'\nchannel_roles = { GFP = 'count' }",
        3,
        "counting.channel_roles",
        "`channel` names 'Phase'",
    ),
    (
        "[counting]\nchannel_roles = { Phase = 'count', GFP = 'count' }",
        2,
        "counting.channel_roles",
        "only one can be counted",
    ),
    (
        "[counting.channel_roles]\nPhase = 'count'\nGFP = 'green'",
        3,
        "counting.channel_roles.GFP",
        "must be 'count', 'nuclei' or 'ignore'",
    ),
    ("[watch]\nfolders = [\n 'a',\n 5,\n]", 4, "watch.folders, item 2", "folder or file"),
    ("[watch]\nfolders = ['a', '']", 2, "watch.folders", "empty folder name"),
    ("[watch]\nfolders = ['a', 'b', 'a/']", 2, "watch.folders", "watch.folders: names"),
    ("[log]\nFile = 'x'", 2, "log.File", "(did you mean log.file?)"),
    ("[watch]\nsettle_s = 0", 2, "watch.settle_s", "greater than 0"),
    ("[watch]\nfolders = ['a/b/c', 'a']", 2, "watch.folders", "one inside the other"),
    ("[watch]\nfolders = ['a', './a/b']", 2, "watch.folders", "one inside the other"),
    ('[watch]\nfolders = ["D:\\new"]', 2, "watch.folders", "single quotes"),
    ('[database]\nfile = "D:\\temp.db"', 2, "database.file", "single quotes"),
    ("[watch]\npattern = '(?P<well>'", 2, "watch.pattern", "position"),
    ("[watch]\npattern = '([A-H]\\d+)'", 2, "watch.pattern", "no named group"),
    ("[watch]\npattern = '(?P<well>[[A-H])'", 2, "watch.pattern", "nested set"),
    ("[watch]\npattern = '(?P<well>a{99999999999})'", 2, "watch.pattern", "regular expression"),
    ("[watch]\norder = 'last'", 2, "watch.order", "'newest' or 'oldest'"),
    ("[watch]\nsettle_looks = 1", 2, "watch.settle_looks", "must be at least 2"),
    (
        "[watch.retry]\nfirst_wait_s = 90",
        1,
        "watch.retry.longest_wait_s",
        "must be at least first_wait_s",
    ),
    (
        "[watch.retry]\nfirst_wait_s = 9\nlongest_wait_s = 8",
        3,
        "watch.retry.longest_wait_s",
        "must be at least first_wait_s",
    ),
    ("[experiment]\ntime_zone = 'berlin'", 2, "experiment.time_zone", "Europe/Berlin?"),
    ("[experiment]\ntime_zone = 'new york'", 2, "experiment.time_zone", "America/New_York?"),
    ("[experiment]\ntime_zone = 'Europe'", 2, "experiment.time_zone", "not a time zone"),
    ("[experiment]\ntime_zone = '/etc/passwd'", 2, "experiment.time_zone", "not a time zone"),
    ("[experiment]\ntime_zone = ''", 2, "experiment.time_zone", "not a time zone"),
    ("[experiment]\nt0 = 'noon'", 2, "experiment.t0", "such as 2026-10-05T14:30:00"),
    ("[experiment]\nt0 = 5", 2, "experiment.t0", "such as 2026-10-05T14:30:00"),
    ("[experiment]\nt0 = '5'", 2, "experiment.t0", "such as 2026-10-05T14:30:00"),
    ("[experiment]\nt0 = 12:00:00", 2, "experiment.t0", "such as 2026-10-05T14:30:00"),
    ("[experiment]\nt0 = 0001-01-01T00:00:00+05:00", 2, "experiment.t0", "years 1 to 9999"),
    (
        "[experiment]\ntime_zone = 'Europe/Berlin'\nt0 = 2026-10-25T02:30:00",
        3,
        "experiment.t0",
        "twice or never",
    ),
    (
        "[experiment]\ntime_zone = 'Europe/Berlin'\nt0 = 2026-03-29T02:30:00",
        3,
        "experiment.t0",
        "twice or never",
    ),
    ("[experiment]\nframe_interval_min = 0", 2, "experiment.frame_interval_min", "greater than 0"),
    ('[experiment]\nname = "a\\nb"', 2, "experiment.name", "line break"),
    ("[log]\nlevel = 'loud'", 2, "log.level", "'debug', 'info', 'warning' or 'error'"),
    ("[log]\nfile = 1", 2, "log.file", "folder or file"),
]


@pytest.mark.parametrize(("text", "line", "key", "what"), BAD_FILES)
def test_a_bad_setting_names_file_line_key_and_the_way_out(
    tmp_path: Path, text: str, line: int, key: str, what: str
) -> None:
    message = problems(tmp_path, text)
    file = re.escape(str(tmp_path / "config.toml"))
    assert re.match(rf"{file}, line {line}: {re.escape(key)}: ", message)
    assert what in message
    assert message.count("\n") == 0


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-8"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_files_of_windows_editors(tmp_path: Path, encoding: str, newline: str) -> None:
    text = "# Zellzählung\n[experiment]\nname = 'Zählung 5 µm'\nnam = 1\n".replace("\n", newline)
    assert "config.toml, line 4: experiment.nam:" in problems(tmp_path, text.encode(encoding))
    good = text.replace("nam = 1", "").encode(encoding)
    assert load(tmp_path, good).experiment.name == "Zählung 5 µm"


def test_all_that_is_wrong_is_said_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = "[log]\nlevl = 1\n[counting]\nthreads = -1\nh = 3\n[watch]\norder = 'x'\n"
    environment = {"LIVECOUNT_COUNTNG__H": "1", "LIVECOUNT_COUNTING__Z": "deepest"}
    message = problems(tmp_path, text, environment, log__max_mb=-2.0)
    first, *lines = message.splitlines()
    assert first == "7 settings cannot be used:"
    assert [re.split(r", line |: ", line.strip())[1] for line in lines[1:5]] == ["2", "4", "5", "7"]
    assert "LIVECOUNT_COUNTNG__H: no such setting" in lines[0]
    assert "environment variable LIVECOUNT_COUNTING__Z: counting.z" in lines[5]
    assert "command line: log.max_mb: must be greater than 0 (is -2.0)" in lines[6]


def test_a_problem_belongs_to_the_place_that_won(tmp_path: Path) -> None:
    text = "[counting]\nh = 9\n"
    assert load(tmp_path, text, counting__h=0.2).counting.h == 0.2
    assert "environment variable" in problems(tmp_path, text, {"LIVECOUNT_COUNTING__H": "8"})
    message = problems(tmp_path, "counting = 5", {"LIVECOUNT_COUNTING__H": "0.2"})
    assert "must be a table" in message


@pytest.mark.parametrize(
    ("variable", "nearest"),
    [
        ("LIVECOUNT_COUNTING_H", "LIVECOUNT_COUNTING__H"),
        ("LIVECOUNT_H", "LIVECOUNT_COUNTING__H"),
        ("LIVECOUNT_CELL_DIAMETER_PX", "LIVECOUNT_COUNTING__CELL_DIAMETER_PX"),
        ("LIVECOUNT_counting__threads", "LIVECOUNT_COUNTING__THREADS"),
        ("LIVECOUNT_WATCH__FOLDER", "LIVECOUNT_WATCH__FOLDERS"),
        ("LIVECOUNT_XYZ", None),
        ("LIVECOUNT_", None),
    ],
)
def test_unknown_variables_are_refused(tmp_path: Path, variable: str, nearest: str | None) -> None:
    expected = f"environment variable {variable}: no such setting"
    expected += f" (did you mean {nearest}?)" if nearest else ""
    assert problems(tmp_path, None, {variable: "1"}) == expected


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("[watch]\nfolders = ['x'", 2, "TOML"),
        ("[watch]\nfolders 'x'\n[log]\n", 2, "folders 'x'"),
        ("[log]\n\n[log]\n", 3, "TOML"),
        ("[log]\nmax_mb = 1\nmax_mb = 2\n", 3, "max_mb = 2"),
        ("[log]\nfile = '''\n\n\n", 2, "TOML"),
    ],
)
def test_text_that_is_not_toml(tmp_path: Path, text: str, line: int, what: str) -> None:
    message = problems(tmp_path, text)
    assert f"config.toml, line {line}: not valid TOML" in message
    assert what in message


def test_a_backslash_that_toml_refuses_is_explained(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="in single quotes") as caught:
        load(tmp_path, '[watch]\nfolders = ["D:\\scans"]\n')
    assert "line 2" in caught.value.message


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"[log]\nfile = 'caf\xe9'\n", "line 2: not UTF-8"),
        ("[log]".encode("utf-16"), "line 1: not UTF-8"),
        (b"# long\n" * 200_000, "too large"),
        (b"a = " + b"[" * 100_000, "config.toml"),
        (b"a = " + b"9" * 10_000, "config.toml"),
    ],
)
def test_files_that_are_no_settings(tmp_path: Path, content: bytes, what: str) -> None:
    assert what in problems(tmp_path, content)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(ConfigError, match=re.escape(str(path))):
            load_config(path, environment={}, overrides={})


# --- whatever is given ----------------------------------------------------------------------------

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.datetimes()
    | st.dates()
    | st.times()
    | st.binary(max_size=5)
)
trees = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8) | st.none(), inner)
    ),
    max_leaves=8,
)
known = st.sampled_from(setting_names())
names = known | st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=4).map(".".join)


def outcome(
    path: Path | None = None,
    environment: Mapping[str, str] = MappingProxyType({}),
    overrides: Mapping[str, Any] = MappingProxyType({}),
) -> Config | ConfigError:
    try:
        return load_config(path, environment=environment, overrides=overrides)
    except ConfigError as error:
        return error


@given(st.dictionaries(names, trees | st.lists(st.text()), max_size=6))
@example({"counting.h": 10**400})
@example({"counting": {None: 1}})
@example({"watch.folders": ["\0"]})
@example({"watch.folders": ["~nobody-has-this-name/x"]})
@example({"watch.folders": ["\udcff/x"], "experiment.time_zone": "\udcff"})
@example({"experiment.time_zone": "x" * 5000})
@example({"experiment.t0": "0001-01-01", "experiment.time_zone": "Asia/Tokyo"})
@example({"counting": 5, "counting.h": 5})
@example({"": 5})
def test_anything_given_is_settings_or_a_config_error(overrides: dict[str, Any]) -> None:
    result = outcome(overrides=overrides)
    assert isinstance(result, Config) or (result.hint and str(result).startswith(result.message))


@given(
    st.dictionaries(
        st.sampled_from(sorted(variable_names())) | st.text().map("LIVECOUNT_{}".format),
        st.text(max_size=30),
        max_size=4,
    )
)
@example({"LIVECOUNT_LOG__LEVEL": "inf"})
@example({"LIVECOUNT_COUNTING__H": "1\nx = 2"})
@example({"LIVECOUNT_COUNTING__H": "[" * 10_000})
def test_any_environment_is_settings_or_a_config_error(environment: dict[str, str]) -> None:
    unknown = set(environment) - set(variable_names()) - {"LIVECOUNT_DATA"}
    result = outcome(environment=environment)
    if isinstance(result, Config):
        assert not unknown
    else:
        assert all(name in result.message for name in unknown)


@given(st.text(max_size=80) | st.binary(max_size=80))
@example("[watch]\nfolders = 1\n'watch'.'pattern' = 5")
@example("[[watch]]\nfolders = 1\n[[watch]]\n[watch.retry]\nx = 1")
@example("watch = [{}, 5]")
def test_any_file_is_settings_or_a_config_error(
    tmp_path_factory: pytest.TempPathFactory, content: str | bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_bytes(
        content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    )
    result = outcome(path)
    assert isinstance(result, Config) or str(path) in result.message
