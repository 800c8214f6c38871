"""How an experiment is counted: model, engine, cell diameter and analysis, fixed once for all."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from zoneinfo import ZoneInfo

from livecount.config import Config
from livecount.errors import ConfigError, RefusedFrameError, UnreadableFrameError
from livecount.experiment import ChannelRule
from livecount.frame import AttributeSource, Frame, FrameAttributes
from livecount.inference import Engine, Model, find_model, open_engine
from livecount.pipeline import LOCATION_H, CountingRule, FrameCounter, estimate_cell_diameter
from livecount.platform.process import usable_cores
from livecount.readers import Patterns
from livecount.storage import (
    Analysis,
    AnalysisSettings,
    CellDiameter,
    CountStore,
    Experiment,
    FrameState,
)

__all__ = [
    "Counting",
    "channel_rule",
    "completed_pixel_size",
    "open_counting",
    "patterns_for",
    "with_pixel_size",
]


_ESTIMATED = "estimated"


@dataclass(slots=True)
class Counting:
    """The one way in which an experiment's frames are counted.

    ``counter`` and ``analysis`` are None until the cell diameter is known: where it was not given,
    the first frame that comes decides it, for the whole experiment.
    """

    config: Config
    store: CountStore
    experiment: Experiment
    model: Model
    engine: Engine
    counter: FrameCounter | None = None
    analysis: Analysis | None = None

    @property
    def engine_words(self) -> str:
        """Runtime and precision in words."""
        return f"{self.engine.runtime}, {self.engine.precision}"

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
        rule = CountingRule(
            h=settings.h,
            cell_diameter_um=diameter.value if diameter.unit == "um" else None,
            cell_diameter_px=diameter.value if diameter.unit == "px" else None,
        )
        self._say_if_estimated(diameter)
        self.counter = FrameCounter(
            self.model,
            self.engine,
            rule,
            analysis_id=self.analysis.id,
            memory_limit_mb=self.config.counting.memory_limit_mb,
        )

    def counter_for(self, frame: Frame) -> FrameCounter:
        """Give the counter; where no diameter is known yet, this frame decides it for good."""
        if self.counter is None:
            try:
                diameter = self._estimate_from(frame)
            except RefusedFrameError as error:
                # Not this frame's fault: it is counted once another one has told the diameter.
                raise UnreadableFrameError(error.message, hint=error.hint) from error
            self._show_scale(frame, diameter)
            self.settle_on(diameter)
        assert self.counter is not None
        return self.counter

    def _estimate_from(self, frame: Frame) -> CellDiameter:
        """Read the cell diameter off a frame, in um where its pixel size is known."""
        estimate = estimate_cell_diameter(frame, self.model, self.engine)
        origin = f"{_ESTIMATED} from {frame.key.display_path}"
        size_um = frame.attributes.pixel_size_um
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

    def _show_scale(self, frame: Frame, diameter: CellDiameter) -> None:
        """Draw the frame on which the diameter was estimated, with the cells that it gives."""
        from livecount.plots import draw_overlay

        h = self.config.counting.h or self.model.h
        rule = CountingRule(h=h, **{f"cell_diameter_{diameter.unit}": diameter.value})
        diameter_px = rule.diameter_px(frame)
        counter = FrameCounter(self.model, self.engine, rule)
        draw_overlay(
            frame.pixels,
            counter.find_candidates(frame, diameter_px).at(h),
            self._scale_picture,
            title=f"{frame.key.display_path}, cell diameter {diameter.value:g} {diameter.unit}",
            pixel_size_um=frame.attributes.pixel_size_um,
            cell_diameter_px=diameter_px,
        )


def open_counting(config: Config, store: CountStore, experiment: Experiment) -> Counting:
    """Load model and engine, and the analysis as far as the cell diameter is known.

    Raises
    ------
    ModelError, EngineError
        The model or the runtime cannot be used.
    ConfigError
        The experiment was counted with other settings before.
    """
    model = find_model(config.counting.model)
    threads = config.counting.threads or usable_cores()
    engine = open_engine(model, runtime=config.counting.runtime, threads=threads)
    counting = Counting(config, store, experiment, model, engine)
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
        further={
            "model_cell_diameter_px": model.cell_diameter_px,
            "location_h": LOCATION_H,
            "normalisation": [model.normalisation.kind, model.normalisation.sigma_px],
        },
    )


def _refuse_change(store: CountStore, experiment: Experiment, settings: AnalysisSettings) -> None:
    """Refuse to go on with other settings: half of a curve counted otherwise is no curve."""
    primary = next((item for item in store.analyses(experiment) if item.is_primary), None)
    if primary is None or primary.id == settings.analysis_id:
        return
    if store.tally(experiment).counted == 0:
        _begin_anew(store, experiment, settings)
        return
    changed = [
        f"{name} was {getattr(primary.settings, name)!r}, is {getattr(settings, name)!r}"
        for name in ("model_sha256", "channel", "z", "h", "min_prominence", "detection_rule")
        if getattr(primary.settings, name) != getattr(settings, name)
    ]
    raise ConfigError(
        f"Experiment {experiment.name!r} was counted with other settings before "
        f"({'; '.join(changed) or 'the model was brought to another scale'})",
        hint="Go on with the former settings, or start a new experiment with --experiment NAME",
    )


def _begin_anew(store: CountStore, experiment: Experiment, settings: AnalysisSettings) -> None:
    """Let other settings take the place of those by which nothing was counted."""
    store.make_primary(store.ensure_analysis(experiment, settings))
    for source in store.sources(experiment):
        store.reopen(source, FrameState.IGNORED)


def channel_rule(config: Config) -> ChannelRule:
    """Give the choice of channel that the settings make."""
    roles = config.counting.channel_roles
    by_role = [name for name, role in roles.items() if role == "count"]
    return ChannelRule(
        chosen=config.counting.channel or (by_role[0] if by_role else None),
        left_out=tuple(name for name, role in roles.items() if role != "count"),
    )


def patterns_for(config: Config) -> Patterns:
    """Give the shipped file-name patterns, the user's own before them."""
    shipped = Patterns.shipped(ZoneInfo(config.experiment.time_zone))
    return shipped.with_user_pattern(config.watch.pattern) if config.watch.pattern else shipped


def with_pixel_size(frame: Frame, config: Config) -> Frame:
    """Give a frame the configured pixel size where it has none, or where that is to win."""
    return replace(frame, attributes=completed_pixel_size(frame.attributes, config))


def completed_pixel_size(attributes: FrameAttributes, config: Config) -> FrameAttributes:
    """Do the same for attributes alone."""
    size_um = config.counting.pixel_size_um
    if size_um is None:
        return attributes
    given = FrameAttributes.from_source(AttributeSource.CONFIG, pixel_size_um=size_um)
    if config.counting.pixel_size_override:
        return given.completed_by(attributes)
    return attributes.completed_by(given)
