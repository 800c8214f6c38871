"""``calibrate``: counts of cells held against stained nuclei, for rates and doubling times."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from livecount.cli.options import (
    AnalysisId,
    AsJson,
    By,
    ConfigFile,
    DatabaseFile,
    ExperimentName,
    chosen_analysis,
    finite,
    load_settings,
    said_by,
)
from livecount.cli.terminal import say, terminal, write_json

if TYPE_CHECKING:
    import pandas as pd

    from livecount.nuclei_calibration import NucleiCalibration
    from livecount.pairing import Pairs
    from livecount.storage import Analysis, CountReader, Experiment, KeptCalibration


WithinMin = Annotated[
    float,
    typer.Option(
        "--within-min", min=0, callback=finite, help="Most minutes between paired frames."
    ),
]
PairsFile = Annotated[
    Path | None, typer.Option("--pairs", help="Write the paired frames to this CSV file.")
]
NucleiAnalysisId = Annotated[
    str | None, typer.Option("--nuclei-analysis", help="Which counts of nuclei (the latest).")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Show the calibration, but do not keep it.")
]


def calibrate(
    within_min: WithinMin = 30.0,
    pairs_file: PairsFile = None,
    nuclei_analysis: NucleiAnalysisId = None,
    dry_run: DryRun = False,
    by: By = None,
    database: DatabaseFile = None,
    config: ConfigFile = None,
    experiment: ExperimentName = None,
    analysis: AnalysisId = None,
    as_json: AsJson = False,
) -> None:
    """Calibrate the counts of cells by stained nuclei of the same fields.

    The nuclei are counted by `livecount run` where `nuclei_channel` in [counting] names their
    channel. ln N = a + b ln P is fitted with wells as replicates and kept with who and when;
    exports then have calibrated counts, rates and doubling times at the end, beside the counts.

    Example: livecount calibrate --database run.db
    """
    from livecount.export import write_csv
    from livecount.storage import CountStore, KeptCalibration

    file = load_settings(config, {"database.file": database}).database.file
    with CountStore.open(file, read_only=True) as store:
        found, cells = chosen_analysis(store, experiment, analysis)
        nuclei = _nuclei_analysis(store, found, nuclei_analysis)
        pairs = _pairs(store, found, (cells, nuclei), within_min)
    if pairs_file is not None:
        write_csv(pairs.table, pairs_file)
    fitted = _fitted(pairs, as_json=as_json)
    said = said_by(by)
    kept = KeptCalibration(fitted, nuclei.id, said.made_by, said.made_at)
    if not dry_run:
        with CountStore.open(file) as store:
            store.add_nuclei_calibration(cells, kept)
    if as_json:
        write_json(
            {
                "experiment": found.name,
                "analysis_id": cells.id,
                "kept": not dry_run,
                "within_min": within_min,
                "left_out": pairs.left_out,
                **calibration_entry(kept),
            }
        )
    else:
        _show(fitted, pairs, is_kept=not dry_run)


def calibration_entry(kept: KeptCalibration) -> dict[str, Any]:
    """Give a calibration as scripts read it."""
    found = kept.calibration
    return {
        "nuclei_analysis_id": kept.nuclei_analysis_id,
        "n_pairs": found.n_pairs,
        "n_wells": found.n_wells,
        "a": found.intercept,
        "b": found.slope,
        "b_low": found.slope_interval[0],
        "b_high": found.slope_interval[1],
        "residual_sd": found.residual_sd,
        "bias_percent": found.bias_percent,
        "bias_low_percent": found.bias_interval_percent[0],
        "bias_high_percent": found.bias_interval_percent[1],
        "limit_low_percent": found.limits_percent[0],
        "limit_high_percent": found.limits_percent[1],
        "density_unit": found.density_unit,
        "density_low": found.density_low,
        "density_high": found.density_high,
        "made_by": kept.made_by,
        "made_at": kept.made_at,
    }


def _fitted(pairs: Pairs, *, as_json: bool) -> NucleiCalibration:
    """Fit the pairs; where they do not do, say first which were left out."""
    from livecount.errors import CalibrationError
    from livecount.pairing import fit_pairs

    try:
        return fit_pairs(pairs)
    except CalibrationError:
        if not as_json:
            _say_left_out(pairs)
        raise


def _nuclei_analysis(store: CountReader, experiment: Experiment, asked: str | None) -> Analysis:
    from livecount.errors import NotInStoreError
    from livecount.storage import is_referee

    if asked is not None:
        chosen = store.analysis(experiment, asked)
        if is_referee(chosen):
            return chosen
        raise NotInStoreError(f"Analysis {chosen.id} does not count nuclei")
    known = [one for one in store.analyses(experiment) if is_referee(one)]
    if known:
        return known[-1]
    raise NotInStoreError(
        f"No stained nuclei were counted in experiment {experiment.name!r}",
        hint="Set `nuclei_channel` in [counting] and start `livecount run` again: frames that lie "
        "there already are counted too",
    )


def _pairs(
    store: CountReader,
    experiment: Experiment,
    analyses: tuple[Analysis, Analysis],
    within_min: float,
) -> Pairs:
    from livecount.errors import CalibrationError
    from livecount.pairing import pair_frames

    cells, nuclei = (_table(store, experiment, analysis) for analysis in analyses)
    if cells.empty or nuclei.empty:
        what = "cells" if cells.empty else "nuclei"
        raise CalibrationError(
            f"No frame of {what} was counted yet in experiment {experiment.name!r}",
            hint="Start `livecount run` with the folder of the frames",
        )
    return pair_frames(cells, nuclei, within_min)


def _table(store: CountReader, experiment: Experiment, analysis: Analysis) -> pd.DataFrame:
    """Give the counts as exported, with area and the acquisition's own clock beside."""
    import pandas as pd

    from livecount.tables import count_table

    stored = store.counts(analysis)
    table = count_table(store, experiment, analysis)
    for name in ("elapsed_s", "area_mm2"):
        column = pd.Series(getattr(stored, name), stored.frame_id, dtype=float)
        table[name] = column.reindex(table.index)
    return table


def _show(fitted: NucleiCalibration, pairs: Pairs, *, is_kept: bool) -> None:
    low, high = fitted.slope_interval
    bias, limits = fitted.bias_interval_percent, fitted.limits_percent
    console = terminal()
    console.print(
        f"{fitted.n_pairs} pairs of frames in {fitted.n_wells} wells, {fitted.density_low:.4g} to "
        f"{fitted.density_high:.4g} cells {fitted.density_unit}\n"
        f"ln N = {fitted.intercept:.3f} + {fitted.slope:.3f} ln P (95 % of b: {low:.3f} to "
        f"{high:.3f}): N nuclei, P cells counted\n"
        f"bias of the counts {fitted.bias_percent:+.1f} % ({bias[0]:+.1f} to {bias[1]:+.1f} %); "
        f"95 % limits of agreement {limits[0]:+.0f} to {limits[1]:+.0f} %\n"
        f"growth rates times {fitted.slope:.3f}, doubling times divided by it",
        markup=False,
        highlight=False,
    )
    _say_left_out(pairs)
    say(
        "kept: exports have calibrated columns at the end"
        if is_kept
        else "not kept, as asked with --dry-run"
    )


def _say_left_out(pairs: Pairs) -> None:
    for reason, number in pairs.left_out.items():
        say(f"{number} frames of nuclei not paired: {reason}")
