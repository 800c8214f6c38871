import os
from pathlib import Path

import pytest
from hypothesis import settings

# Examples that touch disk or compile take as long as the machine needs.
settings.register_profile("livecount", deadline=None)
settings.load_profile("livecount")


@pytest.fixture(scope="session")
def real_images() -> Path:
    """Give the folder of real microscope images, which are never part of the project."""
    given = os.environ.get("LIVECOUNT_DATA")
    folder = Path(given) if given else Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no real images at {folder}: set LIVECOUNT_DATA to their folder")
    return folder
