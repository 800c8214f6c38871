"""A training run on disk: one file that is replaced as a whole, so that a kill at any time is safe.

``checkpoint.safetensors`` holds weights, averaged weights and optimiser state; its metadata holds
the rest as JSON, so that tensors and step cannot come apart. ``state.json`` is a copy to read.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from livecount.errors import TrainingError
from livecount.training.run_folder import CHECKPOINT_NAME, STATE_NAME, refuse_changed_images
from livecount.training.writing import write_whole

__all__ = [
    "RunState",
    "load_weights",
    "read_checkpoint",
    "save_weights",
    "write_checkpoint",
]


@dataclass(slots=True)
class RunState:
    """Where a run stands, besides its tensors.

    Attributes
    ----------
    recipe_hash
        SHA-256 of the recipe, so that a run is not resumed under another one.
    step
        Steps done.
    history
        One row per validation: step, losses, f-scores, seconds.
    images_hash
        SHA-256 of the annotated images, for the same reason; empty in runs before 2026-11-29.
    """

    recipe_hash: str
    step: int = 0
    best_score: float | None = None
    best_step: int | None = None
    without_improvement: int = 0
    seconds: float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)
    images_hash: str = ""


def write_checkpoint(
    folder: Path,
    state: RunState,
    network: nn.Module,
    averaged: dict[str, Tensor],
    optimiser: torch.optim.Optimizer,
) -> None:
    """Write everything that is needed to go on, then rename into place.

    Parameters
    ----------
    folder
        The run's folder.
    state, network, averaged, optimiser
        What to keep; ``averaged`` may be empty.
    """
    tensors = {f"network.{name}": value for name, value in network.state_dict().items()}
    tensors |= {f"averaged.{name}": value for name, value in averaged.items()}
    for index, values in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{index}.{name}": value for name, value in values.items()}
    document = json.dumps(asdict(state), indent=1)
    _save(tensors, folder / CHECKPOINT_NAME, {"state": document})
    write_whole(folder / STATE_NAME, document)


def read_checkpoint(
    folder: Path, begun: RunState, network: nn.Module, optimiser: torch.optim.Optimizer
) -> tuple[RunState, dict[str, Tensor]]:
    """Take up a run: fill the network and the optimiser.

    Parameters
    ----------
    folder
        The run's folder.
    begun
        A new run's state, with the hashes of the recipe and the images that are there now.
    network, optimiser
        Freshly built; changed in place.

    Returns
    -------
    tuple[RunState, dict[str, Tensor]]
        Where the run stands, and the averaged weights.

    Raises
    ------
    TrainingError
        The checkpoint is damaged, or of another recipe or other images.
    """
    path = folder / CHECKPOINT_NAME
    tensors, metadata = _open(path)
    state = RunState(**json.loads(metadata["state"]))
    _refuse_others(path, state, begun)
    state.images_hash = begun.images_hash
    network.load_state_dict(_part(tensors, "network."))
    moments: dict[int, dict[str, Tensor]] = {}
    for name, value in _part(tensors, "optimiser.").items():
        index, moment = name.split(".", 1)
        moments.setdefault(int(index), {})[moment] = value
    layout = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": moments, "param_groups": layout})
    return state, _part(tensors, "averaged.")


def _refuse_others(path: Path, state: RunState, begun: RunState) -> None:
    if state.recipe_hash != begun.recipe_hash:
        raise TrainingError(
            f"The checkpoint {path} was made with another recipe",
            hint="Resume with the recipe.toml of that folder, or train into a new folder",
        )
    refuse_changed_images(path.parent, state.images_hash, begun.images_hash)


def save_weights(weights: dict[str, Tensor], path: Path, metadata: dict[str, str]) -> None:
    """Write weights alone, atomically."""
    _save(weights, path, metadata)


def load_weights(network: nn.Module, path: Path) -> None:
    """Fill a network from a file of weights.

    Raises
    ------
    TrainingError
        The file is damaged, or the weights are of another architecture.
    """
    tensors, _ = _open(path)
    try:
        network.load_state_dict({name: value.float() for name, value in tensors.items()})
    except RuntimeError as error:
        raise TrainingError(
            f"The weights {path} are of another network than the recipe describes",
            hint="Use the recipe.toml that lies beside them",
        ) from error


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }


def _open(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, framework="pt") as opened:
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
            return tensors, dict(opened.metadata() or {})
    except (OSError, SafetensorError) as error:
        raise TrainingError(
            f"{path} cannot be read as safetensors ({error})",
            hint="Give the folder of a training run, or train anew",
        ) from error


def _save(tensors: dict[str, Tensor], path: Path, metadata: dict[str, str]) -> None:
    copies = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    write_whole(path, save(copies, metadata=metadata))
