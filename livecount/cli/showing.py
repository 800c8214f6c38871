"""Opening the dashboard in the user's browser, where there is a screen to show it on."""

from __future__ import annotations

import os
import sys

__all__ = ["open_in_browser"]


def open_in_browser(address: str) -> bool:
    """Open an address, and tell whether there was a screen and a terminal to do it from.

    A text browser over SSH would take the terminal, so that none is opened there.
    """
    has_screen = sys.platform in ("win32", "darwin") or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )
    if not has_screen or "SSH_CONNECTION" in os.environ or not sys.stderr.isatty():
        return False
    import webbrowser

    return webbrowser.open(address)
