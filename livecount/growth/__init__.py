"""Growth rates and doubling times from counts over time: pure functions, no I/O.

The specific growth rate is the slope of ln N against time (1/h), estimated over a whole stated
window, never as the steepest short stretch; the doubling time is ln 2 / rate. Growth is a
branching process: the frames of one well share one history, so the interval of a single well's fit
covers the truth in about a quarter of runs. Intervals therefore come from replicate wells only
(:func:`combine_wells`); a single well gets an estimate and no interval, and its fields are
averaged, never treated as replicates.
"""

from livecount.growth.combining import combine_wells
from livecount.growth.comparing import (
    Comparison,
    Spread,
    compare_paired,
    compare_with_control,
    spread_of,
)
from livecount.growth.curves import FittedCurve
from livecount.growth.dose_response import (
    DoseResponse,
    Interval,
    Scale,
    fit_dose_response,
    gr_of_wells,
    sigmoid,
)
from livecount.growth.evidence import Window
from livecount.growth.fitting import GrowthModel, fit_fields, fit_series, fit_wells
from livecount.growth.forecasting import Forecast, forecast_reaching
from livecount.growth.growth_inhibition import gr_of_rates, gr_value
from livecount.growth.normalising import (
    RELATIVE_COLUMNS,
    Base,
    Reference,
    add_relative,
    base_of,
    bases_of,
    relative_wells,
)
from livecount.growth.reasons import joined
from livecount.growth.series import (
    GrowthSeries,
    WellCurve,
    align_series,
    visit_numbers,
    well_curve,
)
from livecount.growth.shape import CurveShape
from livecount.growth.table import (
    ALL_WELLS,
    GROWTH_COLUMNS,
    GrowthRow,
    growth_of_wells,
    growth_table,
)
from livecount.growth.verdicts import Doubling, GrowthFit, Verdict, doubling_of
from livecount.growth.wells import (
    INSIDE,
    Identity,
    Metric,
    PositionSeries,
    WellSeries,
    together,
    wells_of,
)

__all__ = [
    "ALL_WELLS",
    "GROWTH_COLUMNS",
    "INSIDE",
    "RELATIVE_COLUMNS",
    "Base",
    "Comparison",
    "CurveShape",
    "DoseResponse",
    "Doubling",
    "FittedCurve",
    "Forecast",
    "GrowthFit",
    "GrowthModel",
    "GrowthRow",
    "GrowthSeries",
    "Identity",
    "Interval",
    "Metric",
    "PositionSeries",
    "Reference",
    "Scale",
    "Spread",
    "Verdict",
    "WellCurve",
    "WellSeries",
    "Window",
    "add_relative",
    "align_series",
    "base_of",
    "bases_of",
    "combine_wells",
    "compare_paired",
    "compare_with_control",
    "doubling_of",
    "fit_dose_response",
    "fit_fields",
    "fit_series",
    "fit_wells",
    "forecast_reaching",
    "gr_of_rates",
    "gr_of_wells",
    "gr_value",
    "growth_of_wells",
    "growth_table",
    "joined",
    "relative_wells",
    "sigmoid",
    "spread_of",
    "together",
    "visit_numbers",
    "well_curve",
    "wells_of",
]
