"""Local or network: the kernel's own mount table, and made ones."""

import ctypes
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from livecount.platform.filesystem import (
    FileSystem,
    _kind_from_mounts,
    _windows_drive,
    file_system_kind,
    is_folder_link,
)

MOUNTS = """\
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
40 27 0:40 / /mnt/plates rw,relatime shared:5 - cifs //nas/plates rw,vers=3.1.1
41 40 0:41 / /mnt/plates/local\\040scratch rw,relatime shared:6 master:2 - xfs /dev/sdb1 rw
42 27 0:42 / /mnt/home rw - nfs4 nas:/home rw
43 27 0:43 / /mnt/scope rw - fuse.sshfs scope:/ rw
44 27 0:44 / /mnt/odd rw - fuse.something odd rw
45 27 0:45 / /mnt/twice rw - ext4 /dev/sdc rw
46 27 0:46 / /mnt/twice rw - nfs nas:/twice rw
47 27 0:47 / /mnt/wsl rw - 9p C: rw
"""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/home/me/frames", FileSystem("local", "ext4")),
        ("/mnt/plates", FileSystem("network", "cifs")),
        ("/mnt/plates/run1", FileSystem("network", "cifs")),
        ("/mnt/platesque", FileSystem("local", "ext4")),
        ("/mnt/plates/local scratch/run1", FileSystem("local", "xfs")),
        ("/mnt/home/me", FileSystem("network", "nfs4")),
        ("/mnt/scope/images", FileSystem("network", "fuse.sshfs")),
        ("/mnt/odd", FileSystem("unknown", "fuse.something")),
        ("/mnt/twice/a", FileSystem("network", "nfs")),
        ("/mnt/wsl/Users", FileSystem("network", "9p")),
    ],
)
def test_the_nearest_and_last_mount_decides(path: str, expected: FileSystem) -> None:
    assert _kind_from_mounts(MOUNTS, path) == expected


def test_garbled_mount_tables_are_unknown() -> None:
    assert _kind_from_mounts("", "/a").kind == "unknown"
    assert _kind_from_mounts("one two three\n - \n", "/a").kind == "unknown"


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's mount table")
def test_a_real_folder_and_a_path_that_does_not_exist(tmp_path: Path) -> None:
    found = file_system_kind(tmp_path)
    assert found.name not in {"", "unknown", "proc"}
    assert file_system_kind(tmp_path / "not" / "there") == found
    assert file_system_kind("/proc/self").name == "proc"


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a tmpfs")
def test_a_real_mount_with_a_space_in_its_name(tmp_path: Path) -> None:
    point = tmp_path / "with space"
    point.mkdir()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"none", os.fsencode(point), b"tmpfs", 0, b"size=64k") != 0:
        pytest.skip("mounting is not allowed here")
    try:
        assert file_system_kind(point / "x") == FileSystem("local", "tmpfs")
    finally:
        libc.umount2(os.fsencode(point), 2)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (r"D:\frames", "D:\\"),
        (r"\\?\D:\frames", "D:\\"),
        (r"\\nas\plates\run", None),
        (r"\\?\UNC\nas\plates", None),
        ("//nas/plates", None),
    ],
)
def test_windows_drives_and_shares(path: str, expected: str | None) -> None:
    assert _windows_drive(path) == expected


@pytest.mark.parametrize(
    ("attributes", "tag", "expected"),
    [
        (0x10, 0, False),
        (0x410, 0xA0000003, True),
        (0x410, 0xA000000C, True),
        (0x410, 0x9000001A, False),
    ],
    ids=["folder", "junction", "link", "cloud folder"],
)
def test_junctions_are_told_by_their_reparse_tag(attributes: int, tag: int, expected: bool) -> None:
    status = SimpleNamespace(st_file_attributes=attributes, st_reparse_tag=tag)
    assert is_folder_link(cast("os.stat_result", status)) is expected


def test_an_ordinary_folder_is_no_junction(tmp_path: Path) -> None:
    assert not is_folder_link(os.lstat(tmp_path))
