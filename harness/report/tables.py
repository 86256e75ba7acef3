"""Results as text: tables for people (plain, github) and flat figures for programs (csv, tsv)."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tabulate import tabulate

from harness import units
from harness.analysis import energy, legend
from harness.analysis.metrics import METRICS
from harness.analysis.summary import CaseSummary, GroupSummary
from harness.report.text import harmless, kind_text, markdown, wrapped
from harness.schema.figure import Figure
from harness.schema.settings import settings_text

Format = Literal["plain", "github", "csv", "tsv"]

_HEADER = ("workload", "metric", "median", "95 % interval", "n")
_FLAT_HEADER = (
    *("model", "quantization", "settings", "workload", "metric", "unit"),
    *("median", "low", "high", "n", "kind", "outcome", "evidence"),
)


@dataclass(frozen=True, slots=True)
class Row:
    """
    One figure of one group, or one sentence on a workload that has none.

    `workload` is empty for what concerns the whole group; `metric` is a name of
    `analysis.metrics.METRICS` and empty in a sentence's row.
    """

    workload: str
    metric: str = ""
    figure: Figure | None = None
    note: str = ""


def render(groups: Sequence[GroupSummary], format: Format = "plain") -> str:
    """
    The table as text, without a line break at the end.

    "plain" fits 80 columns: one block for each model and Settings, then the formulas. "github"
    is one Markdown table. "csv" and "tsv" are raw numbers in ns, bytes, tok/s: one line for each
    model, Settings, workload and metric.
    """
    if format == "plain":
        return _plain(groups)
    if format == "github":
        return _github(groups)
    return _flat(groups, "," if format == "csv" else "\t")


def rows(group: GroupSummary) -> list[Row]:
    """All rows of one group: its workloads' figures, sentences on failures, the group's own."""
    found: list[Row] = []
    for case in group.cases:
        found += [Row(case.workload, name, figure) for name, figure in case.metrics.items()]
    for case in group.cases:
        note = _note(case)
        if note:
            found.append(Row(case.workload, note=note))
    found += [Row("", name, figure) for name, figure in group.metrics.items()]
    return found


def heading(group: GroupSummary, groups: Sequence[GroupSummary]) -> str:
    """What a group is: model, quantization, size, and how its Settings differ from the others'."""
    model = group.model
    parts = [
        model.key,
        model.quantization,
        units.file_size(model.n_bytes),
        *(["rehearsed"] if model.is_twin else []),
        *(["imported from llama-bench"] if group.origin == "llama-bench" else []),
        settings_text(group.settings, [other.settings for other in groups]),
        *([f"on {', '.join(group.gpus)}"] if group.gpus else []),
    ]
    return harmless(" · ".join(parts))


def _note(case: CaseSummary) -> str:
    if case.outcome.status != "ok":
        word = "failed" if case.outcome.status == "failed" else "not run"
        kept = f" Figures are from {_runs(case.n_runs)} that had trials." if case.metrics else ""
        return harmless(f"{word}: {case.outcome.message or case.outcome.reason or 'unknown'}{kept}")
    if case.disturbed:
        name, figure = next(iter(case.disturbed.items()))
        value = units.quantity(figure.value, figure.unit)
        return (
            f"no clean trial in {_runs(case.n_runs)}; while others used the CPU: "
            f"{METRICS[name].label} {value} (n = {figure.n})"
        )
    if case.n_runs_without_value:
        return f"{case.n_runs_without_value} of {_runs(case.n_runs)} had no clean trial"
    return ""


def _runs(n: int) -> str:
    return f"{n} Run" if n == 1 else f"{n} Runs"


def _plain(groups: Sequence[GroupSummary]) -> str:
    lines: list[str] = []
    for group in groups:
        of_group = rows(group)
        lines += [*wrapped(heading(group, groups)), ""]
        lines += _table([_cells(row) for row in of_group if row.figure])
        lines += _sentences([row for row in of_group if row.note] + _missing(group))
        lines.append("")
    for sentence in _legend(groups):
        lines += wrapped(sentence)
    return "\n".join(lines).rstrip()


def _missing(group: GroupSummary) -> list[Row]:
    """Why a figure that a reader may look for is not there."""
    return [
        Row(case.workload, note=f"no {METRICS[metric].label}: {harmless(reason)}")
        for case in group.cases
        for metric, reason in case.not_applicable.items()
        # Most machines have no counter that may be read; that is not worth a line in each table.
        if metric != energy.METRIC
    ]


def _legend(groups: Sequence[GroupSummary]) -> list[str]:
    shown = [(row.metric, row.figure) for group in groups for row in rows(group) if row.figure]
    return legend.lines(
        [metric for metric, _ in shown],
        has_range=any(figure.kind == "range" for _, figure in shown),
        has_doubt=any(_is_doubtful(metric, figure) for metric, figure in shown),
        energies=dict.fromkeys(
            harmless(case.energy.text)
            for group in groups
            for case in group.cases
            if energy.METRIC in case.metrics
        ),
    )


def _table(cells: list[tuple[str, ...]]) -> list[str]:
    if not cells:
        return []
    text = tabulate(
        cells,
        headers=_HEADER,
        tablefmt="simple",
        disable_numparse=True,
        colalign=("left", "left", "right", "left", "right"),
    )
    return [line.rstrip() for line in text.splitlines()]


def _sentences(notes: Sequence[Row]) -> list[str]:
    """Sentences behind their workloads; one that concerns several is said once."""
    workloads: dict[str, list[str]] = {}
    for row in notes:
        workloads.setdefault(row.note, []).append(row.workload)
    lines: list[str] = []
    for note, names in workloads.items():
        lines += wrapped(note, lead=f"{harmless(', '.join(names))}  ")
    return lines


def _cells(row: Row) -> tuple[str, ...]:
    assert row.figure is not None
    figure = row.figure
    median = units.quantity(figure.value, figure.unit)
    name = METRICS[row.metric].label
    workload = harmless(row.workload) or METRICS[row.metric].topic
    n = "–" if figure.kind == "exact" else str(figure.n)
    return workload, name, median, _interval(row.metric, figure), n


def _interval(metric: str, figure: Figure) -> str:
    if figure.kind == "exact":
        return "exact"
    low, high = (units.quantity(value, figure.unit) for value in figure.bounds)
    text = "–" if figure.n == 1 else f"{low} – {high}"
    mark = legend.RANGE_MARK if figure.kind == "range" else ""
    return text + mark + (legend.DOUBT_MARK if _is_doubtful(metric, figure) else "")


def _is_doubtful(metric: str, figure: Figure) -> bool:
    most = METRICS[metric].most
    return most is not None and figure.value > most


def _github(groups: Sequence[GroupSummary]) -> str:
    cells: list[tuple[str, ...]] = []
    for group in groups:
        name = heading(group, groups)
        for row in rows(group):
            figures = _cells(row) if row.figure else (row.workload, row.note, "", "", "")
            cells.append((name, *figures))
    table = tabulate(
        [[markdown(cell) for cell in row] for row in cells],
        headers=("model", *_HEADER),
        tablefmt="github",
        disable_numparse=True,
    )
    return "\n".join([table, "", *(f"- {markdown(line)}" for line in _legend(groups))])


def _flat(groups: Sequence[GroupSummary], delimiter: str) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=delimiter, lineterminator="\n")
    writer.writerow(_FLAT_HEADER)
    for group in groups:
        settings = settings_text(group.settings, [other.settings for other in groups])
        about = [harmless(group.model.key), harmless(group.model.quantization), settings]
        statuses = {case.workload: case.outcome.status for case in group.cases}
        for row in rows(group):
            status = row.note or statuses.get(row.workload, "ok")
            evidence = "rehearsed" if group.model.is_twin else "measured"
            if group.origin == "llama-bench":
                evidence = "imported"
            writer.writerow(
                [*about, harmless(row.workload), row.metric, *_raw(row), status, evidence]
            )
    return stream.getvalue().rstrip("\n")


def _raw(row: Row) -> list[str | float]:
    if row.figure is None:
        return ["", "", "", "", "", ""]
    figure = row.figure
    return [figure.unit, figure.value, *figure.bounds, figure.n, kind_text(figure)]
