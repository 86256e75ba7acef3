"""The claim's conclusion in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness import units
from harness.commands.claim.conclusion import Answer, Conclusion, Row, Runnable, Side

_PEOPLE = {"CN": "Chinese", "US": "American"}
_ANSWERS: dict[Answer, str] = {
    "yes": "Yes",
    "perhaps": "Perhaps",
    "no": "No",
    "mixed": "In part",
    "unknown": "Not known",
}


@dataclass(frozen=True, slots=True)
class _Counts:
    n: int
    n_runnable: int
    n_workstation: int
    n_unknown: int


def sentences(conclusion: Conclusion) -> list[str]:
    """What the table says of the claim: size, what a consumer can run, the models it names."""
    chinese, american = conclusion.chinese, conclusion.american
    return [
        _larger(conclusion),
        *(_runnable(side) for side in (chinese, american) if side.models),
        *(["; ".join(map(_named, conclusion.named)) + "."] if conclusion.named else []),
        _judgement(conclusion),
    ]


def _larger(conclusion: Conclusion) -> str:
    sides = (conclusion.chinese, conclusion.american)
    if conclusion.are_larger == "unknown":
        return "Whether the leading Chinese models are larger cannot be told from these rows."
    medians = " against ".join(
        f"{units.count(side.median_leading or 0)} ({_PEOPLE[side.country]}, "
        f"{len(side.leading)} {'lab' if len(side.leading) == 1 else 'labs'})"
        for side in sides
    )
    largest = " against ".join(_sized(side.leading[0]) for side in sides)
    everything = " against ".join(units.count(side.median_all or 0) for side in sides)
    n_unknown = sum(side.n_unknown for side in sides)
    left_out = f" {n_unknown} of unknown size are left out." if n_unknown else ""
    return (
        "Are the leading Chinese open-weight models larger than the American ones? "
        f"{_ANSWERS[conclusion.are_larger]}. The largest model of each lab has a median of "
        f"{medians} parameters; the largest of all are {largest}; the median of all models is "
        f"{everything}.{left_out}"
    )


def _runnable(side: Side) -> str:
    leading = _count(side.leading_with_reach("consumer", "workstation", "none", "unknown"))
    every = _count(side.models)
    best = {model.row.model for model in side.leading_with_reach("consumer")}
    people = _PEOPLE[side.country]
    others = [
        model.row.model for model in side.with_reach("consumer") if model.row.model not in best
    ]
    return (
        f"Of {leading.n} leading {people} models {leading.n_runnable} "
        f"{'is' if leading.n_runnable == 1 else 'are'} usable or better on a consumer machine"
        f"{_listed(sorted(best))}, {leading.n_workstation} only on a workstation"
        f"{_not_known(leading)}; of all {every.n} {people} ones {every.n_runnable}, "
        f"{every.n_workstation} only on a workstation{_not_known(every)}"
        f"{'. The others for consumers: ' + ', '.join(others) if others else ''}."
    )


def _listed(names: Sequence[str]) -> str:
    return f" ({', '.join(names)})" if names else ""


def _count(models: Sequence[Runnable]) -> _Counts:
    reaches = [model.reach for model in models]
    return _Counts(
        len(models),
        reaches.count("consumer"),
        reaches.count("workstation"),
        reaches.count("unknown"),
    )


def _not_known(counts: _Counts) -> str:
    return f", {counts.n_unknown} not known" if counts.n_unknown else ""


def _named(model: Runnable) -> str:
    """The model, the smallest machine it runs well on, and what shows it."""
    name = model.row.model
    if model.cell is None or model.cell.verdict is None:
        why = "not known" if model.reach == "unknown" else "runs on none of these machines"
        return f"{name}: {why}"
    verdict = model.cell.verdict
    where = f"{verdict.text} on {model.cell.machine}"
    limit = "" if model.reach == "consumer" else ", on no consumer machine"
    before = [cell.machine for cell in model.perhaps]
    perhaps = f", perhaps on {' and '.join(before)} already" if before else ""
    return f"{name}: {where}{limit} ({verdict.evidence}: {verdict.reason}){perhaps}"


def _judgement(conclusion: Conclusion) -> str:
    larger, runnable = conclusion.are_larger, conclusion.are_named_runnable
    n_predicted = conclusion.evidence.get("predicted", 0)
    n_all = sum(conclusion.evidence.values())
    basis = f"{n_predicted} of {n_all} verdicts are predictions, the others were taken here."
    if n_predicted == n_all:
        basis = f"All {n_all} verdicts are predictions."
    if larger == runnable == "yes":
        verdict = "The claim holds in both parts"
    elif {larger, runnable} <= {"no"}:
        verdict = "The claim holds in neither part"
    else:
        verdict = (
            f"The claim, in its parts: leading Chinese models larger: {_ANSWERS[larger].lower()}; "
            f"the named American models for consumers: {_ANSWERS[runnable].lower()}"
        )
    return f"{verdict}. {basis}"


def _sized(row: Row) -> str:
    return f"{row.model} ({units.count(row.n_params or 0)})"
