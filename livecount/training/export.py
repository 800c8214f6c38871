"""From a training run to a model that livecount counts with: ONNX, card, weights, recipe."""

from __future__ import annotations

import copy
import hashlib
import json
import logging
import shutil
import warnings
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from livecount.errors import TrainingError
from livecount.learnt import hashes_of_parents, listed_hashes
from livecount.training.card import to_toml
from livecount.training.checkpoint import load_weights, save_weights
from livecount.training.golden_tiles import paint_golden_tiles
from livecount.training.network import (
    DeepDistanceNet,
    count_parameters,
    halo_px,
    memory_bytes_per_px,
)
from livecount.training.recipe import Recipe, read_recipe
from livecount.training.run_folder import RECIPE_NAME, RESULT_NAME, WEIGHTS_NAME
from livecount.training.writing import saying_what_disk_refuses, write_whole

__all__ = ["export", "folded", "verify_onnx", "write_onnx"]

CARD_NAME: Final = "model.toml"
ONNX_NAME: Final = "model.onnx"
_TOLERANCE: Final = 1e-4
_OPSET: Final = 18
_HALF_FROM_NUMBERS: Final = 16
"""Constants smaller than this stay float32: shapes and scales, not weights."""


def export(run_folder: Path, target_folder: Path) -> Path:
    """Turn a finished training run into a model folder.

    Parameters
    ----------
    run_folder
        What :func:`livecount.training.fit.fit` left.
    target_folder
        Receives ``model.onnx``, ``model.toml``, ``golden.npz``, ``weights.safetensors`` and
        ``recipe.toml``.

    Returns
    -------
    Path
        The card, ``target_folder/model.toml``.

    Raises
    ------
    TrainingError
        The run is not finished or damaged, ONNX Runtime draws other maps than torch, or the disk
        refuses something. An earlier model in ``target_folder`` is then still there.
    """
    recipe_path = run_folder / RECIPE_NAME
    recipe = read_recipe(recipe_path)
    result = _read_result(run_folder)
    network = DeepDistanceNet(recipe.network, recipe.heads)
    load_weights(network, run_folder / WEIGHTS_NAME)
    network.eval()
    target = target_folder.resolve()
    unfinished = target.with_name(target.name + ".part")
    with saying_what_disk_refuses(target_folder):
        shutil.rmtree(unfinished, ignore_errors=True)
        try:
            unfinished.mkdir(parents=True)
            write_whole(unfinished / RECIPE_NAME, recipe_path.read_bytes())
            _write_model(network, recipe, result, unfinished)
            _put_in_place(unfinished, target)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return target_folder / CARD_NAME


def _write_model(
    network: DeepDistanceNet, recipe: Recipe, result: dict[str, Any], folder: Path
) -> None:
    bare = _rounded(folded(network))
    onnx_path = folder / ONNX_NAME
    write_onnx(bare, recipe, onnx_path)
    verify_onnx(bare, recipe, onnx_path)
    save_weights(_halved(network), folder / WEIGHTS_NAME, {"recipe": RECIPE_NAME})
    card = _card(recipe, result, bare, hashlib.sha256(onnx_path.read_bytes()).hexdigest())
    write_whole(folder / CARD_NAME, to_toml(card, _CARD_COMMENT))
    paint_golden_tiles(folder)


def _put_in_place(unfinished: Path, target: Path) -> None:
    """Give a complete model its name; what else lies in an earlier folder stays there."""
    if not target.exists():
        unfinished.rename(target)
        return
    # Without its card a folder is no model: a kill from here on leaves none, never half of two.
    (target / CARD_NAME).unlink(missing_ok=True)
    for path in sorted(unfinished.iterdir(), key=lambda path: path.name == CARD_NAME):
        path.replace(target / path.name)


_CARD_COMMENT: Final = """\
What this model is, what it learned from, and how well it counts.
Written by `livecount train`; the table `scores` is added by benchmarks/accuracy.py."""


def _read_result(run_folder: Path) -> dict[str, Any]:
    path = run_folder / RESULT_NAME
    try:
        result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TrainingError(
            f"The run in {run_folder} is not finished ({RESULT_NAME} cannot be read)",
            hint="Go on with it: livecount train RECIPE -o FOLDER --resume",
        ) from error
    return result


def _card(
    recipe: Recipe, result: dict[str, Any], network: nn.Module, onnx_sha256: str
) -> dict[str, Any]:
    return {
        "name": recipe.name,
        "version": recipe.version,
        "created": datetime.now(UTC).date(),
        "heads": list(recipe.head_names),
        "alpha": recipe.scale.alpha,
        "h": result["h"],
        "cell_diameter_px": recipe.scale.cell_diameter_px,
        "multiple_px": recipe.multiple_px,
        "halo_px": halo_px(recipe.network, recipe.heads),
        "memory_bytes_per_px": memory_bytes_per_px(recipe.network),
        "onnx_sha256": onnx_sha256,
        "parameters": count_parameters(network),
        "licence": recipe.licence,
        "non_commercial": recipe.non_commercial,
        "recipe": RECIPE_NAME,
        "parent": recipe.parent or None,
        "normalisation": {
            "kind": recipe.normalisation.kind,
            "sigma_px": recipe.normalisation.sigma_px,
            "floor": recipe.normalisation.floor,
        },
        "detection": _detection(recipe),
        "training": {
            **{key: result[key] for key in ("steps", "seconds", "device", "torch")},
            # Runs before 2026-11-28 did not say.
            "precision": result.get("precision"),
            "share_of_the_way": result.get("share_of_the_way"),
            "painted_share": round(_painted_share(recipe), 3),
            "content_hashes_of_parents": hashes_of_parents(recipe.run.start_from),
        },
        "validation": result.get("validation"),
        "training_data": [
            {
                "name": f"{Path(entry.root).name}/{entry.split}".rstrip("/"),
                "licence": entry.licence,
                "source": entry.source,
                "annotation": entry.annotation,
                "frames": frames,
                "content_hashes": hashes,
            }
            for entry, frames, hashes in zip(
                recipe.images,
                result["frames"],
                listed_hashes(result.get("content_hashes"), result["frames"]),
                strict=True,
            )
        ],
    }


def _detection(recipe: Recipe) -> dict[str, float] | None:
    return asdict(recipe.detection) if recipe.detection.weighing else None


def _painted_share(recipe: Recipe) -> float:
    """Share of the crops that were cut from painted frames."""
    painted = recipe.painting.share
    return painted / (painted + sum(entry.share for entry in recipe.images))


def folded(network: DeepDistanceNet) -> DeepDistanceNet:
    """Fold batch normalisation into the convolutions before it; the maps stay the same.

    Parameters
    ----------
    network
        In evaluation mode; not changed.
    """
    result = copy.deepcopy(network)
    for module in result.modules():
        for name, child in module.named_children():
            if isinstance(child, nn.Sequential) and len(child) == 2:
                convolution, norm = child[0], child[1]
                if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                    setattr(module, name, nn.Sequential(_folded_pair(convolution, norm)))
    return result


def _folded_pair(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> nn.Conv2d:
    mean, variance = norm.running_mean, norm.running_var
    if mean is None or variance is None:
        raise TrainingError(
            "A batch normalisation without running statistics cannot be folded",
            hint="Train with the networks of livecount.training",
        )
    scale = norm.weight / torch.sqrt(variance + norm.eps)
    shift = norm.bias - mean * scale
    if convolution.bias is not None:
        shift = shift + convolution.bias * scale
    result = nn.Conv2d(
        convolution.in_channels,
        convolution.out_channels,
        convolution.kernel_size[0],
        padding=convolution.kernel_size[0] // 2,
    )
    with torch.no_grad():
        result.weight.copy_(convolution.weight * scale[:, None, None, None])
        assert result.bias is not None
        result.bias.copy_(shift)
    return result.eval()


def _rounded(network: DeepDistanceNet) -> DeepDistanceNet:
    """Round every weight to what float16 can hold, so that storing it so changes nothing."""
    with torch.no_grad():
        for parameter in network.parameters():
            half = parameter.to(torch.float16)
            if not bool(half.isfinite().all()):
                raise TrainingError(
                    "A weight is too large for float16, in which models are stored",
                    hint="Train with a lower learning rate or more weight decay",
                )
            parameter.copy_(half.float())
    return network


def _halved(network: nn.Module) -> dict[str, Tensor]:
    return {
        name: value.to(torch.float16) if value.dtype.is_floating_point else value
        for name, value in network.state_dict().items()
    }


def write_onnx(network: DeepDistanceNet, recipe: Recipe, path: Path) -> None:
    """Write a network as ONNX: ``image`` (1, 1, y, x) to ``maps`` (1, heads, y, x), float32.

    Weights are stored as float16 and cast when the model is loaded; all arithmetic is float32.

    Parameters
    ----------
    network
        Folded, in evaluation mode.
    recipe
        Gives the multiple that y and x must be of.
    path
        Of the file.
    """
    multiple = recipe.multiple_px
    example = torch.zeros(1, 1, 4 * multiple, 6 * multiple)
    sides = {2: torch.export.Dim("h", min=1, max=4096), 3: torch.export.Dim("w", min=1, max=4096)}
    dynamic = {axis: multiple * side if multiple > 1 else side for axis, side in sides.items()}
    exporter = logging.getLogger("torch.onnx")
    level = exporter.level
    exporter.setLevel(logging.ERROR)
    # The exporter warns of its own internals, about which a user can do nothing.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            network,
            (example,),
            dynamo=True,
            opset_version=_OPSET,
            input_names=["image"],
            output_names=["maps"],
            dynamic_shapes=({**dynamic},),
            external_data=False,
            verbose=False,
        )
    exporter.setLevel(level)
    if program is None:
        raise TrainingError("torch did not export the network", hint="Install torch 2.6 or newer")
    model = program.model_proto
    _strip(model)
    _store_as_half(model.graph)
    onnx.checker.check_model(model, full_check=True)
    write_whole(path, model.SerializeToString(deterministic=True))


def _strip(model: onnx.ModelProto) -> None:
    """Remove what names the machine that exported (stack traces, paths), and intermediate shapes.

    Shapes of intermediate values are recomputed by every runtime from the input's.
    """
    del model.metadata_props[:]
    model.doc_string = ""
    model.producer_name, model.producer_version = "livecount", ""
    graph = model.graph
    graph.name, graph.doc_string = "deepdistance", ""
    del graph.metadata_props[:]
    del graph.value_info[:]
    for item in (*graph.node, *graph.input, *graph.output, *graph.initializer):
        del item.metadata_props[:]
        item.doc_string = ""


def _store_as_half(graph: onnx.GraphProto) -> None:
    casts: list[onnx.NodeProto] = []
    for initialiser in graph.initializer:
        values = numpy_helper.to_array(initialiser)
        if values.dtype != np.float32 or values.size < _HALF_FROM_NUMBERS:
            continue
        name = initialiser.name
        stored = numpy_helper.from_array(values.astype(np.float16), f"{name}.half")
        initialiser.CopyFrom(stored)
        casts.append(
            helper.make_node("Cast", [f"{name}.half"], [name], f"{name}.cast", to=TensorProto.FLOAT)
        )
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


def verify_onnx(network: DeepDistanceNet, recipe: Recipe, path: Path) -> None:
    """Refuse a model whose maps differ from torch's, at two sizes."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = recipe.run.threads
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    for rows, columns in ((3, 5), (6, 4)):
        shape = (1, 1, rows * recipe.multiple_px, columns * recipe.multiple_px)
        image = rng.standard_normal(shape, np.float32)
        with torch.inference_mode():
            expected = network(torch.from_numpy(image)).numpy()
        drawn = session.run(["maps"], {"image": image})[0]
        error = float(np.abs(drawn - expected).max())
        if not error <= _TOLERANCE:
            raise TrainingError(
                f"{path}: ONNX Runtime's maps differ from torch's by {error:.2g}",
                hint="Report this with the versions of torch, onnx and onnxruntime",
            )
