"""The report as one HTML page: no script, nothing fetched, figures inside."""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from livecount.export import write_text_atomically
from livecount.report.contents import ReportContents

__all__ = ["svg_of", "write_report"]


def write_report(contents: ReportContents, figures: Mapping[str, bytes], path: Path) -> None:
    """Write the page; it appears whole or not at all.

    Parameters
    ----------
    figures
        Caption to a drawing as SVG, in the order in which they are shown.

    Raises
    ------
    LivecountError
        The file cannot be written.
    """
    import jinja2

    pages = jinja2.Environment(
        loader=jinja2.PackageLoader("livecount", "report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    drawn = {caption: base64.b64encode(svg).decode() for caption, svg in figures.items()}
    page = pages.get_template("report.html").render(contents=contents, figures=drawn)
    write_text_atomically(page, path)


def svg_of(draw: Callable[[Path], None]) -> bytes:
    """Give what a drawing function writes to the path that it is given, as SVG."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "figure.svg"
        draw(path)
        return path.read_bytes()
