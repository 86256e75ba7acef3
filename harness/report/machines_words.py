"""Machines side by side in words: who leads, what they are, what differs and what is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from harness import units
from harness.analysis.courses import Difference
from harness.analysis.standings import Standings, machines_in
from harness.report.cells import text_of
from harness.report.columns import cut
from harness.report.machine_names import machine_text, short_names
from harness.report.machines_page import MOST_ROWS, Names, of_text
from harness.report.page import Facts, Note, Page, notes
from harness.report.ratios import verdict_word
from harness.report.side_by_side import SideBySide
from harness.schema.settings import option_name

# With a ratio and both intervals beside it a line has 80 columns.
_NAME = 14
_THREADS = option_name("n_threads")
# A sentence names so many machines, a note has so many lines; of more they are counted.
_N_NAMED, _MOST_LINES = 6, 8

EXPLAINED = (
    "The median is over Runs; n counts them. The ratio is of the geometric means over Runs: the "
    "machine's by the baseline's. Machines never share a round, so its interval is Welch's of two "
    "means of logarithms: it knows how far the Runs of each machine differ, not what else changed "
    "on either from one day to the next."
)


def names_of(found: SideBySide, *, is_wide: bool) -> dict[int, str]:
    """
    Machines in a few words: what whoever measured calls them, else numbers and processors.

    `is_wide`: a line has room for all of a name.
    """
    shown = sorted(machines_in(found.standings))
    short = short_names([found.machines[at] for at in shown])
    if all(found.machines[at].host for at in shown):
        return dict(zip(shown, short, strict=True))
    numbered = [f"{number} {name}" for number, name in enumerate(short, start=1)]
    cuts = numbered if is_wide else [cut(it, _NAME) for it in numbered]
    return dict(zip(shown, cuts, strict=True))


def best_sentences(standings: Sequence[Standings], names: Names) -> list[str]:
    """Who leads, and whether that can be told, in what each workload is judged by."""
    judged = [each for each in standings if each.is_headline] or standings
    is_one = len({each.name for each in judged}) == 1
    shown = judged if is_one else writing_standings(judged)
    return _first([_best(each, names) for each in shown])


def writing_standings(standings: Sequence[Standings]) -> list[Standings]:
    """Of each model the first workload in which it writes, else its first."""
    writing = [it for it in standings if it.is_headline and it.workload.startswith("tg")]
    first = {each.name: each for each in (*reversed(standings), *reversed(writing))}
    return [first[name] for name in dict.fromkeys(each.name for each in standings)]


def machine_facts(found: SideBySide, names: Names) -> Facts:
    """What each machine is; of many how many there are of each processor."""
    if len(names) > MOST_ROWS:
        kinds = Counter(found.machines[at].facts.cpu for at in names)
        counted = [f"{n} x {cpu}" for cpu, n in kinds.most_common(_MOST_LINES)]
        more = ["others"] if len(kinds) > _MOST_LINES else []
        return Facts(((f"{len(names)} machines", ", ".join([*counted, *more])),))
    experiments: dict[int, dict[str, None]] = {}
    for each in found.standings:
        for row in each.rows:
            experiments.setdefault(row.entry.machine, {})[row.entry.source.experiment] = None
    items = []
    for at, name in names.items():
        facts = found.machines[at].facts
        ids = f"experiment {', '.join(experiments[at])}"
        first = name if found.machines[at].host else name.split()[0]
        items.append((first, " · ".join((machine_text(facts), f"machine {facts.id}", ids))))
    return Facts(tuple(items))


def differing(found: SideBySide, names: Names) -> Page:
    """What else than the hardware is not the same on all, which a reader must know."""
    grave = [_difference(it, names) for it in found.differences if it.fact != _THREADS]
    own = [_difference(it, names) for it in found.differences if it.fact == _THREADS]
    return (
        *((Note(tuple(_first(grave)), "warning"),) if grave else ()),
        *notes(own, level="finding"),
    )


def difference_texts(found: SideBySide, names: Names) -> list[str]:
    """The same, a sentence each."""
    return [_difference(it, names) for it in found.differences]


def missing(found: SideBySide, names: Names) -> Page:
    """Why a figure is missing, what only one machine has, and what nobody could choose."""
    told: dict[str, dict[str, None]] = {}
    for each in found.standings:
        for row in each.rows:
            if row.note:
                text = f"{of_text(each)}: {row.note}"
                told.setdefault(text, {})[names[row.entry.machine]] = None
    lines = [f"{_listed([*machines])}: {text}." for text, machines in told.items()]
    lone = {course.name: None for course in found.courses.lone if course.workload}
    both = {each.name for each in found.standings}
    alone = [name for name in lone if name not in both]
    if alone:
        lines.append(f"Measured on one machine alone: {_listed(alone)}.")
    for it in found.courses.ambiguous:
        which = found.machines[it.machine].host or found.machines[it.machine].facts.id
        among = "; ".join(it.settings[:_N_NAMED])
        lines.append(f"{which} has {it.model} under several settings: {among}. Name one of them.")
    if found.n_older:
        older = units.counted(found.n_older, "older experiment")
        lines.append(f"{older} of the same machines left out; the newest counts.")
    return notes(_first(lines))


def warnings_page(found: SideBySide, names: Names) -> Page:
    """What the figures of each machine may be off by."""
    by_text: dict[str, list[str]] = {}
    for machine, text in found.warnings:
        name = names.get(machine, found.machines[machine].facts.id)
        by_text.setdefault(text, []).append(name)
    return notes(_first([f"{_listed(machines)}: {text}" for text, machines in by_text.items()]))


def _best(standings: Standings, names: Names) -> str:
    known = standings.known
    if not known:
        return f"{of_text(standings)}: no machine has a figure."
    best = known[0]
    said = f"{of_text(standings)}: {names[best.entry.machine]} leads with {text_of(best.figure)}"
    if len(known) == 1:
        return f"{said}; no other machine has a figure."
    lead, second = standings.lead, names[known[1].entry.machine]
    if lead is None:
        return f"{said}; {second} follows."
    match lead.verdict:
        case "same":
            return f"{said}; {second} is the same to within {units.percent(lead.threshold)}."
        case "inconclusive":
            close = text_of(known[1].figure)
            return f"{said}; whether {second} with {close} differs is inconclusive."
        case _:
            word = verdict_word(standings.metric, lead)
            return f"{said}, {units.factor(lead.ratio)} times {second}: {word}."


def _difference(difference: Difference, names: Names) -> str:
    known = _known(difference.machines, names)
    parts = [f"{value} on {_listed(machines)}" for value, machines in known.items()]
    said = f"{difference.fact}: {'; '.join(parts)}"
    if difference.fact == _THREADS:
        return f"{said}. Each machine's own unless they were typed."
    return f"{said}."


def _known(machines: Mapping[str, Sequence[int]], names: Names) -> dict[str, list[str]]:
    return {
        value: [names[at] for at in numbers if at in names] for value, numbers in machines.items()
    }


def _listed(names: Sequence[str]) -> str:
    if len(names) > MOST_ROWS:
        return f"{len(names)} machines"
    n_more = len(names) - _N_NAMED
    return ", ".join(names[:_N_NAMED]) + (f" and {n_more} more" if n_more > 0 else "")


def _first(lines: Sequence[str]) -> list[str]:
    n_more = len(lines) - _MOST_LINES
    return [*lines[:_MOST_LINES], f"{n_more} more: --json"] if n_more > 0 else [*lines]
