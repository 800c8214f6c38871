"""Shared opening and stamping, on real files."""

import os
from pathlib import Path

import pytest

from livecount.platform.files import FileStamp, open_shared, stat_shared
from livecount.platform.windows import extended_path


def test_open_shared_reads_while_another_program_writes_and_renames(tmp_path: Path) -> None:
    path = tmp_path / "frame.tif"
    with path.open("wb") as writer:
        writer.write(b"first")
        writer.flush()
        with open_shared(path) as reader:
            assert reader.read() == b"first"
            writer.write(b" second")
            writer.flush()
            path.rename(tmp_path / "renamed.tif")
            assert reader.read() == b" second"


def test_open_shared_takes_raw_bytes_names(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/caf\xe9\n.tif"
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_WRONLY)
    except OSError:
        pytest.skip("this file system refuses names that are not UTF-8")
    os.write(descriptor, b"x")
    os.close(descriptor)
    with open_shared(path) as reader:
        assert reader.read() == b"x"
    assert stat_shared(path) == FileStamp(1, os.stat(path).st_mtime_ns)  # noqa: PTH116


def test_stat_shared_sees_each_change_of_size_and_time(tmp_path: Path) -> None:
    path = tmp_path / "frame.tif"
    path.write_bytes(b"12345")
    os.utime(path, ns=(0, 1_234_567_891))
    assert stat_shared(path) == FileStamp(5, 1_234_567_891)
    os.utime(path, ns=(0, 1_234_567_892))
    assert stat_shared(path) == FileStamp(5, 1_234_567_892)
    path.write_bytes(b"123456")
    stamp = stat_shared(path)
    assert stamp is not None
    assert stamp.size_bytes == 6


def test_stat_shared_knows_only_regular_files(tmp_path: Path) -> None:
    target = tmp_path / "frame.tif"
    target.write_bytes(b"x")
    link = tmp_path / "link.tif"
    link.symlink_to(target)
    assert stat_shared(tmp_path) is None
    assert stat_shared(link) is None
    with pytest.raises(FileNotFoundError):
        stat_shared(tmp_path / "absent.tif")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (r"C:\data\a.tif", r"\\?\C:\data\a.tif"),
        ("C:/data/../x/a.tif", r"\\?\C:\x\a.tif"),
        (r"\\nas\plates\a.tif", r"\\?\UNC\nas\plates\a.tif"),
        ("//nas/plates/a.tif", r"\\?\UNC\nas\plates\a.tif"),
        (r"\\?\C:\data\a.tif", r"\\?\C:\data\a.tif"),
        (r"\\.\pipe\x", r"\\.\pipe\x"),
        ("C:\\" + "long" * 100, "\\\\?\\C:\\" + "long" * 100),
    ],
)
def test_extended_path(path: str, expected: str) -> None:
    assert extended_path(path) == expected
