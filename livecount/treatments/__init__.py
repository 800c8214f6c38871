"""What treatments do: groups of replicate wells against their controls, and dose responses.

A well is one value: its growth rate, and how many times its count grew over the window. Its frames
and fields are no replicates. Wells of one experiment are technical replicates; what is true of the
cells on another day too, only independent experiments tell (:func:`across_experiments`).
"""

from livecount.treatments.doses import DOSE_COLUMNS, dose_table, gr_points
from livecount.treatments.groups import GROUP_COLUMNS, group_table
from livecount.treatments.independent import Repeat, across_experiments
from livecount.treatments.wells import TreatedWell, treated_wells

__all__ = [
    "DOSE_COLUMNS",
    "GROUP_COLUMNS",
    "Repeat",
    "TreatedWell",
    "across_experiments",
    "dose_table",
    "gr_points",
    "group_table",
    "treated_wells",
]
