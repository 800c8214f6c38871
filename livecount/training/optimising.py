"""On which device a run computes, in what precision, and how fast its weights follow the loss."""

from __future__ import annotations

import math

import torch
from torch import nn

from livecount.errors import TrainingError
from livecount.training.recipe import OptimiserRecipe, Recipe

__all__ = ["choose_device", "computes_bfloat16", "learning_rate", "open_optimiser"]


def choose_device(recipe: Recipe) -> torch.device:
    """Take the recipe's device, or a GPU where it leaves the choice and there is one.

    Raises
    ------
    TrainingError
        The recipe asks for a GPU and there is none.
    """
    wanted = recipe.run.device
    present = torch.cuda.is_available()
    if wanted == "cuda" and not present:
        raise TrainingError(
            "The recipe asks for a CUDA GPU and torch finds none",
            hint="Set run.device to 'auto' or 'cpu'",
        )
    return torch.device("cuda" if present and wanted != "cpu" else "cpu")


def computes_bfloat16(device: torch.device) -> bool:
    """Ask whether the device has instructions for it; a CPU without takes three times longer."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return any(present is True and "bf16" in name for name, present in capabilities.items())


def open_optimiser(network: nn.Module, recipe: OptimiserRecipe) -> torch.optim.Optimizer:
    """Make the recipe's optimiser for a network's weights."""
    if recipe.kind == "adadelta":
        # The defaults of Keras, with which the paper was trained.
        return torch.optim.Adadelta(
            network.parameters(),
            lr=recipe.learning_rate,
            rho=0.95,
            eps=1e-7,
            weight_decay=recipe.weight_decay,
        )
    return torch.optim.AdamW(
        network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )


def learning_rate(recipe: Recipe, step: int) -> float:
    """Compute the learning rate of a step, from 0."""
    optimiser, steps = recipe.optimiser, recipe.run.steps
    if step < optimiser.warm_up_steps:
        return optimiser.learning_rate * (step + 1) / optimiser.warm_up_steps
    if optimiser.schedule == "constant":
        return optimiser.learning_rate
    if optimiser.schedule == "trapezoid":
        return optimiser.learning_rate * min(1.0, (steps - step) / optimiser.decay_steps)
    done = (step - optimiser.warm_up_steps) / max(1, steps - optimiser.warm_up_steps)
    return optimiser.learning_rate * 0.5 * (1 + math.cos(math.pi * done))
