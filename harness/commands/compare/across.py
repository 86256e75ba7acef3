"""`harness compare --across machine`: stored results of several machines, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness import units
from harness.analysis.courses import courses_of
from harness.analysis.roster import Entrant
from harness.analysis.standings import Rules, machines_in
from harness.commandline.output import ANSWERING
from harness.errors import NotComparable, ResultsInvalid, UsageError
from harness.models.aliases import names_in_records
from harness.records.chosen import choose
from harness.records.store import StoredExperiment, load
from harness.report.machine_names import machine_names, machine_text
from harness.report.side_by_side import SideBySide, side_by_side

MACHINE = "machine"

# Of the options, those that it has a use for; the rest says how to measure.
_USED = {
    *("what", "threshold", "wanted", "across", "baseline", "is_all", "results", "explain"),
    *ANSWERING,
}
# So many machines, or models, a sentence names.
_N_NAMED = 3


@dataclass(frozen=True, slots=True)
class AcrossRequest:
    """
    Whose results are set side by side, and by which rules.

    `metrics` None are the usual ones, `baseline` None is the first machine, `across` what beside
    the machine may differ.
    """

    selectors: tuple[str, ...]
    results: Path
    threshold: float
    metrics: tuple[str, ...] | None
    across: tuple[str, ...]
    baseline: str | None


@dataclass(frozen=True, slots=True)
class AcrossResult:
    """Machines side by side; `baseline` is the number of one that was asked for."""

    found: SideBySide
    threshold: float
    baseline: int | None
    problems: tuple[str, ...]


def require_stored(typed: Mapping[str, str]) -> None:
    """
    Nothing, if no option is typed that says how to measure.

    Raises:
        UsageError: One is.
    """
    for name, option in typed.items():
        if name not in _USED:
            raise UsageError(
                f"{option} is for measuring, and --across {MACHINE} sets stored results side by "
                "side; what several machines measure is up to `harness run` on each"
            )


def compare_machines(request: AcrossRequest) -> AcrossResult:
    """
    What several machines measured of the same models in the same workloads.

    Raises:
        NotComparable: They are of one machine, or have nothing in common.
        ResultsInvalid: Nothing is stored, or a selector means none of it.
        UsageError: A selector that is none, or a baseline that is not one machine of these.
    """
    chosen = choose(request.selectors, request.results, names_in_records)
    problems = list(chosen.problems)

    def read(path: Path) -> StoredExperiment | None:
        try:
            stored = load(path)
        except ResultsInvalid as error:
            problems.append(str(error))
            return None
        if stored.n_torn or stored.end is None:
            problems.append(
                f"Experiment {stored.experiment.id} was cut short; the Runs it finished are shown."
            )
        return stored

    rules = Rules(request.threshold, request.metrics)
    found = side_by_side(
        chosen.newest_first(),
        [case.experiment for case in chosen.cases],
        read,
        rules,
        request.across,
    )
    _require_several(found, len({case.experiment.id for case in chosen.cases}))
    baseline = None
    if request.baseline is not None:
        baseline = _baseline(found, request.baseline)
        found = found.ranked(replace(rules, baseline=baseline))
    return AcrossResult(found, request.threshold, baseline, tuple(dict.fromkeys(problems)))


def _require_several(found: SideBySide, n_experiments: int) -> None:
    if len(found.machines) == 1:
        facts = found.machines[0].facts
        raise NotComparable(
            f"{units.counted(n_experiments, 'experiment')} of one machine, {facts.id} "
            f"({facts.cpu}): there is no other to set beside it. Name results of others, by files "
            "or folders. (Machines of one make have one id.)"
        )
    if not found.courses.common:
        raise NotComparable(
            f"{len(found.machines)} machines have no model, settings and workload in common: "
            f"{_lone(found)}. {_advice(found)}"
        )


def _lone(found: SideBySide) -> str:
    """What some of the machines have, each alone."""
    names = machine_names(found.machines)
    models: dict[int, dict[str, None]] = {}
    for course in found.courses.lone:
        for entry in course.entries:
            models.setdefault(entry.machine, {})[course.name] = None
    parts = [f"{names[at]} has {_some([*keys])}" for at, keys in models.items()]
    return _some(parts, "; ")


def _some(texts: Sequence[str], between: str = ", ") -> str:
    n_more = len(texts) - _N_NAMED
    return between.join(texts[:_N_NAMED]) + (f" and {n_more} more" if n_more > 0 else "")


def _advice(found: SideBySide) -> str:
    entries = [entry for course in found.courses.lone for entry in course.entries]
    if courses_of(entries, ("settings", "evidence")).common:
        return "Where settings may differ too: --across machine,settings"
    return "Measure the same models and workloads on each"


def _baseline(found: SideBySide, text: str) -> int:
    """The machine that `text` means: its host's name, the beginning of its id, or of its name."""
    there = sorted(machines_in(found.standings))
    meant = [at for at in there if found.machines[at].host == text] or [
        at for at in there if _is_meant(found.machines[at], text.lower())
    ]
    if len(meant) == 1:
        return meant[0]
    names = machine_names(found.machines)
    what = "no machine" if not meant else f"{len(meant)} machines"
    listed = "; ".join(
        f"{found.machines[at].facts.id} is {names[at]}" for at in (meant or there)[:10]
    )
    raise UsageError(f"--baseline {text!r} means {what} of these: {listed}")


def _is_meant(machine: Entrant, text: str) -> bool:
    facts = machine.facts
    return bool(text) and (facts.id.lower().startswith(text) or text in machine_text(facts).lower())
