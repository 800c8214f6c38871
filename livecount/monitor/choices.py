"""What the settings choose of frames: how names are read, which channel, which pixel size."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from zoneinfo import ZoneInfo

from livecount.config import Config
from livecount.experiment import ChannelRule
from livecount.frame import AttributeSource, Frame, FrameAttributes
from livecount.monitor.messages import FrameChoices
from livecount.readers import Patterns

__all__ = [
    "channel_rule",
    "completed_pixel_size",
    "edges_said",
    "frame_choices",
    "patterns_for",
    "patterns_of",
    "with_pixel_size",
]


def channel_rule(config: Config) -> ChannelRule:
    """Give the choice of channel that the settings make."""
    roles = config.counting.channel_roles
    by_role = [name for name, role in roles.items() if role == "count"]
    return ChannelRule(
        chosen=config.counting.channel or (by_role[0] if by_role else None),
        left_out=tuple(name for name, role in roles.items() if role != "count"),
    )


def edges_said(config: Config) -> dict[str, str]:
    """Give what the settings say of edges and overlaps, as an experiment's settings keep it."""
    counting = config.counting
    said = {name: getattr(counting, name) for name in ("edge_guard", "stage_axes")}
    return {name: value for name, value in said.items() if value is not None}


def frame_choices(config: Config) -> FrameChoices:
    """Give what the settings say of how frames are understood."""
    counting = config.counting
    return FrameChoices(
        config.watch.pattern,
        config.experiment.time_zone,
        counting.pixel_size_um,
        counting.pixel_size_override,
        counting.segment,
    )


def patterns_for(config: Config) -> Patterns:
    """Give the shipped file-name patterns, the user's own before them."""
    return patterns_of(config.watch.pattern, config.experiment.time_zone)


@lru_cache(maxsize=64)
def patterns_of(pattern: str, time_zone: str) -> Patterns:
    """Do the same for a user's pattern (empty: none) and a time zone."""
    shipped = Patterns.shipped(ZoneInfo(time_zone))
    return shipped.with_user_pattern(pattern) if pattern else shipped


def with_pixel_size(frame: Frame, config: Config) -> Frame:
    """Give a frame the configured pixel size where it has none, or where that is to win."""
    attributes = completed_pixel_size(frame.attributes, frame_choices(config))
    return replace(frame, attributes=attributes)


def completed_pixel_size(attributes: FrameAttributes, choices: FrameChoices) -> FrameAttributes:
    """Do the same for attributes alone."""
    size_um = choices.pixel_size_um
    if size_um is None:
        return attributes
    given = FrameAttributes.from_source(AttributeSource.CONFIG, pixel_size_um=size_um)
    if choices.pixel_size_override:
        return given.completed_by(attributes)
    return attributes.completed_by(given)
