"""What the settings choose of frames: how names are read, which channel, which pixel size."""

from __future__ import annotations

from dataclasses import replace
from zoneinfo import ZoneInfo

from livecount.config import Config
from livecount.experiment import ChannelRule
from livecount.frame import AttributeSource, Frame, FrameAttributes
from livecount.readers import Patterns

__all__ = ["channel_rule", "completed_pixel_size", "edges_said", "patterns_for", "with_pixel_size"]


def channel_rule(config: Config) -> ChannelRule:
    """Give the choice of channel that the settings make."""
    roles = config.counting.channel_roles
    by_role = [name for name, role in roles.items() if role == "count"]
    left_out = [name for name, role in roles.items() if role != "count"]
    if config.counting.nuclei_channel:
        left_out.append(config.counting.nuclei_channel)
    return ChannelRule(
        chosen=config.counting.channel or (by_role[0] if by_role else None),
        left_out=tuple(left_out),
    )


def edges_said(config: Config) -> dict[str, str]:
    """Give what the settings say of edges and overlaps, as an experiment's settings keep it."""
    counting = config.counting
    said = {name: getattr(counting, name) for name in ("edge_guard", "stage_axes")}
    return {name: value for name, value in said.items() if value is not None}


def patterns_for(config: Config) -> Patterns:
    """Give the shipped file-name patterns, the user's own before them."""
    shipped = Patterns.shipped(ZoneInfo(config.experiment.time_zone))
    return shipped.with_user_pattern(config.watch.pattern) if config.watch.pattern else shipped


def with_pixel_size(frame: Frame, config: Config) -> Frame:
    """Give a frame the configured pixel size where it has none, or where that is to win."""
    return replace(frame, attributes=completed_pixel_size(frame.attributes, config))


def completed_pixel_size(attributes: FrameAttributes, config: Config) -> FrameAttributes:
    """Do the same for attributes alone."""
    size_um = config.counting.pixel_size_um
    if size_um is None:
        return attributes
    given = FrameAttributes.from_source(AttributeSource.CONFIG, pixel_size_um=size_um)
    if config.counting.pixel_size_override:
        return given.completed_by(attributes)
    return attributes.completed_by(given)
