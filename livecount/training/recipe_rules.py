"""What a recipe cannot be, although every value is of the right type."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from livecount.errors import ConfigError
from livecount.training.targets import TARGET_NAMES

if TYPE_CHECKING:
    from livecount.training.recipe import HeadRecipe, ImagesRecipe, PaintingRecipe, Recipe

__all__ = ["check_recipe"]

_MOST_SEED: Final = 2**32 - 1
_OF_SHARES: Final = ("bce", "focal", "dice")
"""Losses of maps that are shares of certainty, between 0 and 1."""


def check_recipe(recipe: Recipe, path: str) -> None:
    """Refuse values that are of the right type and yet impossible.

    Raises
    ------
    ConfigError
        Names the key and says what may stand there.
    """
    for holds, where, hint in (
        *_network_rules(recipe),
        *_head_rules(recipe),
        *_run_rules(recipe),
        *_adaptation_rules(recipe),
        *_painting_rules(recipe.painting),
    ):
        if not holds:
            raise ConfigError(f"{path}: {where} cannot be used as given", hint=hint)


_Rule = tuple[bool, str, str]


def _network_rules(recipe: Recipe) -> Iterator[_Rule]:
    network, scale = recipe.network, recipe.scale
    widths = network.widths
    yield bool(widths), "network.widths", "Give the width of at least one level"
    yield all(width >= 1 for width in widths), "network.widths", "Give widths above 0"
    yield network.in_channels >= 1, "network.in_channels", "Give 1, or 3 to repeat grey as colour"
    yield 0 <= network.dropout < 1, "network.dropout", "Give a share from 0 to below 1"
    yield scale.cell_diameter_px > 0, "scale.cell_diameter_px", "Give a diameter above 0"
    detection = recipe.detection
    yield 0 <= detection.outer_full_at <= 1, "detection.outer_full_at", "Give a value from 0 to 1"
    outer = not detection.outer_full_at or "outer" in recipe.head_names
    yield outer, "detection.outer_full_at", "Give the network a head 'outer', or leave it out"
    yield detection.outer_sigma_px >= 0, "detection.outer_sigma_px", "Give 0 or more"
    yield scale.alpha > 0, "scale.alpha", "Give a steepness above 0"
    yield scale.click_radius_px > 0, "scale.click_radius_px", "Give a radius above 0"
    yield scale.sheet_reach_px >= 0, "scale.sheet_reach_px", "Give 0 or more"


def _head_rules(recipe: Recipe) -> Iterator[_Rule]:
    names, targets = recipe.head_names, recipe.targets
    yield bool(names), "heads", "Give at least one [[heads]] table"
    yield len(set(names)) == len(names), "heads", "Name every head once"
    plain = all(name.isidentifier() for name in names)
    yield plain, "heads.name", "Name heads in letters, digits and underscores"
    named = "Give a target out of " + ", ".join(TARGET_NAMES) + ", or such a name"
    yield set(targets) <= set(TARGET_NAMES), "heads.target", named
    counted = "inner" not in targets or "inner" in names
    yield counted, "heads.name", "Name the head 'inner' whose map cells are counted on"
    learnt = "inner" in targets or any(item.annotation == "masks" for item in recipe.images)
    yield learnt, "heads.target", "Give images with masks: clicks teach the inner map alone"
    for number, head in enumerate(recipe.heads):
        yield from _rules_of_head(head, names[:number])


def _rules_of_head(head: HeadRecipe, before: tuple[str, ...]) -> Iterator[_Rule]:
    honest = head.name not in TARGET_NAMES or head.target == head.name
    yield honest, "heads.name", f"Name the head otherwise: it draws '{head.target}'"
    listed = ", ".join(repr(name) for name in before) or "none"
    known = not head.reads or head.reads in before
    yield known, "heads.reads", f"Name a head that stands above '{head.name}' ({listed})"
    certain = head.loss not in _OF_SHARES or head.activation == "sigmoid"
    sigmoid = f"Give the head '{head.name}' activation = \"sigmoid\" for the loss '{head.loss}'"
    yield certain, "heads.loss", sigmoid
    weighed = head.emphasis == 0 or head.loss != "dice"
    yield weighed, "heads.emphasis", "Leave it out: dice weighs no single pixels"
    yield head.emphasis >= 0, "heads.emphasis", "Give 0 or more"
    yield head.loss_weight >= 0, "heads.loss_weight", "Give 0 or more"
    yield 0 < head.focal_alpha < 1, "heads.focal_alpha", "Give a share between 0 and 1"
    yield head.focal_gamma >= 0, "heads.focal_gamma", "Give 0 or more"
    yield 0 < head.begins_at < 1, "heads.begins_at", "Give a share between 0 and 1"


def _run_rules(recipe: Recipe) -> Iterator[_Rule]:
    run, varied, multiple = recipe.run, recipe.augmentation, recipe.multiple_px
    ranges = {
        "diameter_px": varied.diameter_px,
        "gamma": varied.gamma,
        "contrast": varied.contrast,
        "flattening_px": varied.flattening_px,
        "grey_levels": varied.grey_levels,
    }
    counts = (run.steps, run.batch, run.threads, run.checkpoint_every, run.validate_every)
    yield bool(recipe.images), "images", "Give at least one [[images]] table"
    yield all(item.share > 0 for item in recipe.images), "images.share", "Give shares above 0"
    for item in (*recipe.images, *recipe.validation, *recipe.held_out):
        yield from _rules_of_images(item)
    yield 0 <= run.seed <= _MOST_SEED, "run.seed", f"Give a number from 0 to {_MOST_SEED}"
    yield min(counts) >= 1, "run", "Give steps, batch, threads and intervals of at least 1"
    fits = run.crop_px > 0 and run.crop_px % multiple == 0
    yield fits, "run.crop_px", f"Give a multiple of {multiple}"
    yield varied.view_px >= run.crop_px, "augmentation.view_px", "Give at least run.crop_px"
    for name, (smallest, largest) in ranges.items():
        holds = 0 < smallest <= largest
        yield holds, f"augmentation.{name}", "Give two values above 0, the smaller first"
    yield varied.crops_per_view >= 1, "augmentation.crops_per_view", "Give 1 or more"
    for name in ("flattened", "recorded"):
        holds = 0 <= getattr(varied, name) <= 1
        yield holds, f"augmentation.{name}", "Give a share from 0 to 1"
    yield varied.aspect >= 1, "augmentation.aspect", "Give a ratio of at least 1"
    choices = run.h_choices
    holds = bool(choices) and all(0 < h < 1 for h in choices)
    yield holds, "run.h_choices", "Give values between 0 and 1"
    yield run.h_tolerance >= 0, "run.h_tolerance", "Give 0 or more percentage points"
    yield 0 <= run.h < 1, "run.h", "Give a value from 0 (choose it) to below 1"
    yield recipe.optimiser.decay_steps >= 1, "optimiser.decay_steps", "Give 1 or more"


def _rules_of_images(item: ImagesRecipe) -> Iterator[_Rule]:
    sized = item.cell_diameter_px is None or item.cell_diameter_px > 0
    yield sized, "images.cell_diameter_px", "Give a diameter above 0, or leave it out"
    both = item.leave_out is not None and item.only is not None
    yield not both, "images.only", "Give either leave_out or only"
    for name in ("leave_out", "only"):
        block, blocks = getattr(item, name) or (1, 2)
        holds = 1 <= block <= blocks and blocks >= 2
        yield holds, f"images.{name}", "Give the number of a block, from 1, and how many there are"


def _adaptation_rules(recipe: Recipe) -> Iterator[_Rule]:
    adaptation = recipe.adaptation
    for name in ("distillation", "interpolation"):
        holds = 0 <= getattr(adaptation, name) <= 1
        yield holds, f"adaptation.{name}", "Give a value from 0 to 1"
    for name in ("start_h", "most_forgotten"):
        yield getattr(adaptation, name) >= 0, f"adaptation.{name}", "Give 0 or more"
    views = 0 <= adaptation.imitated_views <= 8
    yield views, "adaptation.imitated_views", "Give 0 to 8: an image has eight orientations"
    smallest, largest = adaptation.imitated_scale
    scaled = 0.5 <= smallest <= largest <= 2
    yield scaled, "adaptation.imitated_scale", "Give two factors from 0.5 to 2, the smaller first"
    last = not adaptation.most_forgotten or recipe.run.keep == "last"
    yield last, "adaptation.most_forgotten", 'Set run.keep = "last": the way is chosen at the end'
    keeps = adaptation.interpolation < 1 or any(
        getattr(adaptation, name) > 0
        for name in ("distillation", "start_h", "most_forgotten", "imitated_views")
    )
    started = bool(recipe.run.start_from) or not keeps
    yield started, "adaptation", "Set run.start_from, the weights to keep something of"


def _painting_rules(painting: PaintingRecipe) -> Iterator[_Rule]:
    for name in ("coverage", "noise", "size_spread"):
        smallest, largest = getattr(painting, name)
        holds = 0 < smallest <= largest
        yield holds, f"painting.{name}", "Give two values above 0, the smaller first"
    yield 0 <= painting.smallest <= 1, "painting.smallest", "Give a ratio from 0 to 1"
    shares = ("empty", "webs", "debris", "arms", "colonies", "confluent", "phase_contrast")
    for name in shares:
        holds = 0 <= getattr(painting, name) <= 1
        yield holds, f"painting.{name}", "Give a share of frames from 0 to 1"
    yield painting.longest_aspect >= 1, "painting.longest_aspect", "Give a ratio of at least 1"
    yield painting.sharpest >= 1, "painting.sharpest", "Give a power of at least 1"
    yield painting.share >= 0, "painting.share", "Give 0 or a share above it"
    yield painting.frames >= 1, "painting.frames", "Give 1 or more"
