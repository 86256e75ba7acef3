"""
Numbers as blocks of text: a line of small bars, and a bar as long as a share.

A code page that lacks the blocks gets other characters in their place (commandline/stream.py).
"""

from __future__ import annotations

from collections.abc import Sequence

_HEIGHTS = "▁▂▃▄▅▆▇█"
_FULL, _EMPTY = "█", "·"


def sparkline(values: Sequence[float], low: float, high: float) -> str:
    """
    A bar for each value, the lowest at `low` and the highest at `high`; all alike where both are.

    What lies outside is as low or as high as a bar can be.
    """
    if high <= low:
        return _HEIGHTS[3] * len(values)
    last = len(_HEIGHTS) - 1
    heights = (round((value - low) / (high - low) * last) for value in values)
    return "".join(_HEIGHTS[max(0, min(last, height))] for height in heights)


def bar(share: float, width: int) -> str:
    """
    A bar of `width`, as much of it filled as `share` of 1; some and not all only where that is so.

    Whoever reads it cannot count on a block more or less: the number belongs beside it.
    """
    n_full = round(share * width)
    if 0 < share < 1:
        n_full = max(1, min(n_full, width - 1))
    n_full = max(0, min(n_full, width))
    return _FULL * n_full + _EMPTY * (width - n_full)
