"""From what `harness gate` is asked to the judgement: the candidate and its baseline, found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import units
from harness.analysis.finding import Finding
from harness.analysis.gate.choose import headline_score, selection_bias, unlike
from harness.analysis.gate.divergence import judge_quality
from harness.analysis.gate.judge import Check, Judgement, Limits, judge_figures, unjudged
from harness.analysis.gate.match import circumstances, failures, match, unusable
from harness.analysis.measured import Measured, measured_of
from harness.analysis.metrics import GATED, METRICS
from harness.commands.gate.baselines import baseline_path, offered
from harness.errors import ExitCode, ResultsInvalid, SchemaTooNew
from harness.files import is_file
from harness.records.listing import find, list_experiments, some_of
from harness.records.quality import list_qualities
from harness.records.store import StoredExperiment, load
from harness.schema.experiment import Experiment
from harness.schema.moment import utc_time


@dataclass(frozen=True)
class GateRequest:
    """
    What is to be judged against what, and by which rules.

    `wanted` None judges the usual metrics. With `is_lenient` an inconclusive verdict passes, if it
    may. With `may_be_missing` it passes too while nothing was kept under the baseline's name.
    """

    experiment: str
    baseline: str
    limits: Limits
    wanted: tuple[str, ...] | None
    across: tuple[str, ...]
    results: Path
    is_lenient: bool = False
    may_be_missing: bool = False


@dataclass(frozen=True)
class JudgedExperiment:
    """A stored experiment, with how many Runs it has and where it lies."""

    experiment: Experiment
    n_runs: int
    path: Path


@dataclass(frozen=True)
class GateResult:
    """A judgement and what it is of; without a `baseline` the judgement says why."""

    request: GateRequest
    judgement: Judgement
    candidate: JudgedExperiment
    baseline: JudgedExperiment | None
    findings: tuple[Finding, ...] = ()

    @property
    def waived_by(self) -> str:
        """The option that lets an inconclusive verdict pass; "" where none does."""
        if not self.judgement.is_waivable:
            return ""
        if self.request.is_lenient:
            return "--inconclusive pass"
        return "--missing pass" if self.baseline is None and self.request.may_be_missing else ""

    @property
    def exit_code(self) -> ExitCode:
        """What the command answers with."""
        if self.judgement.verdict == "regression":
            return ExitCode.REGRESSION
        is_passing = self.judgement.verdict == "pass" or self.waived_by
        return ExitCode.DONE if is_passing else ExitCode.INCONCLUSIVE


@dataclass(frozen=True)
class _Chosen:
    """The baseline, or why there is none; `finding` says how it was chosen."""

    stored: StoredExperiment | None = None
    check: Check | None = None
    finding: Finding | None = None


def gate(request: GateRequest) -> GateResult:
    """
    The judgement of a stored experiment; a baseline that is missing or unlike is part of it.

    Raises:
        UsageError: What is asked of the baseline is no name.
        ResultsInvalid: There is no such candidate, no such baseline, or a file is damaged.
    """
    # A failed one is judged as that: an older one in its place would pass.
    candidate = load(find(request.results, request.experiment, may_lack_result=True))
    sides = measured_of(candidate.experiment, candidate.runs)
    chosen = _choose(request, candidate)
    told = [chosen.finding] if chosen.finding else []
    checks = failures(sides)
    if candidate.end is None:
        text = "the candidate was cut short; these are the Runs it finished"
        told.append(Finding("warning", text))
    if chosen.check:
        checks.append(chosen.check)
    if chosen.stored:
        matched = match(
            measured_of(chosen.stored.experiment, chosen.stored.runs), sides, request.across
        )
        measured = [(a, b) for a, b in matched.pairs if b.runs]
        figures = judge_figures(measured, request.limits, request.wanted or GATED)
        checks = [*figures, *checks, *matched.checks]
        checks += _lacking(request, figures) if measured else []
        told += circumstances(chosen.stored.experiment, candidate.experiment)
    if request.limits.max_kl is not None:
        checks += _quality(request, sides, request.limits.max_kl, told)
    return GateResult(
        request=request,
        judgement=Judgement(tuple(checks), request.limits),
        candidate=_judged(candidate),
        baseline=_judged(chosen.stored) if chosen.stored else None,
        findings=tuple(told),
    )


def _judged(stored: StoredExperiment) -> JudgedExperiment:
    return JudgedExperiment(stored.experiment, len(stored.runs), stored.path)


def _lacking(request: GateRequest, figures: Sequence[Check]) -> list[Check]:
    """What was asked for by name and stands nowhere."""
    there = {check.metric for check in figures}
    return [
        unjudged("no-figure", f"neither side has {METRICS[metric].label}, which --metric asks for")
        for metric in request.wanted or ()
        if metric not in there
    ]


def _quality(
    request: GateRequest, sides: Sequence[Measured], max_kl: float, told: list[Finding]
) -> list[Check]:
    stored = list_qualities(request.results)
    problems = [each.problem for each in stored if each.problem]
    told += [Finding("warning", text) for text in some_of(problems)]
    return judge_quality(sides, [each.record for each in stored if each.record], max_kl)


def _choose(request: GateRequest, candidate: StoredExperiment) -> _Chosen:
    try:
        if request.baseline in ("latest", "best"):
            return _earlier(request, candidate)
        path = _named(request)
        if path is None:
            return _unsaved(request)
        stored = load(path)
    except SchemaTooNew as error:
        return _Chosen(check=unjudged("not-comparable", f"not comparable: {error}"))
    if stored.experiment.id == candidate.experiment.id:
        return _none(f"the baseline {request.baseline!r} is the candidate itself")
    return _Chosen(stored)


def _unsaved(request: GateRequest) -> _Chosen:
    """A name that was never kept is more often a slip than a first time."""
    text = (
        f"there is no baseline {request.baseline!r}. {offered(request.results)} "
        f"`harness baseline save {_name_for(request.baseline)}` keeps one for the next time"
    )
    if not request.may_be_missing:
        raise ResultsInvalid(f"T{text[1:]}; --missing pass lets the first time pass")
    return _none(text)


def _none(text: str) -> _Chosen:
    return _Chosen(check=unjudged("no-baseline", text))


def _name_for(word: str) -> str:
    """A name to save a baseline under: what was asked for, unless that is a path."""
    return "NAME" if _is_path(word) else word


def _is_path(word: str) -> bool:
    return "/" in word or "\\" in word or word.endswith(".jsonl")


def _named(request: GateRequest) -> Path | None:
    """The file that --baseline names: by path, as a baseline, or as an experiment."""
    word = request.baseline
    if is_file(word):
        return Path(word)
    if _is_path(word):
        return None
    path = baseline_path(request.results, word)
    if path.is_file():
        return path
    is_id = any(listing.id.startswith(word) for listing in list_experiments(request.results))
    return find(request.results, word) if is_id else None


def _earlier(request: GateRequest, candidate: StoredExperiment) -> _Chosen:
    """The newest or the best of the earlier experiments that could be a baseline."""
    found: list[StoredExperiment] = []
    reasons: list[str] = []
    for path in _paths_before(request.results, candidate):
        try:
            stored = load(path)
        except ResultsInvalid as error:
            reasons.append(str(error))
            continue
        sides = measured_of(stored.experiment, stored.runs)
        why = unlike(stored.experiment, candidate.experiment, request.across) or unusable(sides)
        if why:
            reasons.append(f"experiment {stored.experiment.id}: {why}")
            continue
        found.append(stored)
        if request.baseline == "latest":
            return _Chosen(stored)
    scored = [(headline_score(measured_of(each.experiment, each.runs)), each) for each in found]
    known = [(score, each) for score, each in scored if score is not None]
    if not known:
        if not reasons:
            return _none("there is no earlier experiment")
        return _none(f"no earlier experiment can be a baseline; of the newest, {reasons[0]}")
    scores = [score for score, _ in known]
    _, best = max(known, key=lambda pair: pair[0])
    return _Chosen(best, finding=_of_selection(scores))


def _of_selection(scores: Sequence[float]) -> Finding | None:
    if len(scores) < 2:
        return None
    text = (
        f"the baseline is the best of {len(scores)} experiments; if all were equally good, "
        f"selecting the best would make it look {units.percent(selection_bias(scores))} better "
        "than it is"
    )
    return Finding("warning", text)


def _paths_before(results: Path, candidate: StoredExperiment) -> list[Path]:
    """The files of earlier experiments, the newest first."""
    before = utc_time(candidate.experiment.started_at)
    return [
        listing.path
        for listing in reversed(list_experiments(results))
        if listing.experiment
        and listing.started_at
        and listing.started_at < before
        and listing.experiment.id != candidate.experiment.id
    ]
