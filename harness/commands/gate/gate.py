"""From what `harness gate` is asked to the judgement: the candidate and its baseline, found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import units
from harness.analysis.measured import Measured, measured_of
from harness.analysis.metrics import GATED, METRICS
from harness.commands.gate.baselines import baseline_path, offered
from harness.commands.gate.choose import headline_score, luck, unlike
from harness.commands.gate.divergence import judge_quality
from harness.commands.gate.judge import Check, Judgement, Limits, judge_figures, obstacle
from harness.commands.gate.match import circumstances, failures, match, unusable
from harness.commands.gate.words import Gated
from harness.errors import ResultsInvalid, SchemaTooNew
from harness.records.listing import find, list_experiments
from harness.records.quality import list_qualities
from harness.records.store import StoredExperiment, load, utc_time


@dataclass(frozen=True)
class Asked:
    """What is to be judged against what, and by which rules."""

    experiment: str
    baseline: str
    limits: Limits
    wanted: tuple[str, ...] | None
    across: tuple[str, ...]
    results: Path


@dataclass(frozen=True)
class _Chosen:
    """The baseline, or why there is none; `remark` says how it was chosen."""

    stored: StoredExperiment | None = None
    check: Check | None = None
    remark: str | None = None


def gate(asked: Asked) -> Gated:
    """
    The judgement of a stored experiment; a baseline that is missing or unlike is part of it.

    Raises:
        UsageError: What is asked of the baseline is no name.
        ResultsInvalid: There is no such candidate, or a file is damaged.
    """
    candidate = load(find(asked.results, asked.experiment))
    sides = measured_of(candidate.experiment, candidate.runs)
    chosen = _choose(asked, candidate)
    remarks = [chosen.remark] if chosen.remark else []
    checks = failures(sides)
    if candidate.end is None:
        remarks.append("the candidate was cut short; these are the Runs it finished")
    if chosen.check:
        checks.append(chosen.check)
    if chosen.stored:
        matched = match(
            measured_of(chosen.stored.experiment, chosen.stored.runs), sides, asked.across
        )
        measured = [(a, b) for a, b in matched.pairs if b.runs]
        figures = judge_figures(measured, asked.limits, asked.wanted or GATED)
        checks = [*figures, *checks, *matched.checks]
        checks += _lacking(asked, figures) if measured else []
        remarks += circumstances(chosen.stored.experiment, candidate.experiment)
    if asked.limits.max_kl is not None:
        checks += _quality(asked, sides, asked.limits.max_kl, remarks)
    return Gated(
        judgement=Judgement(tuple(checks), asked.limits),
        candidate=candidate.experiment,
        n_candidate_runs=len(candidate.runs),
        candidate_path=str(candidate.path),
        asked=asked.baseline,
        baseline=chosen.stored.experiment if chosen.stored else None,
        n_baseline_runs=len(chosen.stored.runs) if chosen.stored else 0,
        baseline_path=str(chosen.stored.path) if chosen.stored else None,
        remarks=tuple(remarks),
    )


def _lacking(asked: Asked, figures: Sequence[Check]) -> list[Check]:
    """What was asked for by name and stands nowhere."""
    there = {check.metric for check in figures}
    return [
        obstacle("no-figure", f"neither side has {METRICS[metric].label}, which --metric asks for")
        for metric in asked.wanted or ()
        if metric not in there
    ]


def _quality(
    asked: Asked, sides: Sequence[Measured], max_kl: float, remarks: list[str]
) -> list[Check]:
    stored = list_qualities(asked.results)
    n_broken = sum(each.record is None for each in stored)
    if n_broken:
        remarks.append(f"{n_broken} quality results cannot be read and are left out")
    return judge_quality(sides, [each.record for each in stored if each.record], max_kl)


def _choose(asked: Asked, candidate: StoredExperiment) -> _Chosen:
    try:
        if asked.baseline in ("latest", "best"):
            return _earlier(asked, candidate)
        path = _named(asked)
        if path is None:
            return _none(
                f"there is no baseline {asked.baseline!r}. {offered(asked.results)} "
                f"`harness baseline save {_name_for(asked.baseline)}` keeps one for the next time"
            )
        stored = load(path)
    except SchemaTooNew as error:
        return _Chosen(check=obstacle("not-comparable", f"not comparable: {error}"))
    if stored.experiment.id == candidate.experiment.id:
        return _none(f"the baseline {asked.baseline!r} is the candidate itself")
    return _Chosen(stored)


def _none(text: str) -> _Chosen:
    return _Chosen(check=obstacle("no-baseline", text))


def _name_for(word: str) -> str:
    """A name to save a baseline under: what was asked for, unless that is a path."""
    return "NAME" if _is_path(word) else word


def _is_path(word: str) -> bool:
    return "/" in word or "\\" in word or word.endswith(".jsonl")


def _named(asked: Asked) -> Path | None:
    """The file that --baseline names: by path, as a baseline, or as an experiment."""
    word = asked.baseline
    if Path(word).is_file():
        return Path(word)
    if _is_path(word):
        return None
    path = baseline_path(asked.results, word)
    if path.is_file():
        return path
    is_id = any(listing.id.startswith(word) for listing in list_experiments(asked.results))
    return find(asked.results, word) if is_id else None


def _earlier(asked: Asked, candidate: StoredExperiment) -> _Chosen:
    """The newest or the best of the earlier experiments that could be a baseline."""
    found: list[StoredExperiment] = []
    reasons: list[str] = []
    for path in _paths_before(asked.results, candidate):
        try:
            stored = load(path)
        except ResultsInvalid as error:
            reasons.append(str(error))
            continue
        sides = measured_of(stored.experiment, stored.runs)
        why = unlike(stored.experiment, candidate.experiment, asked.across) or unusable(sides)
        if why:
            reasons.append(f"experiment {stored.experiment.id}: {why}")
            continue
        found.append(stored)
        if asked.baseline == "latest":
            return _Chosen(stored)
    scored = [(headline_score(measured_of(each.experiment, each.runs)), each) for each in found]
    known = [(score, each) for score, each in scored if score is not None]
    if not known:
        if not reasons:
            return _none("there is no earlier experiment")
        return _none(f"no earlier experiment can be a baseline; of the newest, {reasons[0]}")
    scores = [score for score, _ in known]
    _, best = max(known, key=lambda pair: pair[0])
    return _Chosen(best, remark=_luck_text(scores))


def _luck_text(scores: Sequence[float]) -> str | None:
    if len(scores) < 2:
        return None
    return (
        f"the baseline is the best of {len(scores)} experiments; if all were equally good, luck "
        f"would make the best of so many look {units.percent(luck(scores))} better than it is"
    )


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
