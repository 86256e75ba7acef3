"""Pairs of fresh processes, one of each side, until their ratio is known well enough."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from random import Random
from statistics import median
from time import perf_counter_ns

from benchmarks import setting_up
from benchmarks.contenders import Contender, Sample
from benchmarks.ratios import Ratio, ratio_of
from harness.models.download import LocalWeights
from harness.schema.workload import Workload

# Setting one of them ends glibc's own tuning of both: mallopt(3).
_MALLOC = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_")
_THRESHOLD_EXPONENTS = (14, 25)  # up to 32 MiB, the largest that glibc takes


@dataclass(frozen=True)
class Pair:
    """One process of each side, and malloc's thresholds in both where these were drawn."""

    harness: Sample
    other: Sample
    is_harness_first: bool
    malloc_threshold_bytes: int | None = None


@dataclass
class Cell:
    """One model and workload, and its pairs so far."""

    local: LocalWeights
    workload: Workload
    pairs: list[Pair] = field(default_factory=list)

    @property
    def name(self) -> str:
        """For progress lines."""
        return f"{self.local.key} {self.workload.name}"

    def ratio(self) -> Ratio | None:
        """Of the means, as llama-bench prints them."""
        return ratio_of([(pair.harness.mean, pair.other.mean) for pair in self.pairs])

    def is_done(self, min_pairs: int, max_pairs: int, precision: float) -> bool:
        """Whether the interval is narrow enough, or there were enough pairs."""
        ratio = self.ratio()
        if ratio is None or ratio.n < min_pairs:
            return False
        return ratio.half_width <= precision or ratio.n >= max_pairs


def measure(
    todo: list[Cell],
    ours: Contender,
    other: Contender,
    rng: Random,
    limits: tuple[int, int, float],
    budget_ns: int,
    *,
    is_memory_varied: bool = False,
) -> None:
    """
    Rounds over the cells that are not done; Ctrl-C ends with what there is.

    With `is_memory_varied` every pair has another arrangement of memory, the same in both.
    """
    started_ns = perf_counter_ns()
    try:
        while perf_counter_ns() - started_ns < budget_ns:
            still_open = [cell for cell in todo if not cell.is_done(*limits)]
            if not still_open:
                return
            for cell in rng.sample(still_open, len(still_open)):
                threshold = _rearrange(rng) if is_memory_varied else None
                cell.pairs.append(pair(cell, ours, other, rng, threshold))
                setting_up.tell(_progress(cell))
        setting_up.tell("The budget is spent.")
    except KeyboardInterrupt:
        setting_up.tell("Interrupted.")


def _rearrange(rng: Random) -> int:
    """Malloc's thresholds for the processes to come, in bytes; glibc only."""
    threshold = round(2 ** rng.uniform(*_THRESHOLD_EXPONENTS))
    os.environ.update(dict.fromkeys(_MALLOC, str(threshold)))
    return threshold


def pair(
    cell: Cell, ours: Contender, other: Contender, rng: Random, threshold: int | None = None
) -> Pair:
    """One process of each; every second pair has the order opposite to the one before."""
    if len(cell.pairs) % 2:
        is_harness_first = not cell.pairs[-1].is_harness_first
    else:
        is_harness_first = rng.random() < 0.5
    samples = {}
    for contender in (ours, other) if is_harness_first else (other, ours):
        seed = rng.randrange(2**31)
        samples[contender is ours] = contender.measure(cell.local.path, cell.workload, seed)
    return Pair(samples[True], samples[False], is_harness_first, threshold)


def _progress(cell: Cell) -> str:
    last, ratio = cell.pairs[-1], cell.ratio()
    assert ratio
    return (
        f"{cell.name:28} pair {ratio.n:3}  {last.harness.mean:8.1f} {last.other.mean:8.1f}  "
        f"{last.harness.mean / last.other.mean:.3f}  so far {ratio.text}"
    )


def splits(cell: Cell) -> dict[str, Ratio | None]:
    """The ratio over parts of the data, to see what a difference comes from."""
    pairs = cell.pairs
    by_order = {
        which: [(p.harness.mean, p.other.mean) for p in pairs if p.is_harness_first == is_first]
        for which, is_first in (("harness first", True), ("harness second", False))
    }
    return {
        "first repetition": ratio_of([(p.harness.rates[0], p.other.rates[0]) for p in pairs]),
        "later ones": ratio_of(
            [
                (median(p.harness.rates[1:]), median(p.other.rates[1:]))
                for p in pairs
                if len(p.harness.rates) > 1 and len(p.other.rates) > 1
            ]
        ),
        "best repetition": ratio_of([(max(p.harness.rates), max(p.other.rates)) for p in pairs]),
    } | {which: ratio_of(values) for which, values in by_order.items()}
