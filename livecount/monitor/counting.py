"""How an experiment is counted: model, engine, cell diameter and analysis, fixed once for all."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from livecount.config import Config
from livecount.counting_rule import CountingRule
from livecount.errors import ConfigError, RefusedFrameError, UnreadableFrameError
from livecount.frame import APART_H, BODY_SHARE, FrameCount
from livecount.inference import Model, find_model
from livecount.monitor.choices import channel_rule
from livecount.monitor.worker import Worker
from livecount.recounting import catch_up
from livecount.storage import (
    Analysis,
    AnalysisSettings,
    CellDiameter,
    CountStore,
    Experiment,
    FrameState,
)

if TYPE_CHECKING:
    from livecount.monitor.messages import PageAhead, PageRead

__all__ = ["Counting", "facts_of_model", "open_counting"]

_ESTIMATED = "estimated"


@dataclass(slots=True)
class Counting:
    """The one way in which an experiment's frames are counted.

    ``rule`` and ``analysis`` are None until the cell diameter is known: where it was not given,
    the first frame that comes decides it, for the whole experiment.
    """

    config: Config
    store: CountStore
    experiment: Experiment
    model: Model
    worker: Worker
    rule: CountingRule | None = None
    analysis: Analysis | None = None

    def settle_on(self, diameter: CellDiameter) -> None:
        """Lock the cell diameter and make the analysis.

        Raises
        ------
        ConfigError
            The experiment was counted with other settings before.
        """
        self.experiment = self.store.lock_cell_diameter(self.experiment, diameter)
        settings = _analysis_settings(self.config, self.model, diameter)
        _refuse_change(self.store, self.experiment, settings)
        self.analysis = self.store.ensure_analysis(self.experiment, settings)
        if self.model.calibration is not None:
            self.store.keep_calibration(self.model.onnx_sha256, self.model.calibration.to_mapping())
        if self.model.learnt_hashes:
            self.store.keep_learnt(self.model.onnx_sha256, self.model.learnt_hashes)
        catch_up(self.store, self.experiment, self.analysis)  # after `recount --make-primary`
        self._say_if_estimated(diameter)
        self.rule = _rule(settings.h, diameter)

    def count(self, page: PageRead, ahead: PageAhead | None = None) -> FrameCount:
        """Count the page that was read last, while the one ahead is read.

        Where no diameter is known yet, this page decides it.
        """
        if self.rule is None:
            try:
                diameter = self._estimate_from(page)
            except RefusedFrameError as error:
                # Not this frame's fault: it is counted once another one has told the diameter.
                raise UnreadableFrameError(error.message, hint=error.hint) from error
            self._show_scale(page, diameter)
            self.settle_on(diameter)
        assert self.rule is not None
        assert self.analysis is not None
        return self.worker.count(page, self.rule, self.analysis.id, ahead)

    def _estimate_from(self, page: PageRead) -> CellDiameter:
        """Read the cell diameter off a page, in um where its pixel size is known."""
        estimate = self.worker.estimate_diameter(page.key)
        origin = f"{_ESTIMATED} from {page.key.display_path}{estimate.reservation}"
        size_um = page.attributes.pixel_size_um
        if size_um is None:
            return CellDiameter(round(estimate.diameter_px, 1), "px", origin)
        return CellDiameter(round(estimate.diameter_px * size_um, 1), "um", origin)

    @property
    def _scale_picture(self) -> Path:
        database = self.store.database
        return database.with_name(f"{database.stem}-cell-diameter-{self.experiment.id}.png")

    def _say_if_estimated(self, diameter: CellDiameter) -> None:
        if diameter.origin.startswith(_ESTIMATED):
            self.store.begin_notice(
                "diameter_estimated",
                f"The cell diameter of {self.experiment.name!r}, {diameter.value:g} "
                f"{diameter.unit}, was {diameter.origin}: look at {self._scale_picture}; if cells "
                "are missed or split, start a new experiment with the right one",
                subject=self.experiment.name,
            )

    def _show_scale(self, page: PageRead, diameter: CellDiameter) -> None:
        """Draw the page on which the diameter was estimated, with the cells that it gives."""
        self.worker.draw_scale(
            page.key,
            _rule(self.config.counting.h or self.model.h, diameter),
            f"cell diameter {diameter.value:g} {diameter.unit}",
            self._scale_picture,
        )


def _rule(h: float, diameter: CellDiameter) -> CountingRule:
    return CountingRule(
        h=h,
        cell_diameter_um=diameter.value if diameter.unit == "um" else None,
        cell_diameter_px=diameter.value if diameter.unit == "px" else None,
    )


def open_counting(
    config: Config, store: CountStore, experiment: Experiment, worker: Worker
) -> Counting:
    """Find the model, and make the analysis as far as the cell diameter is known.

    Raises
    ------
    ModelError
        The model cannot be used.
    ConfigError
        The experiment was counted with other settings before.
    """
    model = find_model(config.counting.model)
    counting = Counting(config, store, experiment, model, worker)
    diameter = _declared_diameter(config, experiment)
    if diameter is not None:
        counting.settle_on(diameter)
    return counting


def _declared_diameter(config: Config, experiment: Experiment) -> CellDiameter | None:
    """Take the experiment's locked diameter, else the configured one; refuse a contradiction."""
    settings = config.counting
    given = None
    if settings.cell_diameter_um is not None:
        given = CellDiameter(settings.cell_diameter_um, "um", "config")
    elif settings.cell_diameter_px is not None:
        given = CellDiameter(settings.cell_diameter_px, "px", "config")
    locked = experiment.cell_diameter
    if locked is None or given is None:
        return locked or given
    if (locked.value, locked.unit) != (given.value, given.unit):
        raise ConfigError(
            f"Experiment {experiment.name!r} is counted with a cell diameter of "
            f"{locked.value:g} {locked.unit} ({locked.origin}), not {given.value:g} {given.unit}",
            hint="Leave the diameter out to go on with it, or start a new experiment "
            "with --experiment NAME",
        )
    return locked


def _analysis_settings(config: Config, model: Model, diameter: CellDiameter) -> AnalysisSettings:
    counting = config.counting
    return AnalysisSettings(
        model_name=model.name,
        model_sha256=model.onnx_sha256,
        cell_diameter=diameter.value,
        cell_diameter_unit=diameter.unit,
        channel=channel_rule(config).chosen or "automatic",
        z=str(counting.z),
        h=model.h if counting.h is None else counting.h,
        further=facts_of_model(model),
    )


def facts_of_model(model: Model) -> dict[str, Any]:
    """Give what else of a model decides its counts, for the settings of an analysis."""
    return {
        "model_cell_diameter_px": model.cell_diameter_px,
        "location": {"apart_h": APART_H, "body_share": BODY_SHARE},
        "normalisation": asdict(model.normalisation),
        "outer_weighing": None if model.weighing is None else asdict(model.weighing),
    }


def _refuse_change(store: CountStore, experiment: Experiment, settings: AnalysisSettings) -> None:
    """Refuse to go on with other settings: half of a curve counted otherwise is no curve."""
    primary = next((item for item in store.analyses(experiment) if item.is_primary), None)
    if primary is None or primary.id == settings.analysis_id:
        return
    if not len(store.counts(primary)):
        _begin_anew(store, experiment, settings)
        return
    changed = [
        f"{name} was {getattr(primary.settings, name)!r}, is {getattr(settings, name)!r}"
        for name in ("model_sha256", "channel", "z", "h", "min_prominence", "detection_rule")
        if getattr(primary.settings, name) != getattr(settings, name)
    ]
    before, now = primary.settings.further, settings.further
    changed += [
        f"{name} was {before.get(name)!r}, is {now.get(name)!r}"
        for name in sorted({*before, *now})
        if before.get(name) != now.get(name)
    ]
    raise ConfigError(
        f"Experiment {experiment.name!r} was counted with other settings before "
        f"({'; '.join(changed)})",
        hint="Go on with the former settings, or start a new experiment with --experiment NAME",
    )


def _begin_anew(store: CountStore, experiment: Experiment, settings: AnalysisSettings) -> None:
    """Let other settings take the place of those by which nothing was counted."""
    store.make_primary(store.ensure_analysis(experiment, settings))
    for source in store.sources(experiment):
        store.reopen(source, FrameState.IGNORED)
