"""What `harness frontier --measure` lacks, measured."""

from __future__ import annotations

from collections.abc import Sequence

from harness.analysis.measured import Measured
from harness.commands.frontier.candidates import Candidate
from harness.commands.frontier.score import OnStart, score_missing
from harness.commands.frontier.stored import has_speed, stored_speeds
from harness.errors import ExitCode
from harness.measure.scoring import ScoreObserver
from harness.measure.session import MeasureRequest, SessionObserver, prepare
from harness.schema.machine import MachineFacts

_MAY_PASS = {"hung", "killed", "interrupted", "worker-error"}


def measure_missing(
    found: Sequence[Candidate],
    machine: MachineFacts,
    n_chunks: int,
    request: MeasureRequest,
    measuring: SessionObserver,
    scoring: ScoreObserver,
    on_start: OnStart,
) -> int:
    """
    Speeds and distances, as far as they are not stored; the exit code of it.

    The machine should be held meanwhile (lock.py).

    Args:
        found: The most precise first, from which the others' distances are measured.
        machine: The one here, with the servers that it computes with.
        n_chunks: Most chunks of the default text; 0 measures no distances.
        request: How speeds are measured.
        measuring: Told what happens while speeds are measured, and warned.
        scoring: Told what happens while distances are measured.
        on_start: Told what is going to be measured, and of how many models.

    Raises:
        HarnessError: As `Session.measure` and `score_missing`.
    """
    code = _measure_speeds(found, machine, request, measuring, on_start)
    if n_chunks and code != ExitCode.INTERRUPTED:
        return score_missing(found, n_chunks, request, scoring, measuring.warn, on_start) or code
    return code


def _measure_speeds(
    found: Sequence[Candidate],
    machine: MachineFacts,
    request: MeasureRequest,
    observer: SessionObserver,
    on_start: OnStart,
) -> int:
    """The speeds, if not all are stored: of all files, so that every two have common rounds."""
    stored = stored_speeds(found, request.results, machine)
    sides = [stored.sides.get(candidate.name) for candidate in found]
    if not stored.cut_short and all(side and is_answered(side, request) for side in sides):
        return ExitCode.DONE
    paths = {candidate.model.key: candidate.model.weights for candidate in found}
    session = prepare(request, [candidate.file for candidate in found])
    on_start("Speeds", len(found))
    return session.measure(paths, observer).exit_code


def is_answered(side: Measured, request: MeasureRequest) -> bool:
    """Whether measuring again, with no more Runs or time than before, would tell nothing new."""
    plan = side.experiment.plan
    if has_speed(side):
        has_time = plan.budget_ns >= request.budget_ns or side.n_runs >= request.n_runs_max
        return plan.n_runs_max >= request.n_runs_max and has_time
    reasons = {run.outcome.reason for run in side.runs}
    reasons |= {failure.reason for run in side.runs for failure in run.case_failures}
    # Trials that were all disturbed have none; a worker may have been ended by others, or too soon.
    return bool(reasons - {None} - _MAY_PASS)
