"""How wrong the predictions were: each one stored before a measurement, against what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from harness.analysis.prediction_errors import LABELS, Pair, pairs_of
from harness.errors import ExitCode, ResultsInvalid
from harness.records.listing import list_experiments
from harness.records.store import load
from harness.schema.prediction import Method


@dataclass(frozen=True)
class ComponentAudit:
    """
    All pairs of one label and method.

    `median_error` and `q90_error` are of absolute relative errors; `bias` is the median signed
    one; `coverage` is the share of measurements inside their intervals.
    """

    label: str
    method: Method
    n: int
    median_error: float
    q90_error: float
    bias: float
    coverage: float


@dataclass(frozen=True)
class AuditResult:
    """The audit of `n_experiments`, every pair it rests on, and what could not be read."""

    audits: tuple[ComponentAudit, ...]
    pairs: tuple[Pair, ...]
    n_experiments: int
    problems: tuple[str, ...]

    @property
    def exit_code(self) -> ExitCode:
        """What the command answers with."""
        return ExitCode.ERROR if self.problems else ExitCode.DONE


def audit(folder: Path) -> AuditResult:
    """Every experiment in `folder` that can be read and holds predictions."""
    pairs: list[Pair] = []
    problems: list[str] = []
    n_experiments = 0
    for listing in list_experiments(folder):
        if listing.problem:
            problems.append(listing.problem)
        elif listing.experiment and listing.experiment.predictions:
            try:
                stored = load(listing.path)
            except ResultsInvalid as error:
                problems.append(str(error))
                continue
            pairs += pairs_of(stored.experiment, stored.runs)
            n_experiments += 1
    return AuditResult(audited(pairs), tuple(pairs), n_experiments, tuple(problems))


def audited(pairs: Sequence[Pair]) -> tuple[ComponentAudit, ...]:
    """Every label and method that `pairs` has, in the order of LABELS."""
    groups: dict[tuple[int, Method], list[Pair]] = {}
    for pair in pairs:
        key = (LABELS.index(pair.label), pair.prediction.method)
        groups.setdefault(key, []).append(pair)
    return tuple(_audit(LABELS[key[0]], key[1], groups[key]) for key in sorted(groups))


def _audit(label: str, method: Method, pairs: Sequence[Pair]) -> ComponentAudit:
    errors = [pair.error for pair in pairs]
    sizes = np.abs(errors)
    return ComponentAudit(
        label=label,
        method=method,
        n=len(pairs),
        median_error=float(np.median(sizes)),
        q90_error=float(np.quantile(sizes, 0.9)),
        bias=median(errors),
        coverage=sum(pair.is_covered for pair in pairs) / len(pairs),
    )
