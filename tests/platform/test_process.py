"""Priority, cores and stop signals, in real processes."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from livecount.platform.process import _quota_cores, keep_awake, usable_cores

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux only")


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60
    )


@on_linux
def test_lower_priority_reaches_later_threads() -> None:
    done = run(
        "import os, threading, ctypes, platform\n"
        "from livecount.platform.process import lower_priority, _IOPRIO_SET_SYSCALL\n"
        "print(lower_priority(), lower_priority())\n"
        "number = _IOPRIO_SET_SYSCALL[platform.machine()] + 1\n"
        "def show():\n"
        "    print(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))\n"
        "    print(ctypes.CDLL(None).syscall(number, 1, 0))\n"
        "thread = threading.Thread(target=show); thread.start(); thread.join()\n"
    )
    assert done.stderr == ""
    problems, niceness, io_priority = done.stdout.splitlines()
    assert problems == "() ()"
    assert int(niceness) >= 10
    assert int(io_priority) == (2 << 13) | 7


@on_linux
def test_what_people_look_at_waits_for_the_counting() -> None:
    done = run(
        "import os\nfrom livecount.platform.process import lower_priority\n"
        "for first in (False, True, False):\n"
        "    print(lower_priority(behind_counting=first), os.getpriority(os.PRIO_PROCESS, 0))\n"
    )
    counting, looking, after = (int(line.split()[-1]) for line in done.stdout.splitlines())
    assert counting < looking == after


@on_linux
def test_a_core_is_left_free() -> None:
    everything = os.sched_getaffinity(0)
    done = run(
        "import os\nfrom livecount.platform.process import usable_cores\nprint(usable_cores())\n"
        "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\nprint(usable_cores())\n"
    )
    many, one = map(int, done.stdout.split())
    assert many == usable_cores()
    assert 1 <= many <= max(1, len(everything) - 1)
    assert one == 1


def test_quotas_of_control_groups_version_2(tmp_path: Path) -> None:
    membership = tmp_path / "cgroup"
    membership.write_text("0::/user/run\n")
    (tmp_path / "sys" / "user" / "run").mkdir(parents=True)
    assert _quota_cores(membership, tmp_path / "sys") is None
    (tmp_path / "sys" / "user" / "run" / "cpu.max").write_text("max 100000\n")
    assert _quota_cores(membership, tmp_path / "sys") is None
    (tmp_path / "sys" / "user" / "cpu.max").write_text("250000 100000\n")
    assert _quota_cores(membership, tmp_path / "sys") == 2.5


def test_quotas_of_control_groups_version_1(tmp_path: Path) -> None:
    membership = tmp_path / "cgroup"
    membership.write_text("3:cpu,cpuacct:/docker/x\n2:memory:/m\n")
    folder = tmp_path / "sys" / "cpu,cpuacct"
    folder.mkdir(parents=True)
    (folder / "cpu.cfs_quota_us").write_text("-1\n")
    (folder / "cpu.cfs_period_us").write_text("100000\n")
    assert _quota_cores(membership, tmp_path / "sys") is None
    (folder / "cpu.cfs_quota_us").write_text("300000\n")
    assert _quota_cores(membership, tmp_path / "sys") == 3.0
    assert _quota_cores(tmp_path / "absent", tmp_path / "sys") is None


def test_keep_awake_lets_errors_through() -> None:
    with keep_awake():
        pass
    with pytest.raises(KeyError), keep_awake():
        raise KeyError("x")


STOPPABLE = """
import signal, sys, threading
from livecount.platform.process import install_stop_signals
stop, names = threading.Event(), []
def asked(name):
    names.append(name)
    stop.set()
restore = install_stop_signals(asked)
print("ready", flush=True)
while not stop.wait(0.05):
    pass
restore()
print(*names, signal.getsignal(signal.SIGTERM) == signal.SIG_DFL)
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
@pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")
def test_stop_signals_call_back_and_the_program_ends_by_itself(name: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STOPPABLE], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(getattr(signal, name))
        assert process.stdout.readline() == f"{name} True\n"
        assert process.wait(20) == 0


HANGING = """
import time
from livecount.platform.process import install_stop_signals
install_stop_signals(lambda name: print(name, flush=True))
print("ready", flush=True)
while True:
    time.sleep(0.05)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")
def test_a_second_ctrl_c_ends_a_program_that_hangs() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HANGING],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "SIGINT\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
        assert "KeyboardInterrupt" in errors
        assert process.returncode != 0
