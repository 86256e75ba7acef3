"""What `harness report` says of the page it wrote."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness import units
from harness.commands.report.head import left_out
from harness.commands.report.report import ReportResult
from harness.commands.report.write import Written
from harness.report.page import Cell, Column, Note, Page, Table, notes
from harness.report.scope import scopes
from harness.report.trimmed import trimmed
from harness.report.verdict_page import MOST_BESIDE, conclusion


@dataclass(frozen=True, slots=True)
class ReportDocument:
    """
    The page that was written.

    Attributes:
        path: Of the HTML file.
        n_bytes: Its size.
        sections: Their titles, in order.
        pictures: Files of single pictures, where they were asked for.
        experiments: Ids of those that are shown, the newest first.
        machines: Ids of the machines they were measured on.
        n_cases: How many cases are shown.
        n_cases_left: Older ones, for which there was no room.
        conclusion: A sentence for each machine.
        problems: On each file that was passed over, and why.
    """

    path: Path
    n_bytes: int
    sections: tuple[str, ...]
    pictures: tuple[Path, ...]
    experiments: tuple[str, ...]
    machines: tuple[str, ...]
    n_cases: int
    n_cases_left: int
    conclusion: tuple[str, ...]
    problems: tuple[str, ...]


_FLAT = tuple(Column(None, key) for key in ("path", "n_bytes", "n_cases", "n_cases_left"))


def page(result: ReportResult, written: Written) -> Page:
    """The conclusion, and where the page is."""
    row: tuple[Cell, ...] = (written.path, written.n_bytes, result.n_cases, result.n_cases_left)
    return trimmed(
        (
            Note(_conclusion(result)),
            Note(
                (f"Report: {written.path}", *(f"Picture: {it}" for it in written.pictures)),
                is_whole=True,
            ),
            Table(_FLAT, (row,)),
        )
    )


def _conclusion(result: ReportResult) -> tuple[str, ...]:
    found = scopes(result.groups)
    n_more = len(found) - MOST_BESIDE
    more = (f"{units.counted(n_more, 'more machine')}: see the page.",) if n_more > 0 else ()
    return (*conclusion(found[:MOST_BESIDE]), *more)


def hint(result: ReportResult) -> Page:
    """What is not in it."""
    return notes(list(left_out(result)))


def report_document(result: ReportResult, written: Written) -> ReportDocument:
    """The same for programs."""
    found = scopes(result.groups)
    return ReportDocument(
        path=written.path,
        n_bytes=written.n_bytes,
        sections=written.sections,
        pictures=written.pictures,
        experiments=tuple(it.experiment.id for it in result.measured),
        machines=tuple(scope.machine.id for scope in found),
        n_cases=result.n_cases,
        n_cases_left=result.n_cases_left,
        conclusion=conclusion(found),
        problems=result.problems,
    )
