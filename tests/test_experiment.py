"""Which channel is counted."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livecount.experiment import ChannelRule


@pytest.mark.parametrize(
    ("rule", "channel", "counted", "is_counted"),
    [
        (ChannelRule(), None, [], True),
        (ChannelRule(), "Phase", ["w1"], True),
        (ChannelRule(), "Ph-1", [], True),
        (ChannelRule(), "Phase", ["DIC"], False),
        (ChannelRule(), "DIC", ["Phase"], True),
        (ChannelRule(), "w1", ["Phase"], False),
        (ChannelRule(), "GFP", [], False),
        (ChannelRule(), "DAPI", ["Phase"], False),
        (ChannelRule(), "w1", [], True),
        (ChannelRule(), "w1", ["GFP"], True),
        (ChannelRule(), "w2", ["w1"], False),
        (ChannelRule(), "w10", ["w9"], False),
        (ChannelRule(), "w9", ["w10"], True),
        (ChannelRule(), "W1", ["w1"], True),
        (ChannelRule(), "Alphabet", [], True),
        (ChannelRule("gfp"), "GFP", [], True),
        (ChannelRule("GFP"), "Phase", [], False),
        (ChannelRule("w2"), "w2", ["w1"], True),
        (ChannelRule(left_out=("Phase",)), "phase", [], False),
        (ChannelRule(left_out=("w1",)), "w2", ["w1"], True),
    ],
)
def test_which_channel_is_counted(
    rule: ChannelRule, channel: str | None, counted: list[str], is_counted: bool
) -> None:
    refusal = rule.refusal(channel, counted)
    assert (refusal is None) is is_counted
    assert refusal is None or repr(channel) in refusal


@given(st.lists(st.sampled_from(["w1", "w2", "w10", "C0", "Phase", "BF", "GFP"]), max_size=4))
def test_the_order_in_which_channels_appear_decides_nothing(channels: list[str]) -> None:
    """What a monitor counts, less what the tables exclude, is one and the same channel."""
    rule, left = ChannelRule(), set()
    for order in permutations(sorted(set(channels))):
        counted: list[str] = []
        for channel in order * 2:
            if rule.refusal(channel, counted) is None:
                counted.append(channel)
        left.add(frozenset(set(counted) - rule.refusals(counted).keys()))
    assert len(left) == 1
    assert all(len(found) <= 1 for found in left)
