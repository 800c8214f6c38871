import os
from pathlib import Path

import pytest
from hypothesis import settings

# Examples that touch disk or compile take as long as the machine needs.
settings.register_profile("livecount", deadline=None)
settings.load_profile("livecount")

# Tests that start the whole program or look at its pages in a browser: minutes that the ordinary
# suite does not have.
WHOLE_PROGRAM = {"acquisition", "endtoend", "faults"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what runs whole programs or a browser, before pytest chooses by marks."""
    here = Path(__file__).parent
    for item in items:
        inside = here in item.path.parents
        if inside and item.path.relative_to(here).parts[0] in WHOLE_PROGRAM:
            item.add_marker(pytest.mark.whole)
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.whole)


@pytest.fixture(scope="session")
def real_images() -> Path:
    """Give the folder of real microscope images, which are never part of the project."""
    given = os.environ.get("LIVECOUNT_DATA")
    folder = Path(given) if given else Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no real images at {folder}: set LIVECOUNT_DATA to their folder")
    return folder
