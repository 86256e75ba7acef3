"""
How far published speeds lie from predictions that did not know them, and intervals that hold them.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product
from random import Random

import numpy as np

from harness.analysis.speed.class_rates import ClassParameters
from harness.analysis.speed.corrections import LocalResult, correction
from harness.analysis.speed.hardware_class import speed_of_chip
from harness.analysis.speed.rates import Spread, decode_seconds, prefill_seconds
from harness.schema.prediction import COVERAGE
from harness.schema.settings import Settings
from tools.speed.fit import fit_classes
from tools.speed.published import Case, place

# A class (of decode) or family (of prefill) with fewer chips than this takes the intervals of all
# together: a quantile of a handful of machines says little of the next.
_MIN_CHIPS = 5
# What the depth's share adds to an interval is looked for in these steps.
_DEPTH_STEPS = tuple(step / 10 for step in range(16))
_INFLATIONS = tuple(1 + step / 20 for step in range(41))
_SETTINGS = Settings(n_threads=1)
_MOST_CHOICES = 15


@dataclass(frozen=True)
class Miss:
    """One case and how it was missed: natural log of published / predicted speed."""

    case: Case
    log_ratio: float
    share: float

    @property
    def error(self) -> float:
        """|predicted - published| / published."""
        return abs(math.exp(-self.log_ratio) - 1)


def misses(cases: Iterable[Case], parameters: ClassParameters) -> list[Miss]:
    """`cases` against what `parameters` say of them."""
    return [_miss(case, parameters) for case in cases]


def left_out(cases: Sequence[Case], group: Callable[[Case], str]) -> list[Miss]:
    """Every case against parameters fitted without its whole group (its chip, its model)."""
    found = []
    for name in sorted({group(case) for case in cases}):
        others = [case for case in cases if group(case) != name]
        mine = [case for case in cases if group(case) == name]
        found += misses(mine, fit_classes(others))
    return found


def _miss(case: Case, parameters: ClassParameters) -> Miss:
    speed = speed_of_chip(case.chip, parameters)
    if case.kind == "tg":
        seconds, deep = decode_seconds(case.work, speed.decode, case.n_context, _SETTINGS)
        return Miss(case, math.log(seconds / case.seconds), deep / seconds)
    assert speed.prefill
    # The table has no tensor types; half precision is told by the quantization's name.
    work = case.work
    if case.is_f16:
        work = work.model_copy(update={"type_params": {"F16": work.n_params_multiplied}})
    seconds, deep = prefill_seconds(work, speed.prefill, case.n, case.depth, case.n_ubatch)
    return Miss(case, math.log(seconds / case.n / case.seconds), deep / seconds)


Chooser = Callable[[Sequence[Miss], Random], list[tuple[Miss, ...]]]
"""From the results of other models on one machine to the choices of those that are known."""


def corrected_here(
    found: Sequence[Miss], choose: Chooser, *, is_class_loose: bool = False
) -> list[Miss]:
    """
    Every case once for each choice of results of other models, of the same chip and source, as the
    product corrects its class with them.

    Of the many choices of several results each case takes the same number, drawn with a seed.
    """
    groups = defaultdict(list)
    for miss in found:
        groups[miss.case.chip.name, miss.case.source].append(miss)
    rng = Random(0)
    return [
        replace(miss, log_ratio=miss.log_ratio - _correction(local_results, miss, is_class_loose))
        for group in groups.values()
        for miss in group
        for local_results in choose([it for it in group if it.case.model != miss.case.model], rng)
    ]


def several(n_known: int) -> Chooser:
    """Any `n_known` models."""

    def choose(others: Sequence[Miss], rng: Random) -> list[tuple[Miss, ...]]:
        choices = [
            choice
            for choice in combinations(others, n_known)
            if len({miss.case.model for miss in choice}) == n_known
        ]
        return choices if n_known == 1 else _some(choices, rng)

    return choose


def dense_and_mixture(others: Sequence[Miss], rng: Random) -> list[tuple[Miss, ...]]:
    """One model of each kind, as a calibration measures both."""
    dense = [miss for miss in others if not miss.case.work.is_mixture]
    mixtures = [miss for miss in others if miss.case.work.is_mixture]
    return _some(list(product(dense, mixtures)), rng)


def _some(choices: list[tuple[Miss, ...]], rng: Random) -> list[tuple[Miss, ...]]:
    return choices if len(choices) <= _MOST_CHOICES else rng.sample(choices, _MOST_CHOICES)


def _correction(known: Sequence[Miss], of: Miss, is_class_loose: bool) -> float:
    local_results = [LocalResult(miss.case.model, miss.case.work, miss.log_ratio) for miss in known]
    return math.log(correction(local_results, of.case.work, is_class_loose=is_class_loose))


def depth_ratios(found: Sequence[Miss]) -> list[Miss]:
    """The deep cases against the same chip, source and model at depth 0."""
    at_zero = {place(miss.case): miss for miss in found if miss.case.depth == 0}
    return [
        replace(miss, log_ratio=miss.log_ratio - at_zero[place(miss.case)].log_ratio)
        for miss in found
        if miss.case.depth and place(miss.case) in at_zero
    ]


def spreads(
    found: Sequence[Miss], group: Callable[[Case], str], inflation: float = 1.0
) -> dict[str, Spread]:
    """For each group the interval that 90 % of its left-out cases lie in, `inflation` wider."""
    shallow = [miss for miss in found if miss.case.is_shallow]
    chips = defaultdict(set)
    for miss in found:
        chips[group(miss.case)].add(miss.case.chip.name)
    pooled = _spread(shallow, inflation)
    own = {
        name: _spread([m for m in shallow if group(m.case) == name], inflation)
        if len(of_group) >= _MIN_CHIPS
        else pooled
        for name, of_group in chips.items()
    }
    deep = [miss for miss in found if not miss.case.is_shallow]
    for depth in _DEPTH_STEPS:
        within = {name: replace(it, depth=depth) for name, it in own.items()}
        if coverage(deep, group, within) >= COVERAGE:
            break
    return within


def inflation_of(found: Sequence[Miss], group: Callable[[Case], str]) -> float:
    """How much wider intervals must be to hold 90 % of the cases of chips they never saw."""
    for inflation in _INFLATIONS:
        inside = nested_coverage(found, group, inflation)
        if sum(inside) >= COVERAGE * len(inside):
            return inflation
    return _INFLATIONS[-1]


def coverage(
    found: Sequence[Miss], group: Callable[[Case], str], within: dict[str, Spread]
) -> float:
    """The share of cases inside their group's interval."""
    inside = [_is_inside(miss, within[group(miss.case)]) for miss in found]
    return sum(inside) / len(inside) if inside else 1.0


def nested_coverage(
    found: Sequence[Miss], group: Callable[[Case], str], inflation: float
) -> list[bool]:
    """For each case whether it lies in an interval made without its chip."""
    answers = []
    for name in sorted({miss.case.chip.name for miss in found}):
        others = [miss for miss in found if miss.case.chip.name != name]
        within, pooled = spreads(others, group, inflation), _spread(others, inflation)
        answers += [
            _is_inside(miss, within.get(group(miss.case), pooled))
            for miss in found
            if miss.case.chip.name == name
        ]
    return answers


def _is_inside(miss: Miss, spread: Spread) -> bool:
    low, high = spread.around(1.0, miss.share)
    return low <= math.exp(miss.log_ratio) <= high


def _spread(found: Sequence[Miss], inflation: float) -> Spread:
    """Quantiles of the left-out misses; a chip with n of them counts as sqrt(n)."""
    n_rows = Counter(miss.case.chip.name for miss in found)
    ordered = sorted(found, key=lambda miss: miss.log_ratio)
    weights = np.array([n_rows[miss.case.chip.name] ** -0.5 for miss in ordered])
    # Half a chip beyond either end, as in the quantiles of small samples.
    places = (np.cumsum(weights) - weights / 2) / (weights.sum() + 1)
    values = np.array([miss.log_ratio for miss in ordered])
    tail = (1 - COVERAGE) / 2
    low, high = np.interp([tail, 1 - tail], places, values)
    return Spread(max(0.0, -float(low)) * inflation, max(0.0, float(high)) * inflation)


def remaining(found: Sequence[Miss]) -> Spread:
    """What holds 90 % of `found`, of machines whose other results are known."""
    return _spread([miss for miss in found if miss.case.is_shallow], 1.0)
