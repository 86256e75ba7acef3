"""
Which load to measure next, until the largest that keeps a service level is known.

Doubled until one does not keep it, then bisected: users to the integer, rates to a tenth. Chance
makes good loads look bad rather than bad ones good, so a load is measured again before it is called
lost, and then by the majority of three. With that known, the two loads beside the limit are
measured again, so that both have the Runs that an interval needs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from harness.analysis.user_loads import LEAST_IN_TIME

Shares = Mapping[float, Sequence[float]]
"""Size of a load to the share of answers that came in time, one a Run of it."""

_RATE_STEP = 1.1
_MAJORITY_OF = 3


@dataclass(frozen=True, slots=True)
class Scale:
    """
    The loads that may be asked for.

    Attributes:
        first: Where to begin.
        least: Below it nothing is looked for.
        most: Above it the client would be measured, not the server.
        is_whole: Whether they are users, who cannot be divided.
    """

    first: float
    least: float
    most: float
    is_whole: bool


USERS = Scale(1, 1, 512, is_whole=True)
"""Each has a thread and a connection."""
RATES = Scale(0.25, 0.03, 64, is_whole=False)
"""Requests a second; of more than 5 a trial is shorter than 20 seconds, of 64 less than two."""


def next_load(shares: Shares, scale: Scale, n_runs: int) -> float | None:
    """
    The load to measure now; None when nothing is left to find out.

    Args:
        shares: What was found so far.
        scale: What may be asked for.
        n_runs: How many Runs the two loads beside the limit are to have.
    """
    for size in sorted(shares):
        if _is_kept(shares[size]) is None:
            return size
    kept, lost = limit(shares)
    following = _between(kept, lost, scale)
    if following is not None:
        return following
    beside = [size for size in (kept, lost) if size is not None]
    # Where nothing came in time, more of it says no more.
    known = [size for size in beside if len(shares[size]) < n_runs and any(shares[size])]
    return min(known, key=lambda size: len(shares[size]), default=None)


def limit(shares: Shares) -> tuple[float | None, float | None]:
    """The largest load below which none is lost, and the smallest that is; None: there is none."""
    lost = min((size for size in shares if _is_kept(shares[size]) is False), default=None)
    below = (it for it in shares if _is_kept(shares[it]) and (lost is None or it < lost))
    return max(below, default=None), lost


def _is_kept(shares: Sequence[float]) -> bool | None:
    """None: it has to be measured again before that is said."""
    n_good = sum(share >= LEAST_IN_TIME for share in shares)
    n_bad = len(shares) - n_good
    if len(shares) >= _MAJORITY_OF:
        return median(shares) >= LEAST_IN_TIME
    if n_bad == 0:
        return True if shares else None
    return False if n_bad > _MAJORITY_OF // 2 else None


def _between(kept: float | None, lost: float | None, scale: Scale) -> float | None:
    """The load that halves what is not known; None where that is as little as it may be."""
    if kept is None and lost is None:
        return scale.first
    if lost is None:
        assert kept is not None
        return min(2 * kept, scale.most) if kept < scale.most else None
    if kept is None:
        return (
            max(_rounded(lost / 2), scale.least)
            if lost > scale.least and not scale.is_whole
            else None
        )
    if not is_wide(kept, lost, is_rate=not scale.is_whole):
        return None
    return (kept + lost) // 2 if scale.is_whole else _rounded(math.sqrt(kept * lost))


def is_wide(kept: float, lost: float, *, is_rate: bool) -> bool:
    """Whether a load between the largest that is kept and the next is still to be tried."""
    if not is_rate:
        return lost - kept > 1
    return lost > kept * _RATE_STEP and kept < _rounded(math.sqrt(kept * lost)) < lost


def _rounded(rate: float) -> float:
    """As a workload's name has it: three digits, and not more than three decimals."""
    return round(float(f"{rate:.3g}"), 3)
