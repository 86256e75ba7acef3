"""What of a baseline and a candidate belongs together, and what stands in the way of judging it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from harness.analysis.comparison import (
    KINDS,
    Mismatch,
    machine_differences,
    mismatches,
    power_differences,
)
from harness.analysis.finding import Finding
from harness.analysis.gate.judge import LEAST_RUNS, Check, unjudged
from harness.analysis.measured import Measured
from harness.schema.configuration import is_same_model, other_file
from harness.schema.experiment import Experiment

ACROSS = (*KINDS, "file")
"""What must be the same in the baseline, unless it is judged across on purpose."""

# Of the experiment as a whole; the others are of a case, as the build of a server is.
_OF_EXPERIMENT = ("machine", "build")

_ADVICE = {
    "machine": "Save a baseline of this machine, or pass --across machine",
    "build": "Where the engine is what you changed, pass --across build",
    "settings": "Measure with the baseline's settings, or pass --across settings",
    "evidence": "Measure both in the same way, or pass --across evidence",
    "file": "Where the file is what you changed, pass --across file",
}


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that differs and must not; `kind` is one of ACROSS."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Matched:
    """Baseline and candidate in pairs that may be judged, and what may not be."""

    pairs: tuple[tuple[Measured, Measured], ...]
    checks: tuple[Check, ...]


def match(
    baseline: Sequence[Measured], candidate: Sequence[Measured], across: Collection[str] = ()
) -> Matched:
    """
    Each of the candidate's cases with the baseline's of the same model and Settings.

    Both are all the sides of one experiment. Nothing is matched where the machine, the engine's
    build or the program that measured differ and `across` does not allow it; of what servers run
    the build is each one's own.
    """
    differing = [it for it in _of_experiments(baseline, candidate) if it.kind not in across]
    if differing:
        return Matched((), tuple(_blocked(each) for each in differing))
    pairs: list[tuple[Measured, Measured]] = []
    checks: list[Check] = []
    used: list[Measured] = []
    for side in candidate:
        partner = _partner(side, baseline, candidate)
        if partner is None:
            checks.append(unjudged("no-baseline", "the baseline has no such case", side))
            continue
        used.append(partner)
        differing = [each for each in _of_cases(partner, side) if each.kind not in across]
        checks += [_blocked(each, side) for each in differing]
        if not differing:
            pairs.append((partner, side))
            checks += _of_workloads(partner, side)
    checks += [
        unjudged("missing", "the baseline has it, the candidate did not measure it", side)
        for side in baseline
        if not any(side is each for each in used)
    ]
    return Matched(tuple(pairs), tuple(checks))


def failures(candidate: Sequence[Measured]) -> list[Check]:
    """What failed of the candidate or was never measured; what the user ended did not fail."""
    checks = []
    for side in candidate:
        if not side.runs:
            checks.append(unjudged("missing", "not measured: no Run was finished", side))
        for workload, failure in side.failures.items():
            text = f"failed in {failure.n_runs} of {side.n_runs} Runs: {failure.reason}"
            checks.append(unjudged("failed", text, side, workload))
    return checks


def unusable(baseline: Sequence[Measured]) -> str | None:
    """Why nobody would want this experiment for a baseline; None where there is no reason."""
    for side in baseline:
        if side.failures:
            return f"{side.model.key} failed in it"
        if side.n_runs < LEAST_RUNS:
            return f"it has {len(side.runs)} of the {LEAST_RUNS} Runs of {side.model.key} needed"
    return None


def circumstances(baseline: Experiment, candidate: Experiment) -> list[Finding]:
    """What else a reader should know before believing the verdict, without a dot at the end."""
    found = machine_differences(baseline, candidate) + power_differences(baseline, candidate)
    versions = [each.provenance.harness_version for each in (baseline, candidate)]
    if versions[0] != versions[1]:
        found.append(Finding("warning", f"harness {versions[0]} against {versions[1]}"))
    if any(model.is_twin for model in candidate.plan.models):
        found.append(Finding("info", "the candidate is a rehearsal: its weights are random"))
    if candidate.origin != "harness":
        text = f"the candidate is {_origin_text(candidate.origin)}: little is known of it"
        found.append(Finding("warning", text))
    return found


def _of_experiments(
    baseline: Sequence[Measured], candidate: Sequence[Measured]
) -> list[Difference]:
    # The engine's is compared where both have something that it ran.
    a, b = (min(them, key=_is_served) for them in (baseline, candidate))
    kinds = _kinds_of_experiment(a, b)
    found = [each for each in mismatches(a, b) if each.kind in kinds]
    differences = [Difference(each.kind, each.text) for each in found]
    origins = a.experiment.origin, b.experiment.origin
    if origins[0] != origins[1]:
        words = [_origin_text(origin) for origin in origins]
        differences.append(Difference("evidence", f"{words[0]} against {words[1]}"))
    return differences


def _kinds_of_experiment(a: Measured, b: Measured) -> tuple[str, ...]:
    return ("machine",) if _is_served(a) or _is_served(b) else _OF_EXPERIMENT


def _is_served(side: Measured) -> bool:
    return side.model.served is not None


def _origin_text(origin: str) -> str:
    return "measured here" if origin == "harness" else f"imported from {origin}"


def _of_cases(a: Measured, b: Measured) -> list[Difference]:
    kinds = _kinds_of_experiment(a, b)
    found: list[Mismatch] = [it for it in mismatches(a, b) if it.kind not in kinds]
    differences = [Difference(each.kind, each.text) for each in found]
    if how := other_file(a.model, b.model):
        differences.append(Difference("file", f"another file ({how})"))
    return differences


def _blocked(difference: Difference, side: Measured | None = None) -> Check:
    text = f"not comparable: {difference.text}. {_ADVICE[difference.kind]}"
    return unjudged("not-comparable", text, side)


def _partner(
    side: Measured, baseline: Sequence[Measured], candidate: Sequence[Measured]
) -> Measured | None:
    """Of the same model and Settings; or of the same model, where it has one Settings on each."""
    of_model = [each for each in baseline if each.model.key == side.model.key]
    # A file that was called otherwise when the baseline was kept is the same file.
    called = {each.model.key for each in candidate}
    of_model = of_model or [
        it
        for it in baseline
        if side.model.sha256 and it.model.sha256 and it.model.key not in called
        if is_same_model(it.model, side.model)
    ]
    for each in of_model:
        if each.settings == side.settings:
            return each
    rivals = [each for each in candidate if each.model.key == side.model.key]
    return of_model[0] if len(of_model) == len(rivals) == 1 else None


def _of_workloads(a: Measured, b: Measured) -> list[Check]:
    before, now = a.workloads, b.workloads
    text = "the baseline has it, the candidate did not measure it"
    missing = [unjudged("missing", text, b, name) for name in before if name not in now]
    text = "the baseline does not have it; save a new one"
    return missing + [unjudged("no-baseline", text, b, name) for name in now if name not in before]
