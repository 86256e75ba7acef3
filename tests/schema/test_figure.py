from __future__ import annotations

import math

import pytest

from harness.schema.figure import Figure, FigureKind, exact


def test_a_known_figure_says_that_it_was_not_sampled() -> None:
    figure = exact(96_000_000, "bytes")
    assert (figure.n, figure.kind, figure.low, figure.high) == (0, "exact", 96e6, 96e6)


def test_a_missing_bound_is_no_bound() -> None:
    assert Figure(5.0, None, 7.0, "ratio", "interval").bounds == (-math.inf, 7.0)
    assert Figure(5.0, 3.0, None, "ratio", "interval").bounds == (3.0, math.inf)


@pytest.mark.parametrize(
    ("low", "high", "kind", "is_decisive"),
    [
        (1.0, 1.0, "exact", True),
        (0.9, 1.1, "interval", True),
        (0.9, 1.1, "predicted", True),
        (0.9, 1.1, "range", False),
        (None, 1.1, "interval", False),
    ],
)
def test_only_bounds_that_promise_something_decide(
    low: float | None, high: float, kind: FigureKind, is_decisive: bool
) -> None:
    assert Figure(1.0, low, high, "ratio", kind).is_decisive == is_decisive
