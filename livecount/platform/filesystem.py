"""Whether a folder lies on this machine's own disk or on another machine's.

It decides what can be trusted: change events do not tell what other hosts write, and SQLite loses
data on a network file system.
"""

from __future__ import annotations

import ntpath
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from livecount.platform import windows

__all__ = ["FileSystem", "file_system_kind", "is_folder_link"]

FileSystemKind = Literal["local", "network", "unknown"]

# Network protocols, and folders that a virtual machine shares with its host (9p, virtiofs, vboxsf,
# vmhgfs, prl_fs, drvfs), whose events do not cross over either.
# fmt: off
_NETWORK_TYPES = frozenset(
    (
        "nfs", "nfs3", "nfs4", "cifs", "smb2", "smb3", "smbfs", "ncpfs", "afs", "afpfs", "ceph",
        "glusterfs", "lustre", "gpfs", "beegfs", "orangefs", "pvfs2", "ocfs2", "gfs2", "coda",
        "davfs", "9p", "virtiofs", "vboxsf", "vmhgfs", "prl_fs", "drvfs", "acfs", "wekafs",
        "panfs", "fuse.sshfs", "fuse.rclone", "fuse.glusterfs", "fuse.ceph", "fuse.ceph-fuse",
        "fuse.s3fs", "fuse.goofys", "fuse.davfs", "fuse.smbnetfs", "fuse.curlftpfs",
        "fuse.gvfsd-fuse", "fuse.vmhgfs-fuse", "fuse.mfs", "fuse.juicefs", "fuse.gcsfuse",
        "fuse.blobfuse", "fuse.blobfuse2", "fuse.cvmfs", "fuse.mount-s3",
    )
)
_LOCAL_TYPES = frozenset(
    (
        "ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "bcachefs", "f2fs", "jfs", "reiserfs",
        "nilfs2", "tmpfs", "ramfs", "overlay", "aufs", "ntfs", "ntfs3", "vfat", "msdos", "exfat",
        "fuseblk", "fuse.ntfs-3g", "fuse.exfat", "hfs", "hfsplus", "apfs", "udf", "iso9660",
        "squashfs", "erofs", "ecryptfs", "fuse.encfs", "fuse.gocryptfs", "fuse.mergerfs",
        "fuse.bindfs",
    )
)
# fmt: on
_DRIVE_TYPES: dict[int, tuple[FileSystemKind, str]] = {
    2: ("local", "removable drive"),
    3: ("local", "fixed drive"),
    4: ("network", "network drive"),
    5: ("local", "optical drive"),
    6: ("local", "RAM disk"),
}
_REPARSE_TAG_MOUNT_POINT = 0xA0000003
_REPARSE_TAG_SYMLINK = 0xA000000C


@dataclass(frozen=True, slots=True)
class FileSystem:
    """What a folder lies on.

    Attributes
    ----------
    kind
        ``network`` where other machines may write to it; ``unknown`` where nothing is known.
    name
        The file system as the operating system calls it, for messages.
    """

    kind: FileSystemKind
    name: str


def file_system_kind(path: str | os.PathLike[str]) -> FileSystem:
    """Find out whether a path lies on a local disk or on the network.

    Parameters
    ----------
    path
        A file or folder; where it does not exist, its nearest existing parent decides.

    Returns
    -------
    FileSystem
        Never raises: what cannot be found out is ``unknown``.
    """
    if windows.ON_WINDOWS:
        return _windows_kind(os.fspath(path))
    try:
        mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
        real = os.path.realpath(path)
    except OSError:
        return FileSystem("unknown", "unknown")
    return _kind_from_mounts(mounts, real)


def _kind_from_mounts(mounts: str, real_path: str) -> FileSystem:
    """Find the mount that holds an absolute path in the text of ``/proc/self/mountinfo``.

    Fields are described in proc(5): the fifth is the mount point, the first after the lone ``-``
    the type. Of several mounts on one point the last one hides the others.
    """
    best, name = "", "unknown"
    for line in mounts.splitlines():
        before, dash, after = line.partition(" - ")
        fields = before.split(" ")
        if not dash or len(fields) < 5:
            continue
        point = _unescape(fields[4])
        inside = real_path == point or real_path.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, name = point, after.split(" ", 1)[0]
    return FileSystem(_kind_of_type(name), name)


def _kind_of_type(name: str) -> FileSystemKind:
    if name in _NETWORK_TYPES:
        return "network"
    return "local" if name in _LOCAL_TYPES else "unknown"


def _unescape(point: str) -> str:
    """Undo the octal escapes of spaces, tabs, newlines and backslashes in a mount point."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), point)


def _windows_kind(path: str) -> FileSystem:
    # realpath turns a mapped letter or a junction into what it stands for.
    drive = _windows_drive(os.path.realpath(path))
    if drive is None:
        return FileSystem("network", "UNC path")
    kind, name = _DRIVE_TYPES.get(windows.drive_type(drive), ("unknown", "unknown drive"))
    return FileSystem(kind, name)


def _windows_drive(path: str) -> str | None:
    r"""Root of the drive that an absolute Windows path lies on, or None for a UNC path.

    Examples
    --------
    >>> print(_windows_drive("d:\\frames\\a.tif"))
    d:\
    >>> _windows_drive("\\\\?\\UNC\\server\\share") is None
    True
    """
    if path.upper().startswith("\\\\?\\UNC\\"):
        return None
    drive, _ = ntpath.splitdrive(path.removeprefix("\\\\?\\"))
    if drive.startswith(("\\\\", "//")):
        return None
    return f"{drive}\\"


def is_folder_link(status: os.stat_result) -> bool:
    """Tell whether a folder is a Windows junction or folder link, which its mode does not tell.

    Parameters
    ----------
    status
        Of :func:`os.lstat` or a directory entry, links not followed; never true except on Windows.
    """
    if not getattr(status, "st_file_attributes", 0) & stat.FILE_ATTRIBUTE_REPARSE_POINT:
        return False
    tag = getattr(status, "st_reparse_tag", 0)
    return tag in (_REPARSE_TAG_MOUNT_POINT, _REPARSE_TAG_SYMLINK)
