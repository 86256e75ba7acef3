"""Machines side by side as a page: who leads in what, the figures, and what else differs."""

from __future__ import annotations

from dataclasses import replace

from harness import units
from harness.analysis.standings import Standings, machines_in
from harness.commands.compare.across import AcrossResult
from harness.report import legend
from harness.report.machines_page import machines_for_people, machines_pictures, machines_table
from harness.report.machines_words import (
    EXPLAINED,
    best_sentences,
    differing,
    machine_facts,
    missing,
    names_of,
)
from harness.report.machines_words import warnings_page as _warnings
from harness.report.page import Column, Page, explanation, notes


def title(result: AcrossResult) -> str:
    """What is set side by side."""
    first, *others = dict.fromkeys(each.model.key for each in result.found.standings)
    more = f" and {len(others)} more" if others else ""
    n_machines = len(machines_in(result.found.standings))
    return f"{first}{more} on {units.counted(n_machines, 'machine')}"


def across_page(result: AcrossResult, *, is_wide: bool, is_whole: bool) -> Page:
    """
    Who leads in what, what the machines are, a row for each in every figure, what differs.

    `is_wide`: lines have room for the machines' whole names. `is_whole`: every machine has its row.
    """
    found = result.found
    names, rows = names_of(found, is_wide=True), names_of(found, is_wide=is_wide)
    whole = machines_table(found.standings, names, found.machines, is_whole=True)
    columns = tuple(Column(None, it.key) for it in whole.columns)
    threshold = units.percent(result.threshold)
    return (
        *notes(best_sentences(found.standings, names)),
        machine_facts(found, names),
        *differing(found, names),
        machines_for_people(found.standings, rows, found.machines, is_whole=is_whole),
        replace(whole, columns=columns),
        *notes(legend.range_line() if any(map(_has_range, found.standings)) else ""),
        *missing(found, names),
        *explanation(
            [
                EXPLAINED,
                f"A verdict needs the whole interval: within {threshold} it is the same, beyond it "
                "a difference, across it nothing can be told.",
            ]
        ),
    )


def pictures(result: AcrossResult) -> Page:
    """Of each workload all machines, by their whole names."""
    names = names_of(result.found, is_wide=True)
    return tuple(machines_pictures(result.found.standings, names, "machines"))


def warnings_page(result: AcrossResult) -> Page:
    """What the figures of each machine may be off by."""
    return _warnings(result.found, names_of(result.found, is_wide=True))


def _has_range(standings: Standings) -> bool:
    return any(row.figure and row.figure.kind == "range" for row in standings.rows)
