"""The network's size and reach, and the loss where annotations are incomplete."""

from __future__ import annotations

import dataclasses

import pytest

torch = pytest.importorskip("torch", reason="needs the extra livecount[train]")

from livecount.training.losses import head_losses, total_loss  # noqa: E402
from livecount.training.network import (  # noqa: E402
    DeepDistanceNet,
    count_parameters,
    receptive_radius_px,
)
from livecount.training.recipe import HeadRecipe, NetworkRecipe  # noqa: E402

INNER, OUTER, CELL = HeadRecipe("inner"), HeadRecipe("outer"), HeadRecipe("cell", "sigmoid")


def test_the_papers_network_has_44_million_parameters() -> None:
    with torch.device("meta"):
        network = DeepDistanceNet(NetworkRecipe(in_channels=3), (INNER, OUTER))
    assert count_parameters(network) == pytest.approx(44e6, rel=0.01)


def test_every_head_has_a_full_decoder_of_its_own() -> None:
    with torch.device("meta"):
        one, two, three = (
            count_parameters(DeepDistanceNet(NetworkRecipe(), heads))
            for heads in ((INNER,), (INNER, OUTER), (INNER, OUTER, CELL))
        )
    assert two - one == three - two > 10e6


@pytest.mark.parametrize("norm", ["none", "batch"])
@pytest.mark.parametrize("levels", [1, 3, 5])
def test_maps_have_the_images_size(norm: str, levels: int) -> None:
    shape = NetworkRecipe(widths=(2, 3, 4, 5, 6)[:levels], norm=norm)
    network = DeepDistanceNet(shape, (INNER, OUTER, CELL)).eval()
    maps = network(torch.randn(2, 1, 32, 48))
    assert maps.shape == (2, 3, 32, 48)
    assert (maps >= 0).all()
    assert (maps[:, 2] <= 1).all()


def test_grey_images_are_repeated_for_networks_that_take_colour() -> None:
    network = DeepDistanceNet(NetworkRecipe(widths=(2, 3), in_channels=3), (INNER,)).eval()
    grey = torch.randn(1, 1, 16, 16)
    assert torch.equal(network(grey), network(grey.expand(-1, 3, -1, -1)))


def test_nothing_reaches_further_than_the_stated_radius() -> None:
    torch.manual_seed(0)
    levels = 4
    network = DeepDistanceNet(NetworkRecipe(widths=(3,) * levels), (INNER,)).eval().double()
    network.decoders[0].activation = "linear"
    size, radius = 256, receptive_radius_px(levels)
    for at in (120, 127, 128, 135):
        image = torch.zeros(1, 1, size, size, dtype=torch.double)
        changed = image.clone()
        changed[0, 0, at, at] = 1e6
        with torch.inference_mode():
            difference = (network(changed) - network(image))[0, 0].abs()
        rows = torch.nonzero(difference.amax(dim=1)).flatten()
        assert max(at - int(rows.min()), int(rows.max()) - at) <= radius
    assert radius <= 64


def test_the_loss_is_the_mean_square_over_known_pixels() -> None:
    maps, targets = torch.rand(2, 2, 4, 5), torch.rand(2, 2, 4, 5)
    known = torch.ones_like(maps)
    losses = head_losses(maps, targets, known, (INNER, OUTER))
    expected = (maps - targets).square().mean(dim=(0, 2, 3))
    torch.testing.assert_close(losses, expected)
    weighted = (dataclasses.replace(INNER, loss_weight=3.0), OUTER)
    torch.testing.assert_close(total_loss(losses, weighted), 3 * expected[0] + expected[1])


def test_what_is_not_annotated_teaches_nothing() -> None:
    maps = torch.rand(1, 2, 6, 6, requires_grad=True)
    known = torch.zeros(1, 2, 6, 6)
    known[0, 0, :3] = 1
    losses = head_losses(maps, torch.rand(1, 2, 6, 6), known, (INNER, OUTER))
    total_loss(losses, (INNER, OUTER)).backward()
    assert losses[1] == 0
    assert maps.grad is not None
    assert not maps.grad[0, 1].any()
    assert not maps.grad[0, 0, 3:].any()
    assert maps.grad[0, 0, :3].all()


def test_emphasis_weighs_bright_targets_more() -> None:
    maps = torch.zeros(1, 1, 1, 2)
    targets = torch.tensor([[[[1.0, 0.5]]]])
    head = dataclasses.replace(INNER, emphasis=4.0)
    loss = head_losses(maps, targets, torch.ones_like(maps), (head,))
    assert loss.item() == pytest.approx((5 * 1 + 2 * 0.25) / 2)
