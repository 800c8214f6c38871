"""livecount counts the live cells in every frame while the microscope is still running."""

__version__ = "0.1.0"
