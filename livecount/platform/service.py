"""Running under a service manager: what systemd is told, and the unit that it is given.

The protocol is that of sd_notify(3): lines of text to the socket that ``NOTIFY_SOCKET`` names.
Without such a socket, as on Windows, everything here does nothing.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

__all__ = ["ServiceNotifier", "systemd_unit", "unit_path"]

UNIT_NAME = "livecount.service"
_WATCHDOG_S = 300
_STOP_S = 15


class ServiceNotifier:
    """Tells the service manager that started this process how it fares.

    Parameters
    ----------
    environment
        Where ``NOTIFY_SOCKET`` may stand.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")

    def ready(self, doing: str) -> None:
        """Say that the work has begun."""
        self._send(f"READY=1\nSTATUS={_one_line(doing)}")

    def progressed(self, doing: str) -> None:
        """Feed the watchdog: every part has really made progress since the last time."""
        self._send(f"WATCHDOG=1\nSTATUS={_one_line(doing)}")

    def stopping(self) -> None:
        """Say that the work ends in an orderly way."""
        self._send("STOPPING=1")

    def _send(self, text: str) -> None:
        if not self._address or not hasattr(socket, "AF_UNIX"):
            return
        # A leading @ stands for the zero byte of Linux's abstract addresses.
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with (
            suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | _CLOSE_ON_EXEC) as channel,
        ):
            channel.sendto(text.encode(), address)


_CLOSE_ON_EXEC = getattr(socket, "SOCK_CLOEXEC", 0)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def unit_path(*, for_all_users: bool, environment: Mapping[str, str] = os.environ) -> Path:
    """Name the file that systemd reads the unit from."""
    if for_all_users:
        return Path("/etc/systemd/system") / UNIT_NAME
    home = environment.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(home) / "systemd" / "user" / UNIT_NAME


def systemd_unit(config: Path, *, for_all_users: bool, python: str = sys.executable) -> str:
    """Write the unit that runs the monitor with a settings file.

    Parameters
    ----------
    config
        Absolute path of the settings.
    for_all_users
        For the system's own manager, which starts with the computer, instead of the user's.

    Returns
    -------
    str
        Text of the unit file, see systemd.service(5). The watchdog restarts a monitor of which
        some part has made no progress for five minutes.
    """
    target = "multi-user.target" if for_all_users else "default.target"
    command = " ".join(_quoted(word) for word in (python, "-m", "livecount", "run", "-c", config))
    return f"""\
[Unit]
Description=livecount: counts the live cells in every frame as it lands
After=local-fs.target remote-fs.target

[Service]
Type=notify
ExecStart={command}
WatchdogSec={_WATCHDOG_S}
Restart=on-failure
RestartSec=10
TimeoutStartSec=infinity
TimeoutStopSec={_STOP_S}
KillMode=mixed
Nice=10
IOSchedulingPriority=7
OOMPolicy=continue
NoNewPrivileges=yes

[Install]
WantedBy={target}
"""


def _quoted(word: str | Path) -> str:
    r"""Quote a word for ``ExecStart``: spaces, backslashes, and % and $, which systemd expands.

    >>> print(_quoted("/a b/100%"))
    "/a b/100%%"
    """
    text = str(word).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text.replace("%", "%%").replace("$", "$$")}"'
