"""Whether the plate map fits the wells that appear: said while the run can still be put right."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

import structlog

from livecount.config import Config
from livecount.plate import map_of_lines, read_plate_map, sheet_rows
from livecount.storage import Analysis, CountStore, Experiment, PlateMapVersion, Said

__all__ = ["PlateCheck", "keep_plate_map"]

_NOT_FITTING = "plate_map"
_EVERY_S = 60.0
_WRITTEN_BY = "config"


def keep_plate_map(config: Config, store: CountStore, experiment: Experiment) -> None:
    """Keep the plate map that the settings name, if it says anything new.

    A map that somebody has given since with ``livecount plate set`` is replaced only where the
    file itself has changed since it was last taken.

    Raises
    ------
    PlateMapError
        The file cannot be read, or contradicts itself.
    """
    file = config.experiment.plate_map
    if file is None:
        return
    wells = tuple(sheet_rows(read_plate_map(file)))
    taken = [one for one in store.plate_maps(experiment) if one.said.made_by == _WRITTEN_BY]
    if taken and list(map(dict, taken[0].wells)) == list(wells):
        return
    version = PlateMapVersion(wells, file.name, Said(_WRITTEN_BY, datetime.now(UTC)))
    store.add_plate_map(experiment, version)


class PlateCheck:
    """Holds the plate map against the wells of the counted frames, once a minute at most.

    Parameters
    ----------
    on_notice
        Called with what does not fit, when it begins and when it is over.
    """

    def __init__(
        self, store: CountStore, experiment: Experiment, on_notice: Callable[[str], None]
    ) -> None:
        self._store = store
        self._experiment = experiment
        self._tell = on_notice
        self._said = ""
        self._looked_s = -_EVERY_S
        self._seen: tuple[object, ...] = ()
        self._log = structlog.get_logger("livecount.monitor")

    def tick(self, analysis: Analysis | None, n_counted: int, *, at_once: bool = False) -> None:
        """Look again where frames came or the map was changed, and say what does not fit.

        Parameters
        ----------
        n_counted
            Frames counted so far in this run: as long as it stays, no well can have appeared.
        at_once
            Look even if the last look was not long ago.
        """
        is_due = at_once or time.monotonic() - self._looked_s >= _EVERY_S
        if analysis is None or not is_due:
            return
        self._looked_s = time.monotonic()
        version = self._store.plate_map(self._experiment)
        if (version, n_counted) == self._seen:
            return
        self._seen = (version, n_counted)
        problems: list[str] = []
        if version is not None:
            plate_map = map_of_lines(version.wells, "the stored plate map")
            problems = plate_map.unexpected(self._store.wells(analysis))
        self._say("; ".join(problems))

    def give_up(self) -> None:
        """End what was said: the experiment is not watched any more."""
        if self._said:
            self._said = ""
            self._store.end_notice(_NOT_FITTING, experiment=self._experiment)

    def _say(self, text: str) -> None:
        if text == self._said:
            return
        self._said = text
        name = self._experiment.name
        if not text:
            self._store.end_notice(_NOT_FITTING, experiment=self._experiment)
            self._tell(f"The plate map of {name!r} fits the wells that appear")
            return
        told = f"The plate map of {name!r} does not fit: {text}"
        self._store.begin_notice(_NOT_FITTING, told, experiment=self._experiment)
        self._log.warning("plate map does not fit", experiment=name, problems=text)
        self._tell(told)
