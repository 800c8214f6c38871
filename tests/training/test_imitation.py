"""Learning what a network draws in the mean of several views of an image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from livecount.errors import ConfigError
from livecount.training import train
from livecount.training.checkpoint import load_weights
from livecount.training.imitation import mean_of_views
from livecount.training.network import DeepDistanceNet
from livecount.training.recipe import read_recipe

SCALED = [(1.0, 1.0), (0.75, 1.25)]


class Doubling(nn.Module):
    """Draws every pixel twice as bright, however it is turned."""

    def forward(self, image: Tensor) -> Tensor:
        return torch.cat([image, 2 * image], dim=1)


def ramp() -> Tensor:
    """A smooth picture without any symmetry."""
    y, x = np.mgrid[:32, :32] / 32
    return torch.from_numpy((y + 0.3 * x * x)[None, None].astype(np.float32))


def lopsided() -> nn.Module:
    """A network that draws another map of an image that is turned."""
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.ReLU()).eval()


@pytest.mark.parametrize("views", range(1, 9))
@pytest.mark.parametrize("scale", SCALED)
def test_views_lie_on_each_other(views: int, scale: tuple[float, float]) -> None:
    torch.manual_seed(views)
    picture = ramp()
    found = mean_of_views(Doubling(), picture, views=views, scale=scale, multiple_px=8)
    off = (found - Doubling()(picture)).abs().max()
    # Scaling back and forth flattens the ramp at its ends, by less than two pixels' steps.
    assert off < (1e-6 if scale == (1.0, 1.0) else 0.07)


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("mirrored", [False, True])
def test_the_mean_of_all_eight_turns_with_the_image(turns: int, mirrored: bool) -> None:
    def oriented(images: Tensor) -> Tensor:
        turned = torch.rot90(images, turns, (-2, -1))
        return turned.flip(-1) if mirrored else turned

    def drawn(images: Tensor) -> Tensor:
        return mean_of_views(lopsided(), images, views=8, scale=(1.0, 1.0), multiple_px=8)

    torch.testing.assert_close(drawn(oriented(ramp())), oriented(drawn(ramp())))
    if turns or mirrored:
        one = lopsided()
        assert not torch.allclose(one(oriented(ramp())), oriented(one(ramp())), atol=1e-3)


def test_views_are_drawn_by_the_random_state_alone() -> None:
    def drawn() -> Tensor:
        torch.manual_seed(7)
        return mean_of_views(lopsided(), ramp(), views=2, scale=(0.7, 1.4), multiple_px=8)

    assert torch.equal(drawn(), drawn())


def test_what_imitates_the_mean_draws_turned_images_more_alike(
    tmp_path: Path, tiny_data: Path, tiny_recipe_text: str, undisturbed: Path
) -> None:
    started = undisturbed / "weights.safetensors"
    text = tiny_recipe_text.replace("steps = 8", f'steps = 60\nstart_from = "{started.as_posix()}"')
    text += "\n[adaptation]\nfrozen_norm = true\nimitated_views = 4\n"
    recipe = tmp_path / "imitating.toml"
    recipe.write_text(text, encoding="utf-8")
    train(recipe, tmp_path / "run", data_root=tiny_data)
    before, after = (
        unlikeness(recipe, path) for path in (started, tmp_path / "run" / started.name)
    )
    assert after < 0.7 * before


def unlikeness(recipe: Path, weights: Path) -> float:
    """How far the map of a turned image lies from the turned map, on noise; relative."""
    described = read_recipe(recipe)
    network = DeepDistanceNet(described.network, described.heads).eval()
    load_weights(network, weights)
    images = torch.randn(4, 1, 64, 64, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        maps = network(images)
        turned = torch.rot90(network(torch.rot90(images, 1, (-2, -1))), -1, (-2, -1))
    return float((maps - turned).abs().mean() / maps.abs().mean())


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("imitated_views = 9", "adaptation.imitated_views"),
        ("imitated_scale = [1.2, 0.8]", "adaptation.imitated_scale"),
        ("imitated_scale = [0.1, 1.0]", "adaptation.imitated_scale"),
        ("imitated_views = 4", "Set run.start_from"),
    ],
)
def test_what_cannot_be_imitated_is_refused(
    tmp_path: Path, tiny_recipe_text: str, line: str, named: str
) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(f"{tiny_recipe_text}\n[adaptation]\n{line}\n", encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        read_recipe(path)
    assert named in f"{refused.value} {refused.value.hint}"
