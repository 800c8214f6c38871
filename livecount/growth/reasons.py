"""Why something is so, or is missing, in words."""

from __future__ import annotations

__all__ = ["joined"]


def joined(*reasons: str) -> str:
    """Join what there is of some reasons, each once.

    Examples
    --------
    >>> joined("one well", "", "no control", "one well")
    'one well; no control'
    """
    return "; ".join(dict.fromkeys(reason for reason in reasons if reason))
