"""What a training run is made of, as a TOML file: network, maps, images, augmentation, optimiser.

Two runs of one recipe on one machine give the same weights. Folders are relative to a data root
that is given apart, so that a recipe holds on every machine.
"""

from __future__ import annotations

import dataclasses
import difflib
import tomllib
import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from livecount.errors import ConfigError
from livecount.normalisation import Normalisation

__all__ = [
    "Activation",
    "AnnotationKind",
    "AugmentationRecipe",
    "HeadRecipe",
    "ImagesRecipe",
    "NetworkRecipe",
    "Norm",
    "OptimiserRecipe",
    "PaintingRecipe",
    "Recipe",
    "RunRecipe",
    "ScaleRecipe",
    "read_recipe",
]

Activation = Literal["relu", "sigmoid", "linear"]
AnnotationKind = Literal["masks", "centres", "either"]
Norm = Literal["none", "batch"]

_TARGETS: Final = ("inner", "outer", "cell")
_PAPER_WIDTHS: Final = (64, 128, 256, 512, 1024)


@dataclass(frozen=True, slots=True)
class NetworkRecipe:
    """The shape of the network; the defaults are the paper's, on grey frames."""

    widths: tuple[int, ...] = _PAPER_WIDTHS
    in_channels: int = 1
    dropout: float = 0.2
    norm: Norm = "none"


@dataclass(frozen=True, slots=True)
class HeadRecipe:
    """One output map: its target (inner, outer or cell), activation and place in the loss."""

    name: str
    activation: Activation = "relu"
    loss_weight: float = 1.0
    emphasis: float = 0.0


@dataclass(frozen=True, slots=True)
class ScaleRecipe:
    """The scale at which the network sees cells, and the inner map's steepness there."""

    cell_diameter_px: float = 26.0
    alpha: float = 0.1
    click_radius_px: float = 13.0


@dataclass(frozen=True, slots=True)
class ImagesRecipe:
    """Annotated images: ``root/split/NAME.tif`` with masks or centre clicks beside them.

    ``annotation = "either"`` takes masks where an image has them and clicks where not. ``complete``
    says that every cell of an image is clicked, so that what lies far from all clicks is no cell.
    """

    root: str
    split: str = "train"
    annotation: AnnotationKind = "masks"
    complete: bool = False
    cell_diameter_px: float | None = None
    share: float = 1.0
    licence: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class AugmentationRecipe:
    """How crops are varied; everything is drawn anew for each view of an image.

    ``contrast`` is the range of a gain on the normalised image, ``blur_px`` and ``noise`` the
    largest Gaussian sigma, ``illumination`` the largest relative difference of light across a view,
    ``flattened`` is the share of views of which a Gaussian mean is taken away, of a sigma in
    ``flattening_px``: so do microscopes that show every dish on the same flat grey. ``blank`` is
    the share of crops that hold nothing but noise. ``polarity_inversion`` is the share of crops
    with dark and bright exchanged, before and from ``polarity_change_step``: a network that
    knows one polarity learns the other faster than both at once.
    """

    diameter_px: tuple[float, float] = (20.0, 34.0)
    aspect: float = 1.1
    rotation_deg: float = 20.0
    flips: bool = True
    gamma: tuple[float, float] = (0.7, 1.4)
    contrast: tuple[float, float] = (0.6, 1.6)
    brightness: float = 0.2
    noise: float = 0.15
    blur_px: float = 1.0
    illumination: float = 0.5
    flattened: float = 0.0
    flattening_px: tuple[float, float] = (2.5, 10.0)
    polarity_inversion: tuple[float, float] = (0.1, 0.1)
    polarity_change_step: int = 0
    blank: float = 0.02
    view_px: int = 512
    crops_per_view: int = 12


@dataclass(frozen=True, slots=True)
class PaintingRecipe:
    """Frames that the program paints itself, beside the real ones; see `training.painting`.

    ``share`` is their weight beside those of ``images``; 0 paints none. ``frames`` is how many are
    in use at a time. ``coverage`` is the range of cell area over frame area, ``noise`` that of the
    noise over the cells' contrast, ``empty`` the share of frames without a cell, ``coating`` the
    strongest texture of the dish, ``specks`` and ``lines`` how many there are per cell area and
    per frame. ``webs`` is the share of frames that a web of beaded neurites crosses, ``debris``
    that of frames strewn with debris of one kind, up to half a cell wide. ``size_spread`` is the
    range of the deviation of the logarithm of cell areas within a frame, ``longest_aspect`` the
    largest ratio of a cell's length to its width. ``arms`` is the share of frames whose cells have
    processes, ``colonies`` that of frames where they grow as islands.
    """

    share: float = 0.0
    frames: int = 24
    empty: float = 0.1
    coverage: tuple[float, float] = (0.01, 2.0)
    noise: tuple[float, float] = (0.03, 0.4)
    coating: float = 0.2
    specks: float = 0.3
    lines: float = 12.0
    webs: float = 0.0
    debris: float = 0.0
    size_spread: tuple[float, float] = (0.08, 0.35)
    longest_aspect: float = 5.0
    arms: float = 0.0
    colonies: float = 0.0


@dataclass(frozen=True, slots=True)
class OptimiserRecipe:
    """How weights follow the loss; the paper's is ``adadelta`` with its defaults.

    ``schedule`` rises over ``warm_up_steps``, then falls to zero as a half cosine, stays
    (``constant``), or stays and falls linearly over the last ``decay_steps`` (``trapezoid``).
    ``averaging`` is the decay of the exponential average of the weights that is kept in place of
    the last weights; 0 keeps no average.
    """

    kind: Literal["adamw", "adadelta"] = "adamw"
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    schedule: Literal["cosine", "trapezoid", "constant"] = "cosine"
    warm_up_steps: int = 200
    decay_steps: int = 1000
    gradient_clip: float = 1.0
    averaging: float = 0.0


@dataclass(frozen=True, slots=True)
class AdaptationRecipe:
    """How much of the weights that a run starts from is to stay.

    ``distillation`` is the weight of the maps that the starting weights draw, in place of the
    target where nothing is annotated and mixed with it on painted frames (Hinton et al. 2015; Li
    and Hoiem, "Learning without forgetting", 2017). ``frozen_norm`` keeps the running means of
    batch normalisation. ``interpolation`` is how far the kept weights go from the starting ones to
    the trained ones (Wortsman et al., "Robust fine-tuning of zero-shot models", 2022).
    """

    distillation: float = 0.0
    frozen_norm: bool = False
    interpolation: float = 1.0


@dataclass(frozen=True, slots=True)
class RunRecipe:
    """How long to train, on what, and which weights to keep.

    ``keep`` is which weights are exported: those of the lowest validation loss, of the highest
    validation f-score, or the last. ``patience`` counts validations without improvement before the
    run ends early; 0 never ends it. ``start_from`` is a file of weights of the same network, from
    which the run starts instead of from random ones (relative to the current folder). ``h``
    is the model's; 0 chooses it out of ``h_choices`` on training and validation images.
    """

    steps: int = 6000
    batch: int = 4
    crop_px: int = 256
    seed: int = 1
    threads: int = 2
    device: Literal["auto", "cpu", "cuda"] = "auto"
    mixed_precision: bool = True
    checkpoint_every: int = 500
    validate_every: int = 500
    keep: Literal["loss", "f_score", "last"] = "last"
    patience: int = 0
    start_from: str = ""
    h: float = 0.0
    h_choices: tuple[float, ...] = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5)


@dataclass(frozen=True, slots=True)
class Recipe:
    """A whole training run."""

    name: str
    version: str
    images: tuple[ImagesRecipe, ...]
    heads: tuple[HeadRecipe, ...]
    validation: tuple[ImagesRecipe, ...] = ()
    licence: str = ""
    non_commercial: bool = False
    parent: str = ""
    network: NetworkRecipe = field(default_factory=NetworkRecipe)
    scale: ScaleRecipe = field(default_factory=ScaleRecipe)
    normalisation: Normalisation = field(default_factory=Normalisation)
    augmentation: AugmentationRecipe = field(default_factory=AugmentationRecipe)
    painting: PaintingRecipe = field(default_factory=PaintingRecipe)
    adaptation: AdaptationRecipe = field(default_factory=AdaptationRecipe)
    optimiser: OptimiserRecipe = field(default_factory=OptimiserRecipe)
    run: RunRecipe = field(default_factory=RunRecipe)

    @property
    def head_names(self) -> tuple[str, ...]:
        """Names of the maps, in the order of the network's output."""
        return tuple(head.name for head in self.heads)

    @property
    def multiple_px(self) -> int:
        """What the sides of an image must be a multiple of, in pixels."""
        return 1 << max(0, len(self.network.widths) - 1)


def read_recipe(path: Path) -> Recipe:
    """Read and check a recipe.

    Parameters
    ----------
    path
        A TOML file.

    Raises
    ------
    ConfigError
        The file is not readable, a key is unknown (with the nearest valid one), a value is of the
        wrong type or out of range.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"The recipe {path} cannot be read ({error})", hint="Give the path of a TOML file"
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            f"The recipe {path} is not valid TOML: {error}", hint="Correct the named line"
        ) from error
    recipe: Recipe = _built(Recipe, table, str(path), "")
    _check(recipe, str(path))
    return recipe


def _built(kind: type[Any], table: dict[str, Any], path: str, where: str) -> Any:
    """Build a dataclass from a TOML table, refusing what it does not know."""
    known = {item.name: item for item in dataclasses.fields(kind)}
    types_of = typing.get_type_hints(kind)
    for key in table:
        if key not in known:
            raise ConfigError(
                f"{path}: the key '{where}{key}' is unknown", hint=_nearest(key, list(known))
            )
    for name, item in known.items():
        required = item.default is dataclasses.MISSING and (
            item.default_factory is dataclasses.MISSING
        )
        if required and name not in table:
            raise ConfigError(
                f"{path}: the key '{where}{name}' is missing", hint=f"Add {where}{name}"
            )
    values = {
        key: _converted(types_of[key], value, path, f"{where}{key}") for key, value in table.items()
    }
    try:
        return kind(**values)
    except ValueError as error:
        raise ConfigError(f"{path}: {where.rstrip('.')}: {error}", hint="Correct it") from error


def _nearest(key: str, valid: list[str]) -> str:
    close = difflib.get_close_matches(key, valid, n=1, cutoff=0.5)
    if close:
        return f"Did you mean '{close[0]}'?"
    return f"Valid keys are {', '.join(sorted(valid))}"


def _converted(expected: Any, value: Any, path: str, where: str) -> Any:
    """Check a TOML value against a field's type; lists become tuples, tables dataclasses."""
    origin, arguments = typing.get_origin(expected), typing.get_args(expected)
    if dataclasses.is_dataclass(expected) and isinstance(value, dict):
        return _built(typing.cast(type[Any], expected), value, path, f"{where}.")
    if origin is Literal:
        if value in arguments:
            return value
        choices = ", ".join(repr(choice) for choice in arguments)
        raise ConfigError(f"{path}: {where} is {value!r}", hint=f"Choose one of {choices}")
    if origin is types.UnionType:
        options = [option for option in arguments if option is not type(None)]
        return _converted(options[0], value, path, where)
    if origin is tuple and isinstance(value, list):
        if arguments[-1] is not Ellipsis and len(arguments) != len(value):
            raise ConfigError(
                f"{path}: {where} has {len(value)} values", hint=f"Give {len(arguments)} values"
            )
        return tuple(
            _converted(arguments[0], item, path, f"{where}[{index}]")
            for index, item in enumerate(value)
        )
    if expected is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(expected, type) and type(value) is expected:
        return value
    named = getattr(expected, "__name__", str(expected))
    raise ConfigError(f"{path}: {where} is {value!r}", hint=f"Give a value of type {named}")


def _check(recipe: Recipe, path: str) -> None:
    """Refuse values that are of the right type and yet impossible."""
    for holds, where, hint in (
        *_network_rules(recipe),
        *_run_rules(recipe),
        *_painting_rules(recipe.painting),
    ):
        if not holds:
            raise ConfigError(f"{path}: {where} cannot be used as given", hint=hint)


_Rule = tuple[bool, str, str]


def _network_rules(recipe: Recipe) -> Iterator[_Rule]:
    network, scale, names = recipe.network, recipe.scale, recipe.head_names
    widths = network.widths
    yield bool(names), "heads", "Give at least one [[heads]] table"
    yield len(set(names)) == len(names), "heads", "Name every head once"
    yield set(names) <= set(_TARGETS), "heads", f"Name heads out of {', '.join(_TARGETS)}"
    yield bool(widths), "network.widths", "Give the width of at least one level"
    yield all(width >= 1 for width in widths), "network.widths", "Give widths above 0"
    yield network.in_channels >= 1, "network.in_channels", "Give 1, or 3 to repeat grey as colour"
    yield 0 <= network.dropout < 1, "network.dropout", "Give a share from 0 to below 1"
    yield scale.cell_diameter_px > 0, "scale.cell_diameter_px", "Give a diameter above 0"
    yield scale.alpha > 0, "scale.alpha", "Give a steepness above 0"
    yield scale.click_radius_px > 0, "scale.click_radius_px", "Give a radius above 0"


def _run_rules(recipe: Recipe) -> Iterator[_Rule]:
    run, varied, multiple = recipe.run, recipe.augmentation, recipe.multiple_px
    ranges = {
        "diameter_px": varied.diameter_px,
        "gamma": varied.gamma,
        "contrast": varied.contrast,
        "flattening_px": varied.flattening_px,
    }
    counts = (run.steps, run.batch, run.threads, run.checkpoint_every, run.validate_every)
    yield bool(recipe.images), "images", "Give at least one [[images]] table"
    yield all(item.share > 0 for item in recipe.images), "images.share", "Give shares above 0"
    yield min(counts) >= 1, "run", "Give steps, batch, threads and intervals of at least 1"
    fits = run.crop_px > 0 and run.crop_px % multiple == 0
    yield fits, "run.crop_px", f"Give a multiple of {multiple}"
    yield varied.view_px >= run.crop_px, "augmentation.view_px", "Give at least run.crop_px"
    for name, (smallest, largest) in ranges.items():
        holds = 0 < smallest <= largest
        yield holds, f"augmentation.{name}", "Give two values above 0, the smaller first"
    yield varied.crops_per_view >= 1, "augmentation.crops_per_view", "Give 1 or more"
    yield 0 <= varied.flattened <= 1, "augmentation.flattened", "Give a share from 0 to 1"
    yield varied.aspect >= 1, "augmentation.aspect", "Give a ratio of at least 1"
    choices = run.h_choices
    holds = bool(choices) and all(0 < h < 1 for h in choices)
    yield holds, "run.h_choices", "Give values between 0 and 1"
    yield 0 <= run.h < 1, "run.h", "Give a value from 0 (choose it) to below 1"
    yield from _adaptation_rules(recipe)
    yield recipe.optimiser.decay_steps >= 1, "optimiser.decay_steps", "Give 1 or more"


def _adaptation_rules(recipe: Recipe) -> Iterator[_Rule]:
    adaptation = recipe.adaptation
    for name in ("distillation", "interpolation"):
        holds = 0 <= getattr(adaptation, name) <= 1
        yield holds, f"adaptation.{name}", "Give a value from 0 to 1"
    keeps = adaptation.distillation > 0 or adaptation.interpolation < 1
    started = bool(recipe.run.start_from) or not keeps
    yield started, "adaptation", "Set run.start_from, the weights to keep something of"


def _painting_rules(painting: PaintingRecipe) -> Iterator[_Rule]:
    for name in ("coverage", "noise", "size_spread"):
        smallest, largest = getattr(painting, name)
        holds = 0 < smallest <= largest
        yield holds, f"painting.{name}", "Give two values above 0, the smaller first"
    for name in ("empty", "webs", "debris", "arms", "colonies"):
        holds = 0 <= getattr(painting, name) <= 1
        yield holds, f"painting.{name}", "Give a share of frames from 0 to 1"
    yield painting.longest_aspect >= 1, "painting.longest_aspect", "Give a ratio of at least 1"
    yield painting.share >= 0, "painting.share", "Give 0 or a share above it"
    yield painting.frames >= 1, "painting.frames", "Give 1 or more"
