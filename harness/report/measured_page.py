"""What was measured, as a page: the result that `run`, `rehearse` and `show` share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness import units
from harness.analysis import energy
from harness.analysis.finding import Finding
from harness.analysis.findings import findings
from harness.analysis.measured import Measured, measured_of
from harness.analysis.metrics import METRICS
from harness.analysis.serving_cost import serving_costs
from harness.analysis.verdict import Verdict, meaning
from harness.analysis.verdict_measured import NoVerdict, judge
from harness.report import legend
from harness.report.cells import NOTHING
from harness.report.loads_page import named
from harness.report.measured_answer import answer, case_note, distinct_name, verdict_lines
from harness.report.page import Cell, Column, Note, Page, Table, explanation, notes
from harness.report.rpc_servers import server_lines, way_lines
from harness.report.series_page import (
    series_formulas,
    series_sentences,
    series_tables,
    series_workloads,
    shown_series,
)
from harness.report.serving_page import serving_answer, serving_formulas, serving_parts
from harness.report.sweep_page import FULL, shown_figures, sweep_table
from harness.report.trials_page import trials_part
from harness.schema.experiment import Experiment, Run, Stop
from harness.schema.figure import Figure
from harness.schema.model_kind import MODEL_KINDS
from harness.schema.settings import settings_text

_COLUMNS = (
    *(Column(None, key) for key in ("model", "quantization", "settings", "workload", "metric")),
    Column("workload"),
    Column("metric"),
    Column("median", "", "right", interval="95 % interval"),
    Column("n", align="right"),
    Column(None, "outcome"),
    Column(None, "evidence"),
)


@dataclass(frozen=True, slots=True)
class MeasuredResult:
    """
    An experiment with what it says.

    `verdicts` belong to `groups`, one each. `stops` say why measuring stopped, by model and
    Settings; empty when it was cut short. `findings` are how far to believe the figures.
    `path` is None where it could not be kept.
    """

    experiment: Experiment
    groups: tuple[Measured, ...]
    verdicts: tuple[Verdict | NoVerdict, ...]
    stops: tuple[Stop, ...]
    findings: tuple[Finding, ...]
    path: Path | None


def measured_result(
    experiment: Experiment, runs: Sequence[Run], stops: Sequence[Stop], path: Path | None
) -> MeasuredResult:
    """What the Runs of `experiment`, which lie in `path`, say."""
    groups = measured_of(experiment, runs)
    return MeasuredResult(
        experiment=experiment,
        groups=tuple(groups),
        verdicts=tuple(judge(group) for group in groups),
        stops=tuple(stops),
        findings=tuple(findings(groups)),
        path=path,
    )


def measured_page(result: MeasuredResult, *, is_full: bool = False) -> Page:
    """
    The answer, the figures with what their marks mean, what else to know, and the formulas.

    Of several models and Settings one table with a row for each workload, or with `is_full` a table
    for each with all of its figures; for programs they are the same.
    """
    groups = result.groups
    judged = list(zip(groups, result.verdicts, strict=True))
    tables = [table for group in groups for table in _tables(group, groups)]
    series = series_tables(named(groups))
    if is_full or (len(groups) < 2 and not series):
        shown, more = _figures(groups), ""
    elif len(groups) < 2:
        shown = _figures(groups)
        tables = [*map(_without_series, groups), *map(_for_programs, tables)]
        more = f"All figures of each of these: {FULL}, here or with `harness show`."
    else:
        shown = [*shown_figures(groups), *shown_series(groups)]
        swept = sweep_table(groups, list(_sweep_notes(groups)))
        tables = [*([swept] if swept.rows else []), *map(_for_programs, tables)]
        more = f"Loading, latencies and memory of each: {FULL}, here or with `harness show`."
    costs = serving_costs(groups)
    return (
        *notes(*serving_answer(costs), answer(judged), series_sentences(named(groups))),
        *serving_parts(costs),
        *series,
        *tables,
        *(trials_part(groups) if is_full else ()),
        *notes(_marks(groups, shown), list(verdict_lines(judged)), more),
        *explanation(
            [
                *serving_formulas(costs),
                *series_formulas(groups),
                *_formulas(groups, shown),
                meaning(),
            ]
            if shown
            else []
        ),
    )


def _without_series(group: Measured) -> Table:
    """For people what the table of a configuration says beside its series, those left out."""
    table, _ = _tables(group, [group])
    in_series = series_workloads(group)
    workload = [column.key for column in _COLUMNS].index("workload")
    columns = tuple(replace(column, key=None) for column in table.columns)
    rows = tuple(row for row in table.rows if row[workload] not in in_series)
    return replace(table, columns=columns, rows=rows)


def _for_programs(table: Table) -> Table:
    return Table(tuple(Column(None, column.key) for column in table.columns), table.rows)


def _sweep_notes(groups: Sequence[Measured]) -> Iterator[tuple[str, str]]:
    """Rows without a figure that counts or of another kind than most, and why; each said once."""
    told: dict[str, dict[str, list[str]]] = {}
    for group in groups:
        noted = [(case.workload, note) for case in group.cases if (note := case_note(case))]
        for workload, note in (*noted, *_throughputs(group)):
            of_note = told.setdefault(note, {})
            of_note.setdefault(distinct_name(group, groups), []).append(workload)
    for note, names in told.items():
        yield "; ".join(f"{name} {', '.join(tests)}" for name, tests in names.items()), note


def measured_aside(result: MeasuredResult) -> Page:
    """How far to trust it, and where it is kept."""
    trust = Note(tuple(finding.text for finding in result.findings))
    machine = result.experiment.machine
    servers = notes(server_lines(machine), way_lines(machine, result.groups))
    return trust, *servers, Note(record_line(result.path), is_whole=True)


def record_line(path: Path | None) -> tuple[str, ...]:
    """Where an experiment is kept, as a line for a Note; nothing where it is not."""
    return (f"Record: {path}",) if path else ()


def heading(group: Measured, groups: Sequence[Measured]) -> str:
    """What a group is: model, quantization, size, and how its Settings differ from the others'."""
    model = group.model
    parts = [
        model.key,
        *([model.quantization] if model.quantization else []),
        *([units.file_size(model.n_bytes)] if model.n_bytes else []),
        *group.marks,
        settings_text(group.settings, [other.settings for other in groups]),
        *([f"on {', '.join(group.gpus)}"] if group.gpus else []),
    ]
    return " · ".join(filter(None, parts))


# ------------------------------------------------------------------ tables


def _tables(group: Measured, groups: Sequence[Measured]) -> tuple[Table, Table]:
    """The figures of a group, with a sentence on what is missing; for programs a row for each."""
    about = (
        group.model.key,
        group.model.quantization,
        settings_text(group.settings, [other.settings for other in groups]),
    )
    evidence = "rehearsed" if group.model.is_twin else "measured"
    if group.experiment.origin == "llama-bench":
        evidence = "imported"
    figures = [
        (*about, case.workload, name, *_cells(case.workload, name, it, mark), outcome, evidence)
        for case in group.cases
        for of_case, mark, outcome in (
            (case.metrics, "", case.outcome.status),
            (case.disturbed, legend.DISTURBED_MARK, "disturbed"),
        )
        for name, it in of_case.items()
    ]
    figures += [
        (*about, "", name, *_cells("", name, it), "ok", evidence)
        for name, it in group.metrics.items()
    ]
    failures = tuple(
        (*about, case.workload, None, None, None, None, None, note, evidence)
        for case in group.cases
        if (note := case_note(case))
    )
    unseen = tuple(Column(None, column.key) for column in _COLUMNS)
    return (
        Table(_COLUMNS, tuple(figures), heading(group, groups), tuple(_sentences(group))),
        Table(unseen, failures),
    )


def _cells(workload: str, metric: str, figure: Figure, mark: str = "") -> tuple[Cell, ...]:
    mark += legend.DOUBT_MARK if _is_doubtful(metric, figure) else ""
    n = NOTHING if figure.kind == "exact" else figure.n
    return workload or METRICS[metric].topic, METRICS[metric].label + mark, figure, n


def _is_doubtful(metric: str, figure: Figure) -> bool:
    most = METRICS[metric].most
    return most is not None and figure.value > most


def _sentences(group: Measured) -> Iterator[str]:
    """Sentences behind their workloads; one that concerns several is said once."""
    told = [(case.workload, note) for case in group.cases if (note := case_note(case))]
    told += [
        (case.workload, f"no {METRICS[metric].label}: {reason}")
        for case in group.cases
        for metric, reason in case.not_applicable.items()
        # Most machines have no counter that may be read; that is not worth a line in each table.
        if metric != energy.METRIC
    ]
    told += _throughputs(group)
    told += _of_server(group)
    for note in dict.fromkeys(note for _, note in told):
        yield f"{', '.join(workload for workload, it in told if it == note)}  {note}"


def _throughputs(group: Measured) -> list[tuple[str, str]]:
    """Of a model that does not write, what the rates of its workloads are of."""
    if group.model.kind == "generates":
        return []
    throughput = MODEL_KINDS[group.model.kind].throughput
    return [(name, f"{throughput}: a text read at once") for name in group.workloads]


def _of_server(group: Measured) -> list[tuple[str, str]]:
    """Of a served model, whose memory it was."""
    has_memory = any(METRICS[name].topic == "memory" for name in group.metrics)
    if group.model.served is None or not has_memory:
        return []
    return [("memory", "of the server's process and those that it started")]


# ------------------------------------------------------------------ what it means


Shown = Sequence[tuple[str, Figure]]


def _figures(groups: Sequence[Measured]) -> Shown:
    """All of them, by metric."""
    return [
        (name, figure)
        for group in groups
        for metrics in (*(case.metrics | case.disturbed for case in group.cases), group.metrics)
        for name, figure in metrics.items()
    ]


def _marks(groups: Sequence[Measured], shown: Shown) -> list[str]:
    return legend.marks(
        has_range=any(figure.kind == "range" for _, figure in shown),
        has_disturbed=any(case.disturbed for group in groups for case in group.cases),
        has_doubt=any(_is_doubtful(metric, figure) for metric, figure in shown),
    )


def _formulas(groups: Sequence[Measured], shown: Shown) -> list[str]:
    return legend.formulas(
        [metric for metric, _ in shown],
        energies=dict.fromkeys(
            case.energy.text
            for group in groups
            for case in group.cases
            if energy.METRIC in case.metrics
        ),
    )
