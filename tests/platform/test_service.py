"""What the service manager is told, by the real monitor through a real socket."""

from __future__ import annotations

import configparser
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from livecount.platform.service import ServiceNotifier, systemd_unit, unit_path
from tests.endtoend.program import command, environment, livecount

needs_sockets = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no Unix sockets here")


def parsed(unit: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment]
    parser.read_string(unit)
    return parser


@pytest.mark.parametrize("for_all_users", [False, True])
def test_the_unit_runs_this_python_whatever_the_paths_are_called(
    for_all_users: bool, tmp_path: Path
) -> None:
    config = tmp_path / 'my "50%" $HOME' / "config.toml"
    unit = systemd_unit(config, for_all_users=for_all_users)
    words = parsed(unit)
    ran = shlex.split(words["Service"]["ExecStart"].replace("%%", "%").replace("$$", "$"))
    assert ran == [sys.executable, "-m", "livecount", "run", "-c", str(config)]
    assert words["Service"]["Type"] == "notify"
    assert words["Install"]["WantedBy"] == (
        "multi-user.target" if for_all_users else "default.target"
    )
    if analyse := shutil.which("systemd-analyze"):
        file = tmp_path / "livecount.service"
        file.write_text(unit)
        done = subprocess.run([analyse, "verify", file], capture_output=True, text=True)
        assert "livecount.service" not in done.stderr, done.stderr


@needs_sockets
@pytest.mark.parametrize("abstract", [False, True])
def test_messages_reach_the_socket(abstract: bool, tmp_path: Path) -> None:
    if abstract and sys.platform != "linux":
        pytest.skip("abstract addresses exist on Linux only")
    name = f"@livecount-{tmp_path.name}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind("\0" + name[1:] if abstract else name)
        channel.settimeout(5)
        notifier = ServiceNotifier({"NOTIFY_SOCKET": name})
        notifier.ready("watching\nfolders")
        notifier.progressed("counting")
        notifier.stopping()
        said = [channel.recv(4096).decode() for _ in range(3)]
    assert said == ["READY=1\nSTATUS=watching folders", "WATCHDOG=1\nSTATUS=counting", "STOPPING=1"]


def test_without_a_service_manager_nothing_happens(tmp_path: Path) -> None:
    for found in ({}, {"NOTIFY_SOCKET": str(tmp_path / "nobody")}):
        ServiceNotifier(found).ready("watching")


def drain(channel: socket.socket) -> None:
    channel.settimeout(0.5)
    with suppress(TimeoutError):
        while True:
            channel.recv(4096)


@needs_sockets
def test_the_monitor_feeds_the_watchdog_and_not_when_it_stands_still(tmp_path: Path) -> None:
    watched = tmp_path / "frames"
    watched.mkdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(tmp_path / "notify"))
        monitor = subprocess.Popen(
            command("run", watched, "--database", tmp_path / "run.db", "--no-dashboard"),
            env=environment() | {"NOTIFY_SOCKET": str(tmp_path / "notify")},
            stderr=subprocess.DEVNULL,
        )
        channel.settimeout(30)
        assert channel.recv(4096).startswith(b"READY=1")
        assert channel.recv(4096).startswith(b"WATCHDOG=1")
        monitor.send_signal(signal.SIGSTOP)
        drain(channel)
        channel.settimeout(7)
        with pytest.raises(TimeoutError):
            channel.recv(4096)
        monitor.send_signal(signal.SIGCONT)
        began_s = time.monotonic()
        monitor.terminate()
        assert monitor.wait(10) == 0
        assert time.monotonic() - began_s < 5
        said = b""
        while not said.startswith(b"STOPPING=1"):
            said = channel.recv(4096)


def test_install_service_writes_a_unit_of_the_users_own(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    home = environment() | {"XDG_CONFIG_HOME": str(tmp_path / "home")}
    config.write_text("[watch]\nfolders = ['frames']\n")
    done = livecount("install-service", "-c", config, env=home)
    assert "systemctl --user enable --now livecount" in done.stdout
    unit = unit_path(for_all_users=False, environment=home)
    assert parsed(unit.read_text())["Service"]["WatchdogSec"] == "300"
    assert str(config) in unit.read_text()
    shown = livecount("install-service", "-c", config, "--show", env=home).stdout
    assert shown == unit.read_text()
    config.write_text("")
    refused = livecount("install-service", "-c", config, check=False)
    assert refused.returncode == 2
    assert "no folder to watch" in refused.stderr
