"""The report of a run: one HTML file that can be read without livecount, printed and e-mailed."""

from livecount.report.contents import ReportContents, gather
from livecount.report.page import svg_of, write_report

__all__ = ["ReportContents", "gather", "svg_of", "write_report"]
