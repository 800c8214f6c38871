"""Annotations beside simulated frames, in the form that people's annotations have."""

from __future__ import annotations

import csv
from pathlib import Path

import imagecodecs
import numpy as np
import numpy.typing as npt

from livecount.simulation.population import Cells
from livecount.simulation.settings import SimulationSettings

__all__ = ["Annotator"]


class Annotator:
    """Puts ``NAME.centres.csv`` and ``NAME.cells.png`` beside every frame.

    Parameters
    ----------
    settings
        The simulated experiment.
    folder
        The acquisition's folder, which gets a ``dataset.toml``.
    """

    def __init__(self, settings: SimulationSettings, folder: Path) -> None:
        self._settings, self._folder = settings, folder
        self._diameters_px: list[npt.NDArray[np.float64]] = []
        self._write_card()

    def add(self, frame: Path, cells: Cells, masks: npt.NDArray[np.uint16]) -> None:
        """Annotate one frame.

        Parameters
        ----------
        frame
            The frame's file.
        cells
            The bodies in it.
        masks
            Shape (y, x), 0 = background, ``n + 1`` = body ``n``.
        """
        with frame.with_suffix(".centres.csv").open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(("y_px", "x_px"))
            rows.writerows([f"{y:.2f}", f"{x:.2f}"] for y, x in cells.centres())
        frame.with_suffix(".cells.png").write_bytes(imagecodecs.png_encode(masks))
        areas = np.bincount(masks.ravel(), minlength=len(cells.identity) + 1)[1:]
        whole = cells.live & cells.in_field & (areas > 0)
        self._diameters_px.append(np.sqrt(4 / np.pi * areas[whole]))

    def close(self) -> None:
        """Write the median cell diameter, now that all cells were measured."""
        self._write_card()

    def _write_card(self) -> None:
        """Describe the folder; until a cell was drawn, with the diameter that was asked for."""
        measured = np.concatenate([*self._diameters_px, np.empty(0)])
        diameter_px = float(np.median(measured)) if len(measured) else None
        diameter_px = diameter_px or self._settings.cell_diameter_px
        text = (
            'name = "simulated"\n'
            'modality = "simulated phase contrast"\n'
            f"cell_diameter_px = {diameter_px:.4g}  # median equivalent diameter of the masks\n"
            f"match_radius_px = {diameter_px / 2:.4g}\n"
            f"pixel_size_um = {self._settings.pixel_size_um:g}\n"
            'annotation = "masks and centres as drawn; no evidence of accuracy on real cells"\n'
        )
        (self._folder / "dataset.toml").write_text(text, encoding="utf-8")
