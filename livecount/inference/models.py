"""Shipped and user-made models: a folder with ``model.onnx`` and its card ``model.toml``."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import platformdirs

from livecount.errors import ModelError
from livecount.learnt import read_learnt_hashes
from livecount.normalisation import Normalisation
from livecount.uncertainty import Calibration
from livecount.weighing import OuterWeighing

__all__ = ["Model", "find_model", "list_models", "read_model"]

CARD_NAME = "model.toml"
ONNX_NAME = "model.onnx"
CALIBRATION_TABLE = "count_uncertainty"
"""The card's table that :class:`livecount.uncertainty.Calibration` is read from."""
DETECTION_TABLE = "detection"
"""The card's table that :class:`livecount.weighing.OuterWeighing` is read from."""
_FLOOR_UNSAID = 0.3
"""Cards without a floor are from before it could be set; their networks learnt with this one."""
_BYTES_PER_PX = 1200
_REQUIRED = (
    "name",
    "version",
    "heads",
    "alpha",
    "h",
    "cell_diameter_px",
    "normalisation",
    "onnx_sha256",
)


@dataclass(frozen=True, slots=True)
class Model:
    """A DeepDistance network and what must be known to use it.

    Attributes
    ----------
    heads
        Names of the output maps in order; ``inner`` is always among them.
    alpha
        Decay of the inner distance map, 1/px at the model's scale (paper, Eqn 1).
    h
        The model's own threshold on prominence, chosen on training and validation images.
    cell_diameter_px
        The cell diameter to which frames are scaled before inference.
    multiple_px
        Input height and width must be multiples of this.
    halo_px
        Receptive-field radius rounded up to ``multiple_px``.
    memory_bytes_per_px
        Working memory per input pixel that inference is taken to need, on the high side: the
        shipped model took 490 of its 1200 with ONNX Runtime in fp32 (1024 x 1024 pixels and more).
    card
        The whole card as read.
    calibration
        How often a peak is a cell; None where nobody has measured it.
    weighing
        How the outer map weighs the inner one before peaks are found; None: not at all.
    """

    name: str
    version: str
    folder: Path
    heads: tuple[str, ...]
    alpha: float
    h: float
    cell_diameter_px: float
    multiple_px: int
    halo_px: int
    normalisation: Normalisation
    onnx_sha256: str
    memory_bytes_per_px: int
    card: Mapping[str, Any]
    calibration: Calibration | None = None
    weighing: OuterWeighing | None = None

    @property
    def onnx_path(self) -> Path:
        """The network itself."""
        return self.folder / ONNX_NAME

    @property
    def learnt_hashes(self) -> frozenset[str]:
        """Content hashes of the frames that it learnt from; empty where its card lists none."""
        return read_learnt_hashes(self.card)

    @property
    def inner_index(self) -> int:
        """Position of the inner distance map among the output maps."""
        return self.heads.index("inner")

    def checked_onnx(self) -> bytes:
        """Read the network and prove that it is the one the card speaks of.

        Raises
        ------
        ModelError
            The file is missing, its SHA-256 differs from the card's, or it names other files to
            take weights from: those no hash vouches for, and a runtime would read any path.
        """
        try:
            content = self.onnx_path.read_bytes()
        except OSError as error:
            raise ModelError(
                f"The network {self.onnx_path} of model {self.name!r} cannot be read: {error}",
                hint="Install the model again",
            ) from error
        if hashlib.sha256(content).hexdigest() != self.onnx_sha256:
            raise ModelError(
                f"{self.onnx_path} is not the network that its card {CARD_NAME} describes "
                "(SHA-256 differs)",
                hint="Install the model again, or write a new card for a changed network",
            )
        # The key under which ONNX names a file of external data, whatever the encoding around it.
        if b"location" in content:
            raise ModelError(
                f"{self.onnx_path} keeps weights in other files",
                hint="Save the network as one file, without external data",
            )
        return content


def read_model(folder: Path) -> Model:
    """Read a model's card.

    Raises
    ------
    ModelError
        The card is missing, not TOML, or lacks a key.
    """
    card_path = folder / CARD_NAME
    try:
        card = tomllib.loads(card_path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(
            f"No model card {card_path}: {error}", hint="`livecount doctor` lists the models found"
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise ModelError(
            f"The model card {card_path} is not TOML: {error}", hint="Mend or reinstall the model"
        ) from error
    missing = [key for key in _REQUIRED if key not in card]
    if missing or "inner" not in card.get("heads", ()):
        raise ModelError(
            f"The model card {card_path} lacks {', '.join(missing) or 'the head `inner`'}",
            hint="Export the model again with `livecount train`",
        )
    return _model_from_card(folder, card)


def _model_from_card(folder: Path, card: Mapping[str, Any]) -> Model:
    calibration, detection = card.get(CALIBRATION_TABLE), card.get(DETECTION_TABLE)
    try:
        return Model(
            name=str(card["name"]),
            version=str(card["version"]),
            folder=folder,
            heads=tuple(card["heads"]),
            alpha=float(card["alpha"]),
            h=float(card["h"]),
            cell_diameter_px=float(card["cell_diameter_px"]),
            multiple_px=int(card.get("multiple_px", 16)),
            halo_px=int(card.get("halo_px", 128)),
            normalisation=Normalisation(**{"floor": _FLOOR_UNSAID, **card["normalisation"]}),
            onnx_sha256=str(card["onnx_sha256"]),
            memory_bytes_per_px=int(card.get("memory_bytes_per_px", _BYTES_PER_PX)),
            card=card,
            calibration=Calibration.from_mapping(calibration) if calibration else None,
            weighing=OuterWeighing.from_mapping(detection) if detection else None,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"The model card {folder / CARD_NAME} has a value of the wrong kind: {error}",
            hint="Export the model again with `livecount train`",
        ) from error


def _model_folders() -> Iterator[Path]:
    """Yield the places where models live: the user's own first, then what was shipped."""
    yield Path(platformdirs.user_data_dir("livecount", appauthor=False)) / "models"
    packaged = Path(str(resources.files("livecount"))) / "engines"
    yield packaged
    yield packaged.parent.parent / "engines"


def list_models() -> list[Model]:
    """List every model that can be found, first the user's, then the shipped ones."""
    found: dict[str, Model] = {}
    for parent in _model_folders():
        if parent.is_dir():
            for card in sorted(parent.glob(f"*/{CARD_NAME}")):
                model = read_model(card.parent)
                found.setdefault(card.parent.name, model)
    return list(found.values())


def find_model(name_or_folder: str) -> Model:
    """Find a model by its name, or by the folder that holds its card.

    Raises
    ------
    ModelError
        There is no such model; the message lists those there are.
    """
    folder = Path(name_or_folder)
    if (folder / CARD_NAME).is_file():
        return read_model(folder)
    for parent in _model_folders():
        if (parent / name_or_folder / CARD_NAME).is_file():
            return read_model(parent / name_or_folder)
    known = ", ".join(sorted(model.folder.name for model in list_models())) or "none"
    raise ModelError(
        f"There is no model {name_or_folder!r}",
        hint=f"Name one of: {known}, or a folder that holds {CARD_NAME} and {ONNX_NAME}",
    )
