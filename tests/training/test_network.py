"""The network's size and reach, and the loss where annotations are incomplete."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra livecount[train]")

from livecount.inference import TileLimits, infer_tiled  # noqa: E402
from livecount.training.export import folded  # noqa: E402
from livecount.training.losses import head_losses, total_loss  # noqa: E402
from livecount.training.network import (  # noqa: E402
    UNBOUNDED_PX,
    DeepDistanceNet,
    count_parameters,
    receptive_radius_px,
)
from livecount.training.recipe import HeadRecipe, NetworkRecipe  # noqa: E402

INNER, OUTER, CELL = HeadRecipe("inner"), HeadRecipe("outer"), HeadRecipe("cell", "sigmoid")
BEHIND_CELL = HeadRecipe("inner", reads="cell")
BLOCKS, NORMS = ("plain", "residual", "multiscale"), ("none", "batch", "group")


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


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("levels", [1, 3, 5])
def test_maps_have_the_images_size(norm: str, block: str, levels: int) -> None:
    shape = NetworkRecipe(widths=(2, 3, 4, 5, 6)[:levels], norm=norm, block=block)
    network = DeepDistanceNet(shape, (INNER, OUTER, CELL)).eval()
    maps = network(torch.randn(2, 1, 32, 48))
    assert maps.shape == (2, 3, 32, 48)
    assert (maps >= 0).all()
    assert (maps[:, 2] <= 1).all()


@pytest.mark.parametrize("share", [0.02, 0.15, 0.5])
def test_a_sigmoid_begins_at_the_share_that_the_recipe_names(share: float) -> None:
    head = HeadRecipe("cell", "sigmoid", begins_at=share)
    network = DeepDistanceNet(NetworkRecipe(widths=(4, 8)), (INNER, head)).eval()
    # Without an image all features are 0, so that the head's bias alone draws.
    certainty = network(torch.zeros(1, 1, 16, 16))[0, 1]
    assert certainty.detach().numpy() == pytest.approx(share, abs=1e-6)


def test_grey_images_are_repeated_for_networks_that_take_colour() -> None:
    network = DeepDistanceNet(NetworkRecipe(widths=(2, 3), in_channels=3), (INNER,)).eval()
    grey = torch.randn(1, 1, 16, 16)
    assert torch.equal(network(grey), network(grey.expand(-1, 3, -1, -1)))


@pytest.mark.parametrize(
    ("block", "heads"),
    [*((block, (INNER,)) for block in BLOCKS), ("plain", (CELL, BEHIND_CELL))],
)
def test_nothing_reaches_further_than_the_stated_radius(
    block: str, heads: tuple[HeadRecipe, ...]
) -> None:
    torch.manual_seed(0)
    shape = NetworkRecipe(widths=(3,) * 3, dropout=0.0, block=block)
    linear = tuple(dataclasses.replace(head, activation="linear") for head in heads)
    network = DeepDistanceNet(shape, linear).eval().double()
    size, radius = 256, receptive_radius_px(shape, heads)
    reached = 0
    for at in (120, 127, 128, 135):
        image = torch.zeros(1, 1, size, size, dtype=torch.double)
        changed = image.clone()
        changed[0, 0, at, at] = 1e6
        with torch.inference_mode():
            difference = (network(changed) - network(image))[0].abs().amax(dim=0)
        rows = torch.nonzero(difference.amax(dim=1)).flatten()
        reached = max(reached, at - int(rows.min()), int(rows.max()) - at)
    assert radius / 2 < reached <= radius <= 64


def test_a_network_that_sees_whole_frames_is_not_tiled() -> None:
    torch.manual_seed(0)
    shape = NetworkRecipe(widths=(3, 4), norm="group")
    network = DeepDistanceNet(shape, (INNER,)).eval()
    halo = receptive_radius_px(shape, (INNER,))
    assert halo == UNBOUNDED_PX

    def infer(image: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return network(torch.from_numpy(image)[None, None])[0].numpy()

    image = np.random.default_rng(0).standard_normal((90, 70)).astype(np.float32)
    whole, limited = (
        infer_tiled(infer, image, TileLimits(most, halo, 2)) for most in (1_000_000, 1_000)
    )
    np.testing.assert_array_equal(whole, limited)


@pytest.mark.parametrize("block", BLOCKS)
def test_folding_takes_every_batch_normalisation_out(block: str) -> None:
    torch.manual_seed(0)
    shape = NetworkRecipe(widths=(3, 4, 5), norm="batch", block=block)
    network = DeepDistanceNet(shape, (CELL, BEHIND_CELL))
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 2.0)
            torch.nn.init.normal_(module.bias)
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2.0)
    network.eval()
    bare = folded(network)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in bare.modules())
    image = torch.randn(1, 1, 16, 24)
    with torch.inference_mode():
        torch.testing.assert_close(bare(image), network(image), atol=1e-5, rtol=1e-4)


def test_a_cascade_sees_nothing_but_the_map_it_reads() -> None:
    torch.manual_seed(0)
    heads = (CELL, BEHIND_CELL, OUTER)
    network = DeepDistanceNet(NetworkRecipe(widths=(4, 5), dropout=0.0), heads)
    image = torch.randn(1, 1, 16, 16)
    maps = network(image)
    assert maps.shape == (1, 3, 16, 16)
    torch.testing.assert_close(network.cascades[0](maps[:, :1])["inner"], maps[:, 1:2])
    maps[:, 1].sum().backward()
    assert network.encoder[0].first[0].weight.grad.abs().sum() > 0
    with torch.no_grad():
        network.decoders[0].head.weight.zero_()
        assert torch.equal(network(image)[:, 1], network(-image)[:, 1])


def test_cascades_may_follow_one_another() -> None:
    heads = (CELL, BEHIND_CELL, HeadRecipe("outer", reads="inner"))
    shape = NetworkRecipe(widths=(2, 3))
    assert DeepDistanceNet(shape, heads).eval()(torch.randn(1, 1, 8, 8)).shape == (1, 3, 8, 8)
    assert receptive_radius_px(shape, heads) == 3 * receptive_radius_px(shape, (INNER,))


def test_networks_of_paths_begin_as_strong_as_plain_ones() -> None:
    torch.manual_seed(0)
    image = torch.randn(1, 1, 64, 64)
    for block in BLOCKS:
        shape = NetworkRecipe(widths=(16, 32, 64, 128), dropout=0.0, block=block)
        drawn = DeepDistanceNet(shape, (dataclasses.replace(INNER, activation="linear"),))(image)
        assert 0.05 < float(drawn.detach().std()) < 20, block


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


def certain(loss: str, **more: float) -> HeadRecipe:
    return HeadRecipe("cell", "sigmoid", loss=loss, **more)


DRAWN, TARGET = (0.9, 0.2, 0.6, 0.5), (1.0, 0.0, 0.0, 1.0)


def loss_of(head: HeadRecipe, known: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0)) -> float:
    maps, targets, where = (
        torch.tensor(values).reshape(1, 1, 2, 2) for values in (DRAWN, TARGET, known)
    )
    return head_losses(maps, targets, where, (head,)).item()


def test_cross_entropy_is_its_definition() -> None:
    right = [p if t else 1 - p for p, t in zip(DRAWN, TARGET, strict=True)]
    expected = -sum(math.log(value) for value in right) / 4
    assert loss_of(certain("bce")) == pytest.approx(expected)


def test_focal_loss_is_its_definition() -> None:
    right = [p if t else 1 - p for p, t in zip(DRAWN, TARGET, strict=True)]
    weights = [0.9 if t else 0.1 for t in TARGET]
    expected = -sum(
        weight * (1 - value) ** 3 * math.log(value)
        for weight, value in zip(weights, right, strict=True)
    )
    head = certain("focal", focal_alpha=0.9, focal_gamma=3.0)
    assert loss_of(head) == pytest.approx(expected / 4)
    assert loss_of(certain("focal", focal_alpha=0.5, focal_gamma=0.0)) == pytest.approx(
        0.5 * loss_of(certain("bce"))
    )


def test_dice_loss_is_its_definition() -> None:
    assert loss_of(certain("dice")) == pytest.approx(1 - (2 * 1.4 + 1) / (2.2 + 2 + 1))
    known = (1.0, 1.0, 0.0, 0.0)
    assert loss_of(certain("dice"), known) == pytest.approx(1 - (2 * 0.9 + 1) / (1.1 + 1 + 1))


@pytest.mark.parametrize("loss", ["mse", "bce", "focal", "dice"])
def test_every_loss_keeps_to_what_is_known(loss: str) -> None:
    assert loss_of(certain(loss), (0.0, 0.0, 0.0, 0.0)) == 0
    maps = torch.rand(1, 1, 6, 6, requires_grad=True)
    known = torch.zeros(1, 1, 6, 6)
    known[0, 0, :3] = 1
    targets = (torch.rand(1, 1, 6, 6) > 0.5).float()
    head_losses(maps, targets, known, (certain(loss),)).sum().backward()
    assert maps.grad is not None
    assert not maps.grad[0, 0, 3:].any()
    assert maps.grad[0, 0, :3].all()


def test_a_wrong_certainty_can_still_be_unlearnt_in_mixed_precision() -> None:
    torch.manual_seed(0)
    network = DeepDistanceNet(NetworkRecipe(widths=(2,), dropout=0.0), (certain("bce"),))
    torch.nn.init.constant_(network.decoders[0].head.bias, 12.0)
    with torch.autocast("cpu", torch.bfloat16):
        maps = network(torch.randn(1, 1, 8, 8))
    nothing = torch.zeros_like(maps)
    head_losses(maps, nothing, torch.ones_like(maps), (certain("bce"),)).sum().backward()
    assert network.decoders[0].head.bias.grad.item() == pytest.approx(1.0, rel=0.05)
