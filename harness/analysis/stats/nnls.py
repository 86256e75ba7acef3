"""Least squares whose shares are not negative."""

from __future__ import annotations

import numpy as np


def nonnegative(
    matrix: np.ndarray[tuple[int, int], np.dtype[np.float64]],
    target: np.ndarray[tuple[int], np.dtype[np.float64]],
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """
    Least squares without negative shares: the most negative one is set to zero until none is.

    Simpler than the exact method, and the same where, as here, hardly any share is near zero.
    """
    kept = list(range(matrix.shape[1]))
    solution = np.zeros(matrix.shape[1])
    while kept:
        found = np.linalg.lstsq(matrix[:, kept], target, rcond=None)[0]
        lowest = int(found.argmin())
        if found[lowest] >= 0:
            solution[kept] = found
            break
        del kept[lowest]
    return solution
