"""Bytes on disk -> frames and what is known of them.

:func:`look` says which pages of a file are whole, :func:`read_page` decodes one of them. TIFF, PNG
and JPEG are told by content, Zarr by its folders, vendors' files by their suffix; names are
understood by :class:`Patterns`.
"""

from livecount.readers.companions import companion_stamps
from livecount.readers.naming import (
    ignore_reason,
    is_frame_file,
    readable_path,
)
from livecount.readers.opening import ReadLimits
from livecount.readers.patterns import GROUPS, NameMatch, Patterns
from livecount.readers.reading import (
    PageLook,
    look,
    read_attributes,
    read_frames,
    read_page,
    read_pixels,
)
from livecount.readers.understanding import FolderUnderstanding, describe_folder
from livecount.readers.wells import normalise_well, well_sort_key

__all__ = [
    "GROUPS",
    "FolderUnderstanding",
    "NameMatch",
    "PageLook",
    "Patterns",
    "ReadLimits",
    "companion_stamps",
    "describe_folder",
    "ignore_reason",
    "is_frame_file",
    "look",
    "normalise_well",
    "read_attributes",
    "read_frames",
    "read_page",
    "read_pixels",
    "readable_path",
    "well_sort_key",
]
