import os
import shutil
from pathlib import Path

import pytest

from tests.faults.laboratory import Laboratory


@pytest.fixture(scope="session")
def laboratory(tmp_path_factory: pytest.TempPathFactory) -> Laboratory:
    return Laboratory(tmp_path_factory.mktemp("laboratory"))


@pytest.fixture
def strace() -> str:
    """Give a strace that can put faults in."""
    found = shutil.which("strace")
    if found is None:
        pytest.skip("strace is not here: install it to put faults into system calls")
    return found


@pytest.fixture
def as_root() -> None:
    """Skip where disks cannot be mounted."""
    if os.name != "posix" or os.geteuid() != 0:
        pytest.skip("disks are mounted for this test: run it as root")
    if not Path("/dev/loop-control").exists():
        pytest.skip("no loop devices here")
