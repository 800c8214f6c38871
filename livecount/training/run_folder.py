"""What a training run leaves in its folder, and whether it is finished."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from livecount.training.recipe_reading import complete_text

__all__ = ["RECIPE_NAME", "RESULT_NAME", "WEIGHTS_NAME", "is_finished"]

RECIPE_NAME: Final = "recipe.toml"
RESULT_NAME: Final = "result.json"
WEIGHTS_NAME: Final = "weights.safetensors"


def is_finished(recipe_path: Path, out: Path) -> bool:
    """Say whether a folder holds the finished run of this very recipe.

    Raises
    ------
    ConfigError
        The recipe cannot be read.
    """
    kept = out / RECIPE_NAME
    if not (out / RESULT_NAME).is_file() or not kept.is_file():
        return False
    return kept.read_text(encoding="utf-8") == complete_text(recipe_path)
