"""Counting again with another h: a pure function of what is stored, beside the first count.

No frame is read and nothing is inferred. Every candidate was kept with its prominence, and the
count at h is the number of those with prominence >= h (:mod:`livecount.detection`). The analyses of
an experiment that differ in nothing but h are one *family*: what one of them has counted is at hand
for all, so that it does not matter which of them the monitor counts by.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from livecount.errors import NotInStoreError, PrimaryChangeError
from livecount.storage import (
    Analysis,
    CountReader,
    CountStore,
    Experiment,
    MonitorLock,
    Recounted,
    Said,
    StoredCount,
    is_referee,
)
from livecount.uncertainty import Calibration, find_doubts

__all__ = [
    "Recount",
    "catch_up",
    "family_of",
    "is_being_counted",
    "make_primary",
    "n_lacking",
    "n_missing",
    "order",
    "recount",
    "refuse_while_counted",
]

_DECIDED_BY_H = frozenset({"doubtful_cells", "too_large_to_segment"})


@dataclass(frozen=True, slots=True)
class Recount:
    """What a recount made.

    Attributes
    ----------
    analysis
        The analysis that stands beside the first one.
    n_new
        Frames that this call counted.
    n_without_masks
        Those of them whose masks, and with them confluence and shapes, belong to the first count
        alone: masks grow from the cells that were counted.
    """

    analysis: Analysis
    n_new: int
    n_without_masks: int


def recount(
    store: CountStore,
    experiment: Experiment,
    h: float,
    *,
    like: Analysis | None = None,
    said: Said | None = None,
    on_frames: Callable[[int], None] = lambda _: None,
) -> Recount:
    """Count all stored frames of an experiment with another h, beside the counts there are.

    Safe beside a running monitor, and after a kill: each few hundred frames are a transaction, and
    another call counts what is not counted yet, also the frames that have come since.

    Parameters
    ----------
    like
        The analysis that it resembles in everything but h; the primary one where not given.
    said
        Who wants it and when, to be kept.
    on_frames
        Called with how many frames were dealt with since the last call.

    Raises
    ------
    NotInStoreError
        Nothing was counted yet, or peaks as low as ``h`` were not kept.
    """
    analysis = order(store, experiment, h, like=like, said=said)
    return catch_up(store, experiment, analysis, on_frames=on_frames)


def order(
    store: CountStore,
    experiment: Experiment,
    h: float,
    *,
    like: Analysis | None = None,
    said: Said | None = None,
) -> Analysis:
    """Make the analysis of another h, by which nothing is counted yet; see :func:`recount`."""
    like = like or store.analysis(experiment)
    lowest = like.settings.min_prominence
    if not lowest <= h <= 1:
        raise NotInStoreError(
            f"Experiment {experiment.name!r} cannot be counted with h = {h:g}: peaks with a "
            f"prominence from {lowest:g} to 1 were kept",
            hint=f"Give an h between {lowest:g} and 1",
        )
    analysis = store.ensure_analysis(experiment, replace(like.settings, h=h))
    if said is not None:
        store.order_count(analysis, said)
    return analysis


def catch_up(
    store: CountStore,
    experiment: Experiment,
    analysis: Analysis,
    *,
    on_frames: Callable[[int], None] = lambda _: None,
) -> Recount:
    """Count by this analysis what only others of its family have counted."""
    others = [one for one in family_of(store, experiment, analysis) if one.id != analysis.id]
    n_new = n_without_masks = 0
    if others:
        values = store.calibration(analysis.settings.model_sha256)
        calibration = None if values is None else Calibration.from_mapping(values)
        for part in store.iter_uncounted(analysis, others):
            made = [_counted_at(one, analysis.settings.h, calibration) for one in part]
            n_new += store.record_recounts(analysis, made)
            n_without_masks += sum(one.has_masks for one in part)
            on_frames(len(part))
    return Recount(analysis, n_new, n_without_masks)


def family_of(store: CountReader, experiment: Experiment, analysis: Analysis) -> list[Analysis]:
    """List the analyses that differ from this one in h at most, itself among them."""
    same = replace(analysis.settings, h=1.0).analysis_id
    return [
        one
        for one in store.analyses(experiment)
        if replace(one.settings, h=1.0).analysis_id == same
    ]


def n_lacking(store: CountReader, experiment: Experiment, analysis: Analysis) -> int:
    """Tell how many frames only others of the family have counted, which :func:`catch_up` takes."""
    return store.n_uncounted(analysis, family_of(store, experiment, analysis))


def n_missing(store: CountReader, experiment: Experiment, analysis: Analysis) -> int:
    """Tell how many frames the primary analysis, or one of the family, has counted and it not."""
    family = family_of(store, experiment, analysis)
    known = {one.id for one in family}
    primary = [one for one in store.analyses(experiment) if one.is_primary and one.id not in known]
    return store.n_uncounted(analysis, [*family, *primary])


def is_being_counted(store: CountReader, experiment: Experiment) -> bool:
    """Tell whether a monitor counts an experiment right now, and so by its primary analysis."""
    beat = store.monitor()
    if beat is None or not MonitorLock(store.database).is_held_elsewhere():
        return False
    return any(source.folder in beat.source_states for source in store.sources(experiment))


def refuse_while_counted(store: CountReader, experiment: Experiment) -> None:
    """Refuse to take the first place from an analysis by which a monitor counts right now.

    Raises
    ------
    PrimaryChangeError
        A monitor watches a folder of this experiment: its frames would go on elsewhere.
    """
    if is_being_counted(store, experiment):
        raise PrimaryChangeError(
            f"Experiment {experiment.name!r} is being counted: its new frames would not be in the "
            "count that is shown",
            hint="Stop the monitor first, make this count the primary one, and start the monitor "
            "with its h and model; until then it stands beside the one that is shown",
        )


def make_primary(
    store: CountStore, experiment: Experiment, analysis: Analysis, said: Said | None = None
) -> None:
    """Let exports, plots and pages show this count of an experiment from now on.

    Raises
    ------
    PrimaryChangeError
        A monitor counts the experiment right now, or the analysis lacks frames that were counted
        otherwise, or it counts stained nuclei.
    """
    refuse_while_counted(store, experiment)
    if is_referee(analysis):
        raise PrimaryChangeError(
            f"Analysis {analysis.id} counts stained nuclei, which are shown beside the cells",
            hint="Choose one that counts cells",
        )
    if n_frames := n_missing(store, experiment, analysis):
        raise PrimaryChangeError(
            f"Analysis {analysis.id} lacks {n_frames} frames that were counted otherwise",
            hint=f"Count them first, with model {analysis.settings.model_name} and h = "
            f"{analysis.settings.h:g} again: it goes on where it was",
        )
    store.make_primary(analysis, said)


def _counted_at(stored: StoredCount, h: float, calibration: Calibration | None) -> Recounted:
    """Count a frame at h, and judge anew what its flags say of the cells that are counted."""
    cells = stored.candidates.at(h)
    doubts = () if calibration is None else find_doubts(calibration, cells.prominence)
    kept = tuple(flag for flag in stored.flags if flag not in _DECIDED_BY_H)
    return Recounted(stored.row_id, len(cells), (*kept, *doubts))
