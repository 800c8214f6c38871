"""Take the pictures of the dashboard that the README shows, of any run's database.

    python benchmarks/dashboard_pictures.py RUN.db docs/pictures

Needs Chromium. Show simulated frames only: pictures of cells belong to who took them.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

SIZE = {"width": 1280, "height": 800}


def main() -> None:
    """Serve the run, go from page to page and photograph each in both themes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("database", type=Path)
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    server = subprocess.Popen(
        [sys.executable, "-m", "livecount", "serve", "--database", given.database],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert server.stderr is not None
        address = server.stderr.readline().split("dashboard: ")[1].strip()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox"]
            )
            for theme in ("light", "dark"):
                context = browser.new_context(
                    viewport=SIZE, color_scheme="dark" if theme == "dark" else "light"
                )
                context.set_default_timeout(120_000)
                take(context.new_page(), address, given.folder, theme)
            browser.close()
    finally:
        server.terminate()
        server.wait()


def take(page: Page, address: str, folder: Path, theme: str) -> None:
    """Photograph every page of the latest experiment."""
    page.goto(address)
    page.locator(".card h2 a").first.wait_for()
    shoot(page, folder, "experiments", theme)
    page.locator(".card h2 a").first.click()
    page.wait_for_url("**/experiments/*")
    base = page.url
    page.get_by_role("gridcell").get_by_role("button").first.click()
    page.locator("#well:not([hidden])").wait_for()
    shoot(page, folder, "plate", theme)
    page.goto(f"{base}/growth")
    page.locator("#fitted:has-text('Fitted')").wait_for()
    shoot(page, folder, "growth", theme)
    page.goto(base)
    page.get_by_role("gridcell").get_by_role("button").first.click()
    page.get_by_role("link", name="Latest frame").click()
    page.locator("#count:has-text('model')").wait_for()
    shoot(page, folder, "frame", theme)
    page.goto(f"{base}/review")
    shoot(page, folder, "review", theme)
    page.goto(address.partition("/?")[0] + "/health")
    shoot(page, folder, "health", theme)


def shoot(page: Page, folder: Path, name: str, theme: str) -> None:
    """Photograph what is shown once it stands still."""
    page.wait_for_selector("main:not(:has([aria-busy=true]))")
    page.wait_for_timeout(2_000)
    page.screenshot(path=folder / f"dashboard-{name}-{theme}.png")


if __name__ == "__main__":
    main()
