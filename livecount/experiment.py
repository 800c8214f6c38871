"""What an experiment is to its user: which channel is counted, and how its time is declared."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

__all__ = ["ChannelRule", "TimeAxis"]

_LABEL_FREE = re.compile(
    r"phase|bright[ _-]?field|transmitted|label[ _-]?free|hoffman|"
    r"(?:^|[^a-z0-9])(?:ph[0-9]?|bf|dic|pc|tl|trans|hmc|pol)(?:$|[^a-z0-9])",
    re.IGNORECASE,
)
_FLUORESCENT = re.compile(
    r"dapi|hoechst|gfp|fitc|rfp|mcherry|texas|tritc|cy[357]|alexa|fluor|green|red|blue|yfp|cfp|orange",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class ChannelRule:
    """Which channel is counted.

    Attributes
    ----------
    chosen
        The channel that the user named, or None for the automatic choice: one whose name says phase
        or brightfield, else the only one; a fluorescence channel never by itself.
    left_out
        Channels that are not counted whatever they are called: ignored ones, nuclei references.
    """

    chosen: str | None = None
    left_out: tuple[str, ...] = ()

    def refusal(self, channel: str | None, counted: Sequence[str] = ()) -> str | None:
        """Say why a frame of this channel is not counted, or None when it is.

        Parameters
        ----------
        counted
            Channels of which frames were already counted in this experiment.

        Examples
        --------
        >>> ChannelRule().refusal("Phase") is None
        True
        >>> ChannelRule().refusal("GFP")
        "fluorescence channel 'GFP' is not counted unless chosen: set `channel` in [counting]"
        """
        if channel is None:
            return None
        if channel.casefold() in {name.casefold() for name in self.left_out}:
            return f"channel {channel!r} is not counted, as set in [counting] channel_roles"
        if self.chosen is not None:
            same = channel.casefold() == self.chosen.casefold()
            return None if same else f"channel {channel!r} is not the counted one, {self.chosen!r}"
        others = [name for name in counted if name != channel]
        if _LABEL_FREE.search(channel):
            others = [name for name in others if _LABEL_FREE.search(name)]
        elif _FLUORESCENT.search(channel):
            return (
                f"fluorescence channel {channel!r} is not counted unless chosen: "
                "set `channel` in [counting]"
            )
        if others:
            return (
                f"channel {channel!r} appeared beside {others[0]!r}, which is counted: "
                "set `channel` in [counting] to choose"
            )
        return None


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """What the user declared of an experiment's time.

    Attributes
    ----------
    t0
        When elapsed time starts, time-zone aware; None for the first scan.
    frame_interval_min
        Minutes between time points, used only where frames carry no time of their own.
    """

    t0: datetime | None = None
    frame_interval_min: float | None = None
