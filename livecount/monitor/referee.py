"""Stained nuclei as a referee: which channel, which diameter, their counts beside the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from livecount.config import Config
from livecount.errors import ConfigError, RefusedFrameError, UnreadableFrameError
from livecount.frame import FrameCount
from livecount.monitor.worker import Worker
from livecount.nuclei import DETECTION_RULE, MIN_PROMINENCE, SPLIT_H, NucleiRule
from livecount.storage import (
    NUCLEI_ROLE,
    Analysis,
    AnalysisSettings,
    CellDiameter,
    CountStore,
    Experiment,
    KnownPage,
    Source,
    is_referee,
)

if TYPE_CHECKING:
    from livecount.monitor.messages import PageAhead, PageRead

__all__ = ["Referee"]


class Referee:
    """Counts the frames of the channel of stained nuclei, under an analysis of their own.

    ``rule`` and ``analysis`` are None where there is no such channel, and until the diameter of a
    nucleus is known: where it was not given, the first frame of nuclei decides it for good.

    Attributes
    ----------
    is_new
        The channel is given and nothing was counted in it before.

    Raises
    ------
    ConfigError
        The nuclei of this experiment were counted with another diameter.
    """

    def __init__(
        self, config: Config, store: CountStore, experiment: Experiment, worker: Worker
    ) -> None:
        self.channel = config.counting.referee_channel
        self.rule: NucleiRule | None = None
        self.analysis: Analysis | None = None
        self._z = str(config.counting.z)
        self._store, self._experiment, self._worker = store, experiment, worker
        before = self._known_analysis() if self.channel is not None else None
        self.is_new = self.channel is not None and before is None
        locked = None if before is None else _diameter_of(before)
        diameter = _given(config) or locked
        if diameter is not None and locked is not None and diameter != locked:
            raise _other_diameter(experiment, locked, diameter)
        if self.channel is not None and diameter is not None:
            self._settle_on(diameter)

    def is_for(self, channel: str | None) -> bool:
        """Tell whether a frame of this channel shows the nuclei."""
        if self.channel is None or channel is None:
            return False
        return self.channel.casefold() == channel.casefold()

    def known_pages(self, source: Source, relative_path: bytes) -> dict[int, KnownPage]:
        """List a file's pages as the analysis of nuclei knows them; none where there is none."""
        if self.analysis is None:
            return {}
        return self._store.known_pages(source, relative_path, self.analysis)

    def count(self, page: PageRead, ahead: PageAhead | None = None) -> FrameCount:
        """Count the nuclei of the page that was read last, while the one ahead is read.

        Raises
        ------
        UnreadableFrameError
            The diameter is not known and cannot be told from this frame; another one may tell it.
        """
        if self.rule is None:
            try:
                diameter = self._estimate_from(page)
            except RefusedFrameError as error:
                raise UnreadableFrameError(error.message, hint=error.hint) from error
            self._settle_on(diameter)
        assert self.rule is not None
        assert self.analysis is not None
        return self._worker.count_nuclei(page, self.rule, self.analysis.id, ahead)

    def _known_analysis(self) -> Analysis | None:
        known = [
            one
            for one in self._store.analyses(self._experiment)
            if is_referee(one) and self.is_for(one.settings.channel)
        ]
        return known[-1] if known else None

    def _estimate_from(self, page: PageRead) -> CellDiameter:
        diameter_px = self._worker.estimate_nucleus_diameter(page.key)
        size_um = page.attributes.pixel_size_um
        origin = f"estimated from {page.key.display_path}"
        if size_um is None:
            diameter = CellDiameter(round(diameter_px, 1), "px", origin)
        else:
            diameter = CellDiameter(round(diameter_px * size_um, 1), "um", origin)
        self._store.begin_notice(
            "nucleus_diameter_estimated",
            f"The nucleus diameter of {self._experiment.name!r}, {diameter.value:g} "
            f"{diameter.unit}, was {origin}; if nuclei are missed or split, start a new experiment "
            f"with `nucleus_diameter_{diameter.unit}` in [counting]",
            subject=self._experiment.name,
        )
        return diameter

    def _settle_on(self, diameter: CellDiameter) -> None:
        assert self.channel is not None
        settings = AnalysisSettings(
            model_name="stained nuclei",
            model_sha256="",
            cell_diameter=diameter.value,
            cell_diameter_unit=diameter.unit,
            channel=self.channel,
            z=self._z,
            h=SPLIT_H,
            min_prominence=MIN_PROMINENCE,
            detection_rule=DETECTION_RULE,
            further=NUCLEI_ROLE,
        )
        self.analysis = self._store.ensure_analysis(
            self._experiment, settings, may_be_primary=False
        )
        self.rule = NucleiRule(
            diameter_um=diameter.value if diameter.unit == "um" else None,
            diameter_px=diameter.value if diameter.unit == "px" else None,
        )


def _given(config: Config) -> CellDiameter | None:
    counting = config.counting
    if counting.nucleus_diameter_um is not None:
        return CellDiameter(counting.nucleus_diameter_um, "um", "")
    if counting.nucleus_diameter_px is not None:
        return CellDiameter(counting.nucleus_diameter_px, "px", "")
    return None


def _diameter_of(analysis: Analysis) -> CellDiameter:
    settings = analysis.settings
    return CellDiameter(settings.cell_diameter, settings.cell_diameter_unit, "")


def _other_diameter(experiment: Experiment, before: CellDiameter, now: CellDiameter) -> ConfigError:
    return ConfigError(
        f"Nuclei of experiment {experiment.name!r} are counted with a diameter of "
        f"{before.value:g} {before.unit}, not {now.value:g} {now.unit}",
        hint="Leave the nucleus diameter out to go on with it, or start a new experiment "
        "with --experiment NAME",
    )
