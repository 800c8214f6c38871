"""What a training run is made of, as a TOML file: network, maps, images, augmentation, optimiser.

Two runs of one recipe on one machine give the same weights. Folders are relative to a data root
that is given apart, so that a recipe holds on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from livecount.normalisation import Normalisation
from livecount.training.recipe_reading import build, read_table
from livecount.training.recipe_rules import check_recipe
from livecount.weighing import OuterWeighing

__all__ = [
    "Activation",
    "AnnotationKind",
    "AugmentationRecipe",
    "Block",
    "DetectionRecipe",
    "HeadRecipe",
    "ImagesRecipe",
    "Loss",
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
Block = Literal["plain", "residual", "multiscale"]
Loss = Literal["mse", "bce", "focal", "dice"]
Norm = Literal["none", "batch", "group"]

_PAPER_WIDTHS: Final = (64, 128, 256, 512, 1024)


@dataclass(frozen=True, slots=True)
class NetworkRecipe:
    """The shape of the network; the defaults are the paper's, on grey frames.

    ``block`` is what every level of encoder and decoders consists of: two 3 x 3 convolutions
    (``plain``), these with a shortcut around them (``residual``), or the sum of double convolutions
    of 1 x 1, 3 x 3 and 5 x 5 (``multiscale``). ``norm`` follows each convolution; ``group`` takes
    all channels as one group and a whole image at a time, so that such a network cannot be tiled.
    """

    widths: tuple[int, ...] = _PAPER_WIDTHS
    in_channels: int = 1
    dropout: float = 0.2
    norm: Norm = "none"
    block: Block = "plain"


@dataclass(frozen=True, slots=True)
class HeadRecipe:
    """One output map: what it draws, from what, and its place in the loss.

    ``target`` is inner, outer, cell or boundary; without it, the head's name. ``reads`` names the
    head before it whose map it is drawn from, by a network of its own; without it, the image.
    ``emphasis`` weighs bright targets more. ``focal_alpha`` is the weight of what is to be drawn
    against what is not, ``focal_gamma`` how much less what is drawn well already weighs.
    ``begins_at`` is what a sigmoid draws everywhere before it has learnt (Lin et al., ICCV 2017):
    best the share of pixels that it is to draw, or else the first steps may take it to 0 as a
    whole, where the squared error hardly moves it any more.
    """

    name: str
    activation: Activation = "relu"
    loss_weight: float = 1.0
    emphasis: float = 0.0
    target: str = ""
    loss: Loss = "mse"
    reads: str = ""
    focal_alpha: float = 0.25
    focal_gamma: float = 2.0
    begins_at: float = 0.5

    def __post_init__(self) -> None:
        if not self.target:
            object.__setattr__(self, "target", self.name)


@dataclass(frozen=True, slots=True)
class ScaleRecipe:
    """The scale at which the network sees cells, and the inner map's steepness there.

    Of images with clicks only, the inner map is known up to ``click_radius_px`` from a click, and,
    with ``sheet_reach_px``, where a circle of that radius between three clicks holds no other: in a
    dense sheet no cell fits there (:mod:`livecount.training.sheets`). 0 leaves such gaps unknown.
    """

    cell_diameter_px: float = 26.0
    alpha: float = 0.1
    click_radius_px: float = 13.0
    sheet_reach_px: float = 0.0


@dataclass(frozen=True, slots=True)
class DetectionRecipe:
    """How cells are found on the maps; part of the model, and h is chosen with it.

    ``outer_full_at`` is from which value of the outer map, smoothed by a Gaussian of
    ``outer_sigma_px``, the inner map counts in full (:mod:`livecount.weighing`); 0, as in the
    paper: peaks are those of the inner map alone.
    """

    outer_full_at: float = 0.0
    outer_sigma_px: float = 2.0

    @property
    def weighing(self) -> OuterWeighing | None:
        """What detection and the model's card take it as."""
        if not self.outer_full_at:
            return None
        return OuterWeighing(self.outer_full_at, self.outer_sigma_px)


@dataclass(frozen=True, slots=True)
class ImagesRecipe:
    """Annotated images: ``root/split/NAME.tif`` with masks or centre clicks beside them.

    ``annotation = "either"`` takes masks where an image has them and clicks where not. ``complete``
    says that every cell of an image is clicked, so that what lies far from all clicks is no cell.
    ``leave_out = [2, 5]`` takes all but the second of five contiguous blocks of frames, ``only``
    takes that block alone.
    """

    root: str
    split: str = "train"
    annotation: AnnotationKind = "masks"
    complete: bool = False
    cell_diameter_px: float | None = None
    share: float = 1.0
    licence: str = ""
    source: str = ""
    leave_out: tuple[int, int] | None = None
    only: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class AugmentationRecipe:
    """How crops are varied; everything is drawn anew for each view of an image.

    ``contrast`` is the range of a gain on the normalised image, ``blur_px`` and ``noise`` the
    largest Gaussian sigma, ``illumination`` the largest relative difference of light across a view.
    ``recorded`` is the share of views that go through a file on the way: with so many
    ``grey_levels``, half of them as JPEG. ``flattened`` is the share of views of which a Gaussian
    mean is taken away, of a sigma in ``flattening_px``: so do microscopes that show every dish on
    the same flat grey. ``blank`` is the share of crops that hold nothing but noise.
    ``polarity_inversion`` is the share of crops with dark and bright exchanged, before and from
    ``polarity_change_step``: a network that knows one polarity learns the other faster than both at
    once.
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
    recorded: float = 0.0
    grey_levels: tuple[float, float] = (40.0, 255.0)
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
    range of the deviation of the logarithm of cell areas within a frame, ``smallest`` the least
    area over that of the frame's typical cell, ``longest_aspect`` the largest ratio of a cell's
    length to its width. ``arms`` is the share of frames whose cells have
    processes, ``colonies`` that of frames where they grow as islands, ``confluent`` the share of
    these where cells press against each other. ``sharpest`` is up to which power outlines are
    raised, so that cells become triangles and stars; 1 leaves them round. ``phase_contrast`` is
    the share of frames that are photographed by Zernike's formula.
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
    smallest: float = 0.0
    longest_aspect: float = 5.0
    arms: float = 0.0
    colonies: float = 0.0
    confluent: float = 0.0
    sharpest: float = 1.0
    phase_contrast: float = 0.0


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
    ``start_h``, above 0, is the h that is expected: h is then the one with which the starting
    weights count as many cells as are marked in the images, and this one where none is. What has
    learnt from few images draws them too well to choose by. ``most_forgotten``, above 0, is how
    many points of the f-score on painted frames the kept weights may lose: ``interpolation`` is
    shortened until they do not.
    ``imitated_views``, above 0, replaces every target: it is then what the starting weights draw of
    the crop without added noise, in the mean of so many of its eight orientations, each scaled
    within ``imitated_scale``. No annotation is learnt from (Radosavovic et al., "Data
    distillation", CVPR 2018).
    """

    distillation: float = 0.0
    frozen_norm: bool = False
    interpolation: float = 1.0
    start_h: float = 0.0
    most_forgotten: float = 0.0
    imitated_views: int = 0
    imitated_scale: tuple[float, float] = (1.0, 1.0)


@dataclass(frozen=True, slots=True)
class RunRecipe:
    """How long to train, on what, and which weights to keep.

    ``keep`` is which weights are exported: those of the lowest validation loss, of the highest
    validation f-score, or the last. ``patience`` counts validations without improvement before the
    run ends early; 0 never ends it. ``start_from`` is a file of weights of the same network, from
    which the run starts instead of from random ones (relative to the current folder). ``h``
    is the model's; 0 chooses it out of ``h_choices`` on training and validation images: the lowest
    whose mean f-score lies at most ``h_tolerance`` points below the best one's. Peaks are lower on
    lines that were never seen, so that what costs little on seen ones is worth much there.
    ``mixed_precision`` computes in bfloat16 where the device has instructions for it.
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
    h_tolerance: float = 0.0


@dataclass(frozen=True, slots=True)
class Recipe:
    """A whole training run.

    Weights and h are chosen on ``validation`` (and h on ``images`` too); ``held_out`` chooses
    nothing and is scored once, at the end.
    """

    name: str
    version: str
    images: tuple[ImagesRecipe, ...]
    heads: tuple[HeadRecipe, ...]
    validation: tuple[ImagesRecipe, ...] = ()
    held_out: tuple[ImagesRecipe, ...] = ()
    licence: str = ""
    non_commercial: bool = False
    parent: str = ""
    network: NetworkRecipe = field(default_factory=NetworkRecipe)
    scale: ScaleRecipe = field(default_factory=ScaleRecipe)
    normalisation: Normalisation = field(default_factory=Normalisation)
    detection: DetectionRecipe = field(default_factory=DetectionRecipe)
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
    def targets(self) -> tuple[str, ...]:
        """What the maps draw, in the order of the network's output."""
        return tuple(head.target for head in self.heads)

    @property
    def multiple_px(self) -> int:
        """What the sides of an image must be a multiple of, in pixels."""
        return 1 << max(0, len(self.network.widths) - 1)


def read_recipe(path: Path) -> Recipe:
    """Read and check a recipe.

    Parameters
    ----------
    path
        A TOML file; its key ``extends`` may name another one (see ``recipe_reading``).

    Raises
    ------
    ConfigError
        The file is not readable, a key is unknown (with the nearest valid one), a value is of the
        wrong type or out of range.
    """
    recipe: Recipe = build(Recipe, read_table(path), str(path), "")
    check_recipe(recipe, str(path))
    return recipe
