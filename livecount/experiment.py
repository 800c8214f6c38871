"""What an experiment is to its user: which channel is counted, how time and stage are declared."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from livecount.readers.wells import natural_key

__all__ = ["ChannelRule", "Side", "StageAxes", "TimeAxis"]

Side = Literal["right", "left", "down", "up"]
"""A side of the picture."""

_LABEL_FREE = re.compile(
    r"phase|bright[ _-]?field|transmitted|label[ _-]?free|hoffman|"
    r"(?:^|[^a-z0-9])(?:ph[0-9]?|bf|dic|pc|tl|trans|hmc|pol)(?:$|[^a-z0-9])",
    re.IGNORECASE,
)
_FLUORESCENT = re.compile(
    r"dapi|hoechst|gfp|fitc|rfp|mcherry|texas|tritc|cy\d|alexa|fluor|green|red|blue|yfp|cfp|orange|"
    r"(?<![a-z])nir|near[ _-]?ir|tdtomato|venus|mkate|mneongreen|cytotox|cytolight|nuclight|"
    r"annexin|calcein|sytox|caspase",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class ChannelRule:
    """Which channel is counted.

    Attributes
    ----------
    chosen
        The channel that the user named, or None for the automatic choice: the one whose name says
        phase or brightfield, else the only one, else the first by name; a fluorescence channel
        never by itself.
    left_out
        Channels that are not counted whatever they are called: ignored ones, nuclei references.
    """

    chosen: str | None = None
    left_out: tuple[str, ...] = ()

    def refusal(self, channel: str | None, counted: Iterable[str] = ()) -> str | None:
        """Say why a frame of this channel is not counted, or None when it is.

        Of several channels that could be meant the same one wins whichever came first, so that the
        order in which frames arrive decides nothing: what was counted of the others before it
        appeared is excluded in the tables, by :meth:`refusals`.

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
        >>> ChannelRule().refusal("w1", ["w2"]) is None
        True
        >>> ChannelRule().refusal("w2", ["w1"])
        "channel 'w2' stands beside 'w1', which is counted: set `channel` in [counting] to choose"
        """
        if channel is None:
            return None
        refused = self._refusal_by_itself(channel)
        if refused or self.chosen is not None:
            return refused
        rivals = [name for name in counted if self._refusal_by_itself(name) is None]
        first = min([channel, *rivals], key=_preference)
        if first.casefold() == channel.casefold():
            return None
        return (
            f"channel {channel!r} stands beside {first!r}, which is counted: "
            "set `channel` in [counting] to choose"
        )

    def refusals(self, channels: Iterable[str]) -> dict[str, str]:
        """Say of each channel of an experiment that is not counted why it is not.

        Examples
        --------
        >>> sorted(ChannelRule().refusals(["w10", "w9", "GFP"]))
        ['GFP', 'w10']
        """
        present = list(channels)
        refused = {channel: self.refusal(channel, present) for channel in present}
        return {channel: reason for channel, reason in refused.items() if reason is not None}

    def _refusal_by_itself(self, channel: str) -> str | None:
        """Say why a channel is not counted even where there is no other."""
        if channel.casefold() in {name.casefold() for name in self.left_out}:
            return f"channel {channel!r} is not counted, as set in [counting] channel_roles"
        if self.chosen is not None:
            same = channel.casefold() == self.chosen.casefold()
            return None if same else f"channel {channel!r} is not the counted one, {self.chosen!r}"
        if _FLUORESCENT.search(channel) and not _LABEL_FREE.search(channel):
            return (
                f"fluorescence channel {channel!r} is not counted unless chosen: "
                "set `channel` in [counting]"
            )
        return None


def _preference(channel: str) -> tuple[bool, tuple[tuple[int, int, str], ...], str]:
    """Order channels by how likely they are meant: label-free ones first, then by name."""
    return _LABEL_FREE.search(channel) is None, natural_key(channel.casefold()), channel


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """What the user declared of an experiment's time.

    Attributes
    ----------
    t0
        When elapsed time starts, time-zone aware; None for the first scan. It can be applied only
        where the clock of the experiment is absolute.
    frame_interval_min
        Minutes between time points, used only where frames carry no time of their own.
    """

    t0: datetime | None = None
    frame_interval_min: float | None = None


@dataclass(frozen=True, slots=True)
class StageAxes:
    """How the stage's axes lie in the pictures; it differs from microscope to microscope.

    Attributes
    ----------
    x, y
        To which side of a field another one lies whose stage x (or y) is larger.
    """

    x: Side
    y: Side

    def in_picture(self, x_um: float, y_um: float) -> tuple[float, float]:
        """Turn a stage position into one in the picture's directions.

        Returns
        -------
        down_um, right_um

        Examples
        --------
        >>> StageAxes("left", "down").in_picture(10.0, 3.0)
        (3.0, -10.0)
        """
        ways = {"down": (1, 0), "up": (-1, 0), "right": (0, 1), "left": (0, -1)}
        (x_down, x_right), (y_down, y_right) = ways[self.x], ways[self.y]
        return x_um * x_down + y_um * y_down, x_um * x_right + y_um * y_right
