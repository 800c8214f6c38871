"""Every kind of network becomes a model that ONNX Runtime draws with; shipped weights fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra livecount[train]")

from livecount.errors import TrainingError  # noqa: E402
from livecount.inference import find_model, open_engine  # noqa: E402
from livecount.normalisation import normalise  # noqa: E402
from livecount.training.checkpoint import load_weights  # noqa: E402
from livecount.training.export import folded, verify_onnx, write_onnx  # noqa: E402
from livecount.training.network import DeepDistanceNet  # noqa: E402
from livecount.training.painting import paint_frame  # noqa: E402
from livecount.training.recipe import (  # noqa: E402
    HeadRecipe,
    ImagesRecipe,
    NetworkRecipe,
    PaintingRecipe,
    Recipe,
    read_recipe,
)

CASCADE = (HeadRecipe("cell", "sigmoid"), HeadRecipe("inner", reads="cell"))


@pytest.mark.parametrize(
    ("block", "norm"), [("plain", "none"), ("residual", "batch"), ("multiscale", "group")]
)
def test_onnx_draws_what_torch_draws(tmp_path: Path, block: str, norm: str) -> None:
    torch.manual_seed(0)
    shape = NetworkRecipe(widths=(3, 4), norm=norm, block=block)
    recipe = Recipe("m", "1", (ImagesRecipe("set"),), CASCADE, network=shape)
    network = folded(DeepDistanceNet(shape, CASCADE).eval())
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(parameter.half().float())
    path = tmp_path / "model.onnx"
    write_onnx(network, recipe, path)
    verify_onnx(network, recipe, path)
    with torch.no_grad():
        network.decoders[0].head.bias.add_(0.01)
    with pytest.raises(TrainingError, match="differ"):
        verify_onnx(network, recipe, path)


def test_the_shipped_weights_draw_what_the_shipped_model_draws() -> None:
    model = find_model("deepdistance")
    recipe = read_recipe(model.folder / "recipe.toml")
    network = DeepDistanceNet(recipe.network, recipe.heads)
    load_weights(network, model.folder / "weights.safetensors")
    network.eval()
    rng = np.random.default_rng(0)
    dish = PaintingRecipe(empty=0.0, coverage=(0.5, 0.6))
    image = normalise(paint_frame(128, (26.0, 26.5), dish, rng).pixels, recipe.normalisation)
    with torch.inference_mode():
        maps = network(torch.from_numpy(image)[None, None])[0].numpy()
    drawn = open_engine(model).infer(image)
    assert drawn.std() > 0.1
    # Folding before and after rounding to float16 differs by a rounding error.
    np.testing.assert_allclose(maps, drawn, atol=5e-3)
