"""Why a frame has no masks to show, in words for people, and what to do for some."""

from __future__ import annotations

from dataclasses import dataclass

from livecount.storage import MasksKept

__all__ = ["MissingMasks", "missing_masks"]


@dataclass(frozen=True, slots=True)
class MissingMasks:
    """A reason and what to do now."""

    reason: str
    hint: str

    def __str__(self) -> str:
        return f"{self.reason}. {self.hint}."


def missing_masks(kept: MasksKept, shown_h: float) -> MissingMasks | None:
    """Tell why a count has no masks; None where it has.

    Parameters
    ----------
    kept
        What is kept of the masks of the count that is shown.
    shown_h
        Its h.
    """
    if kept.has_masks:
        return None
    if kept.has_shapes:
        return MissingMasks(
            "This frame was counted by a livecount that kept the cells' shapes but not their masks",
            "To have masks, count its folder once more with --segment into another --database",
        )
    if "too_large_to_segment" in kept.flags:
        return MissingMasks(
            "This frame is too large for masks", "Its cells were counted as those of other frames"
        )
    if kept.others_h:
        h = kept.others_h[0]
        return MissingMasks(
            f"Masks depend on h: this frame's are those of its count at h {h:g}, "
            f"what is shown is the count at h {shown_h:g}",
            f"`livecount recount --h {h:g} --make-primary` shows that count again",
        )
    return MissingMasks(
        "This frame was counted without masks",
        "Frames that are counted from now on have some if `livecount run` is started with "
        "`--segment`, or with `segment = true` in its settings",
    )
