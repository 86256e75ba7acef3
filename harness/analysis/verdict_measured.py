"""
The verdict on what was measured: which workloads count for it, and what is made of them.

Decoding: the tg workload whose depth is nearest to 4,096, else chat, else sustain. Prompt: pp from
an empty cache, with a length nearest to 1,024 tokens, else chat. All of one sequence: how several
fare together is another question. docs/method/verdicts.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

from harness import units
from harness.analysis import formulas, verdict
from harness.analysis.cases import Case
from harness.analysis.depth_curve import decode_curve, reach_text
from harness.analysis.measured import Measured
from harness.analysis.served import MOST_TOK_PER_S
from harness.analysis.verdict import Evidence, Verdict
from harness.schema.experiment import Run, Trial
from harness.schema.figure import Figure
from harness.schema.model_kind import MODEL_KINDS
from harness.schema.outcome import Reason
from harness.schema.settings import Settings
from harness.schema.workload import Decode, Sustain, parse_workload
from harness.schema.workload_kind import Workload
from harness.schema.workload_requests import Chat, Exchange
from harness.schema.workload_turns import Turns

# A disk gives a tenth of the memory's bytes a second at the best (7 of 70 GB/s), a thirtieth
# mostly. So with one byte in a hundred from the disk a token takes a tenth longer: from there on
# paging, not memory, makes the speed.
PAGED_LEAST_RATIO = 0.01
# And nothing below 1 MiB a trial is weights: stray pages of the process (analysis/disturbance.py).
_PAGED_LEAST_BYTES = 1 << 20

# Failures that say of the model and the machine that they do not go together; others (a hung
# driver, Ctrl-C, wrong settings) say nothing of the kind.
_FATAL: frozenset[Reason] = frozenset(
    (
        "aborted", "crashed", "killed", "model-invalid", "architecture-unknown",
        "context-failed", "out-of-memory", "decode-failed",
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class NoVerdict:
    """Why what was measured says nothing of how well a model runs."""

    reason: str


def judge(measured: Measured) -> Verdict | NoVerdict:
    """The verdict on a configuration, by what was measured of it."""
    if measured.model.kind != "generates":
        return NoVerdict(f"it is {MODEL_KINDS[measured.model.kind].text}")
    if isinstance(measured.settings, Settings) and measured.settings.draft is not None:
        return NoVerdict("with guesses it depends on the text how fast it is, task by task")
    token_read_bytes = measured.model.token_read_bytes
    if token_read_bytes is None and measured.model.served is None:
        return NoVerdict("imported, and the record tells neither paging nor what a token reads")
    evidence: Evidence = "rehearsed" if measured.model.is_twin else "measured"
    case = _decode_case(measured)
    if case is None:
        return _without_decoding(measured, evidence)
    speed = _by_speed(measured, case, evidence)
    paged_bytes = _paged_bytes_per_token(measured.runs, case.workload)
    if token_read_bytes and paged_bytes >= PAGED_LEAST_RATIO * token_read_bytes:
        share = paged_bytes / token_read_bytes
        reason = (
            f"{units.file_size(paged_bytes)} came from the disk for each token of "
            f"{case.workload}, {units.percent(share)} of what it reads"
        )
        return verdict.pages(speed, reason, evidence)
    if speed is None:
        return NoVerdict(f"{case.workload} has no clean trial")
    is_served = measured.model.served is not None
    if is_served and speed.decode and speed.decode.value > MOST_TOK_PER_S:
        return NoVerdict(f"the answers of {case.workload} came in one piece")
    return _with_failures(speed, measured)


def _by_speed(measured: Measured, case: Case, evidence: Evidence) -> Verdict | None:
    decode = _decode_figure(measured, case)
    if decode is None:
        return None
    task = parse_workload(case.workload)
    notes: tuple[str, ...] = ()
    depth = _written_at(task)
    if depth < verdict.DEPTH:
        there = f"Decoding was measured at depth {depth}, not {verdict.DEPTH}"
        notes = (f"{there}: {_also(measured, Decode(128, verdict.DEPTH))}.",)
    curve = decode_curve(measured)
    if curve and len(curve.rates) > 1:
        notes += (f"Decoding ({curve.what}) is {reach_text(curve.rates)}.",)
    return verdict.by_speed(
        decode, _ttft_figure(measured), evidence, _sustained_ratio(measured), notes
    )


def _also(measured: Measured, task: Workload) -> str:
    """How to measure `task` too, in a command that gives all other figures again."""
    n_ctx, trained = measured.settings.n_ctx, measured.model.n_ctx_train
    if trained and task.n_ctx_min > trained:
        return f"the model was trained for {trained} positions"
    if measured.model.served is not None:
        task = Exchange(max(task.depth, verdict.N_PROMPT), task.n_generated)
        if n_ctx and n_ctx < task.n_ctx:
            return f"the server gives a request {n_ctx} positions"
        return (
            f"measure with --workload {','.join(dict.fromkeys((*measured.workloads, task.name)))}"
        )
    without = " and without --ctx" if n_ctx and n_ctx < task.n_ctx_min else ""
    names = dict.fromkeys((*measured.workloads, task.name))
    return f"measure with --workload {','.join(names)}{without}"


def _with_failures(speed: Verdict, measured: Measured) -> Verdict:
    """`speed`, and what it says that decoding at no greater depth than 4,096 failed."""
    failed = [
        f"{case.workload} failed: {case.outcome.message or case.outcome.reason}"
        for case in measured.cases
        if not case.n_trials and _is_fatal(case)
    ]
    if not failed:
        return speed
    return replace(speed, worst="does-not-run", notes=(*speed.notes, *failed))


def _is_fatal(case: Case) -> bool:
    """Whether a case that a model should do failed because it cannot."""
    task = parse_workload(case.workload)
    is_due = task.depth <= verdict.DEPTH and task.n_sequences == 1
    return is_due and case.outcome.status == "failed" and case.outcome.reason in _FATAL


def _decode_case(measured: Measured) -> Case | None:
    """The case that decoding is judged by: one that was tried, however disturbed."""
    tried = [(case, parse_workload(case.workload)) for case in measured.cases if case.n_trials]
    candidates = [
        (case, task) for case, task in tried if task.decode_metric and task.n_sequences == 1
    ]
    if not candidates:
        return None

    def distance(pair: tuple[Case, Workload]) -> tuple[bool, int, int, int]:
        case, task = pair
        # Of two as near the deeper: it promises less.
        depth = _written_at(task)
        return not case.metrics, _preference(task), abs(depth - verdict.DEPTH), -depth

    return min(candidates, key=distance)[0]


def _decode_figure(measured: Measured, case: Case) -> Figure | None:
    task = parse_workload(case.workload)
    found = case.metrics.get(task.decode_metric) if task.decode_metric else None
    if found is None:
        return None
    # From a shallow cache the speed at 4,096 can only be lower: by the bytes read in addition.
    slower = 1.0
    reading = measured.reading
    if _written_at(task) < verdict.DEPTH and reading is not None:
        here, there = (reading.token_bytes(it) for it in (task, Decode(1, verdict.DEPTH)))
        slower = here / there
    low, _ = found.bounds
    return replace(found, low=low * slower, source=case.workload)


def _written_at(task: Workload) -> int:
    """Tokens that lie before the first one written: of a request of chosen length its prompt."""
    return task.n_prompt if isinstance(task, Exchange | Turns) else task.depth


def _preference(task: Workload) -> int:
    """How far back a kind stands for decoding: behind those that do little else."""
    known: tuple[tuple[type[Workload], ...], ...] = ((Decode,), (Chat, Exchange), (Sustain,))
    return next((rank for rank, kind in enumerate(known) if isinstance(task, kind)), len(known))


def _ttft_figure(measured: Measured) -> Figure | None:
    """
    Nanoseconds for a prompt of 1,024 tokens, from the rate of one that was measured.

    The rate of a shorter prompt is a little high (attention grows with length), that of one much
    shorter too low (small batches).
    """
    found: list[tuple[float, str, Figure]] = []
    for case in measured.cases:
        task = parse_workload(case.workload)
        rate = case.metrics.get(task.prompt_metric) if task.prompt_metric else None
        if rate is not None and not task.depth and task.n_sequences == 1:
            off = abs(math.log(task.n_prompt / verdict.N_PROMPT))
            # Another factor of two for a text: tokenizing and sampling are not prefill.
            found.append((off + math.log(2) * task.is_text, case.workload, rate))
    if not found:
        return None
    _, name, rate = min(found, key=lambda item: item[0])
    n = verdict.N_PROMPT
    what = name if name == f"pp{n}" else f"{n} tokens at the rate of {name}"
    low, high = rate.bounds
    return Figure(
        n / rate.value * 1e9, n / high * 1e9, n / low * 1e9, "ns", rate.kind, rate.n, what
    )


def _sustained_ratio(measured: Measured) -> float | None:
    ratios = [
        case.metrics["throttle_ratio"].value
        for case in measured.cases
        if "throttle_ratio" in case.metrics
    ]
    return min(ratios, default=None)


def _paged_bytes_per_token(runs: Sequence[Run], workload: str) -> float:
    """
    Bytes read from disk and swap for each token, the median over all trials.

    The median, so that weights dropped once and read back once do not count; and trials that
    others disturbed too, for the kernel that makes room is one of the others.
    """
    trials = [trial for run in runs for trial in formulas.trials_of(run, workload)]
    if not trials:
        return 0.0
    return median(_paged_bytes(trial) / trial.n_tokens for trial in trials)


def _paged_bytes(trial: Trial) -> int:
    counters = trial.counters
    if counters is None:
        return 0
    n_bytes = max(counters.disk_read_bytes or 0, counters.swap_in_bytes or 0)
    return n_bytes if n_bytes >= _PAGED_LEAST_BYTES else 0


def _without_decoding(measured: Measured, evidence: Evidence) -> Verdict | NoVerdict:
    machine = measured.experiment.machine
    for case in measured.cases:
        outcome = case.outcome
        if _is_fatal(case):
            limit = machine.usable_bytes
            short = (measured.model.weights_bytes or 0) - limit if limit else 0
            return verdict.does_not_run(
                outcome.message or str(outcome.reason), evidence, short if short > 0 else None
            )
    if any(case.metrics for case in measured.cases):
        return NoVerdict(f"decoding was not measured: {_also(measured, Decode(128))}")
    return NoVerdict("nothing was measured")
