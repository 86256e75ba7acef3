"""The parts of the document that `harness report` writes, as far as the results hold them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from harness.commands.report.head import about, head, method
from harness.commands.report.ratios import ratios_page
from harness.commands.report.report import ReportResult
from harness.report.depth_page import depth_page
from harness.report.fleet_page import fleet_page
from harness.report.frontier_page import frontier_page
from harness.report.history_page import history_page
from harness.report.html import Section
from harness.report.latency_page import itl_page, sustain_page
from harness.report.measured_page import MeasuredResult
from harness.report.memory_page import memory_page
from harness.report.page import Page
from harness.report.parallel_page import parallel_page
from harness.report.predicted_page import predicted_page
from harness.report.rates_page import rates_page
from harness.report.roofline_page import roofline_page
from harness.report.scope import Scope, scopes
from harness.report.serving_page import serving_page
from harness.report.speculation_page import guessing_page
from harness.report.trimmed import believable
from harness.report.turns_page import turns_page
from harness.report.typed_command import command_line, measuring_command
from harness.report.users_page import users_page
from harness.report.verdict_page import verdict_page
from harness.report.verification_page import cost_page
from harness.schema.settings import settings_text

# More commands than these below one section nobody reads.
_MOST_COMMANDS = 5


def sections(result: ReportResult) -> tuple[Section, ...]:
    """All that the results say: the conclusion, the pictures with their tables, and the method."""
    found = scopes(result.groups)
    shown = _showing(result.measured)
    measured = _measuring(result.measured)
    each: tuple[tuple[str, Callable[[], Page], Sequence[str]], ...] = (
        ("", partial(head, result, found), ()),
        ("Machines", partial(_machines, result), _machine_commands(result)),
        ("Verdicts", partial(verdict_page, found), shown),
        ("How far to trust it", partial(about, result), shown),
        ("Speed", _of_each(rates_page, found), measured),
        ("Speed over context depth", _of_each(depth_page, found), measured),
        ("What a batch costs", _of_each(cost_page, found), measured),
        ("Guessing ahead", _of_each(guessing_page, found), measured),
        ("Several sequences together", _of_each(parallel_page, found), measured),
        ("Several users", _of_each(users_page, found), measured),
        ("Conversations", _of_each(turns_page, found), measured),
        ("What serving costs", _of_each(serving_page, found), measured),
        ("Memory", _of_each(memory_page, found), measured),
        ("Quantizations", _of_each(_frontier(result), found), _scoring(result)),
        ("Inter-token latency", _of_each(itl_page, found), measured),
        ("Sustained generation", _of_each(sustain_page, found), measured),
        ("Bandwidth", _of_each(roofline_page, found), measured),
        ("Predicted and measured", _of_each(predicted_page, found), ("harness fit --audit",)),
        ("Compared", partial(ratios_page, result.measured), _comparing(result.measured)),
        ("Over time", _of_each(history_page, found), shown),
        ("Method", partial(method, found), ()),
    )
    made = (Section(title, believable(page), tuple(commands)) for title, page, commands in each)
    return tuple(section for section in made if section.page)


def _machines(result: ReportResult) -> Page:
    return fleet_page(result.machines) if result.machines else ()


def _machine_commands(result: ReportResult) -> list[str]:
    keys = (it.model.key for it in result.machines.standings) if result.machines else ()
    return _some(command_line("compare", key, options=("--across", "machine")) for key in keys)


def _of_each(page: Callable[[Scope], Page], found: Sequence[Scope]) -> Callable[[], Page]:
    """The same of every machine, one below the other."""
    return lambda: tuple(part for scope in found for part in page(scope))


def _frontier(result: ReportResult) -> Callable[[Scope], Page]:
    return lambda scope: frontier_page(scope, result.qualities)


def _showing(measured: Sequence[MeasuredResult]) -> list[str]:
    return _some(command_line("show", it.experiment.id) for it in measured)


def _measuring(measured: Sequence[MeasuredResult]) -> list[str]:
    return _some(measuring_command(it.experiment) for it in measured)


def _comparing(measured: Sequence[MeasuredResult]) -> list[str]:
    return _some(_comparison(it) for it in measured if len(it.groups) > 1)


def _comparison(measured: MeasuredResult) -> str:
    """Of the first two; each selector means its side alone."""
    plan = measured.experiment.plan
    of_experiment = f"experiment={measured.experiment.id}"
    sides = [
        ", ".join(
            filter(None, (it.model.key, settings_text(it.settings, plan.settings), of_experiment))
        )
        for it in measured.groups[:2]
    ]
    return command_line("compare", *sides, options=("--stored",))


def _scoring(result: ReportResult) -> list[str]:
    """The scores; then the page of the command that weighs them."""
    scored = (
        command_line("quality", it.model.key, options=("--reference", it.reference.key))
        for it in result.qualities
        if it.reference
    )
    names = {it.model.key.partition(":")[0] for it in result.qualities}
    return [*_some(scored), *_some(command_line("frontier", it) for it in sorted(names))]


def _some(commands: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(commands))[:_MOST_COMMANDS]
