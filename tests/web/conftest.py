"""A real browser on real servers; what it logs, refuses or fetches from elsewhere is a failure."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.endtoend.program import command, environment

_EXPECTED = re.compile(
    r"style-src.*Content Security Policy|Content Security Policy.*style-src|status of 424"
)
"""plotly sets styles that the policy refuses and works without them (see ADR 0034); a picture whose
folder is not there is no fault of a page, which says so."""


class Served:
    """A server, its process, and the address that lets a browser in."""

    def __init__(self, address: str, program: subprocess.Popen[str]) -> None:
        self.address, self.program = address, program
        self.base, _, self.token = address.partition("/?token=")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("There is no Chromium; install the package chromium")
        pytest.skip("there is no Chromium; install the package chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    made = browser.new_context(viewport={"width": 1280, "height": 860})
    made.set_default_timeout(30_000)
    expect.set_options(timeout=30_000)
    yield made
    made.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    opened = context.new_page()
    faults: list[str] = []
    opened.on("pageerror", lambda error: faults.append(f"script: {error}"))
    opened.on("console", lambda said: said.type == "error" and faults.append(said.text))
    opened.on("request", lambda asked: _is_foreign(asked.url) and faults.append(asked.url))
    opened.faults = faults  # type: ignore[attr-defined]
    yield opened
    assert [fault for fault in faults if not _EXPECTED.search(fault)] == []


def _is_foreign(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in ("http", "https", "ws") and parts.hostname not in ("127.0.0.1", None)


@contextmanager
def served(*words: object) -> Iterator[Served]:
    """Start `run` or `serve` and end it; gives the address that it printed."""
    program = subprocess.Popen(
        command(*words), env=environment(), stderr=subprocess.PIPE, text=True
    )
    assert program.stderr is not None
    try:
        while "dashboard: " not in (line := program.stderr.readline()):
            assert line, f"{words} did not start"
        yield Served(line.split("dashboard: ")[1].strip(), program)
    finally:
        program.terminate()
        try:
            program.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            program.kill()
            program.communicate()


@pytest.fixture(scope="session", autouse=True)
def token_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep the token of tests apart from the user's own."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(folder))
        yield folder
