"""Pages as they are written, of stored examples and of names that somebody made to do harm."""

from __future__ import annotations

from pathlib import Path

from make.pictures import ALL

from harness.records.store import load
from harness.report import charts
from harness.report.html import Section, document
from harness.report.measured_page import (
    MeasuredResult,
    measured_aside,
    measured_page,
    measured_result,
)
from harness.report.page import Column, Facts, Judged, Note, Page, Table
from harness.schema.figure import Figure

EXAMPLES = Path(__file__).resolve().parents[2] / "results" / "examples"
HOSTILE = (
    "<script>document.title='run'</script>",
    "</svg></style></table><h1>forged</h1>",
    "\"quoted\" 'and' `so on`",
    "right\u202eto\u2066left\u05d0\u05d1",
    "m" * 300,
    "<img src=x onerror=alert(1)>",
    "a\nb\x1b[31m",
)


def examples() -> list[MeasuredResult]:
    """What lies in results/examples."""
    found = []
    for path in sorted(EXAMPLES.glob("*.jsonl")):
        stored = load(path)
        stops = stored.end.stops if stored.end else ()
        found.append(measured_result(stored.experiment, stored.runs, stops, path))
    return found


def measured(result: MeasuredResult) -> str:
    """An experiment as a document."""
    page = (*measured_page(result, is_full=True), *measured_aside(result))
    return document("Measured", [Section("", page, ("harness show latest",))])


def hostile_page(name: str) -> Page:
    """A page with that name wherever a name may stand."""
    figure = Figure(310.0, 300.0, 320.0, "tok/s", "interval", 6)
    columns = (
        Column(name),
        Column("tok/s", "", "right", interval="95 % interval"),
        Column("verdict"),
        Column("", align="right"),
    )
    rows = tuple((name, figure, Judged(name, status, kind=name), 1) for status in ("pass", "error"))
    return (
        Note((name, name)),
        Note((name,), "warning", name),
        Note((name,), "finding"),
        Facts(((name, name), ("path", Path(name))), name),
        Table(columns, rows, name, (name,)),
        Table(columns, rows, name, is_grouped=True),
        Table(columns, (), name),
    )


def hostile() -> str:
    """All of them, in sections that have their names."""
    sections = [Section(name, hostile_page(name), (name,)) for name in HOSTILE]
    return document(HOSTILE[0], [*sections, Section("", hostile_page(HOSTILE[1]))])


def pictured() -> str:
    """A page with every kind of picture."""
    return document("Pictures", [Section("Drawn", ALL)], charts.svg)
