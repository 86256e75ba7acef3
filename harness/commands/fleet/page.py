"""What a fleet measured, for people: its machines side by side, and what became of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from harness import units
from harness.analysis.cases import Case
from harness.analysis.measured import Measured
from harness.analysis.metrics import METRICS, Metric, headline
from harness.commands.fleet.document import FleetRun
from harness.fleet.links import Joined
from harness.fleet.order import Hello
from harness.measure.session import SessionResult
from harness.report.cells import without_figure
from harness.report.legend import DISTURBED_MARK, marks
from harness.report.machine_names import machine_text
from harness.report.page import Cell, Column, Facts, Note, Page, Table, notes
from harness.report.typed_command import command_line
from harness.schema.figure import Figure
from harness.schema.settings import differing_fields, fields_text
from harness.schema.workload import parse_workload

_PEAK = METRICS["peak"]
_MEMORY = "memory"
_INTERVAL = "95 % interval"
_FLAT = Table(
    (
        *(Column(None, key) for key in ("host", "model", "settings", "workload", "metric")),
        Column(None, "", unit=None),
        Column(None, "outcome"),
    ),
    (),
)


IDLE = Column("idle worker")


def page(found: FleetRun) -> Page:
    """A sentence, the figures of all machines side by side, and the machines."""
    groups = list(found.groups)
    return (
        *notes(_answer(found)),
        *_side_by_side(found, groups),
        Table(_FLAT.columns, tuple(_flat_rows(groups))),
        _machines(found),
        *_records(found),
    )


def hint(found: FleetRun) -> Page:
    """How to go on, and who compares the machines."""
    lines = []
    left = [each.host for each in found.plan.hosts if found.state(each.host) != "complete"]
    if left:
        lines.append(f"To go on with {', '.join(left)}: the same command again.")
    elif found.result.complete:
        lines.append("To measure all of it anew: --again.")
    folders = [each.path.parent for each in found.result.results.values() if each.path]
    # What could not be kept among the results lies in a folder of its own.
    if len(folders) > 1 and len({*folders}) == 1:
        line = command_line("compare", str(folders[0]), options=("--across", "machine"))
        lines.append(f"Which is faster: {line}")
    return (Note(tuple(lines), is_whole=True),) if lines else ()


def idle_cost(hello: Hello) -> str:
    """What a worker takes of its machine while it waits: "0.4 %, 96 MiB"."""
    share = units.percent(hello.idle_cores_share)
    return f"{share}, {units.memory_size(hello.rss_bytes)}"


def idle_legend(joined: Mapping[str, Joined]) -> tuple[str, ...]:
    """What stands in that column, where anything does."""
    told = "Idle worker: share of a core, and memory, that it takes while it waits."
    return (told,) if joined else ()


def _answer(found: FleetRun) -> str:
    hosts = [each.host for each in found.plan.hosts]
    complete = [host for host in hosts if found.state(host) == "complete"]
    n_runs = sum(len(each.result.runs) for each in found.result.results.values())
    what = f"{found.plan.path.name} is measured on"
    return f"{what} {len(complete)} of {units.counted(len(hosts), 'machine')}: {n_runs} Runs."


def _side_by_side(found: FleetRun, groups: Sequence[tuple[str, Measured]]) -> Page:
    """A row for each workload of a model and its settings, a column for each machine."""
    if not groups:
        return ()
    hosts = [each.host for each in found.plan.hosts if each.host in found.result.results]
    rows: dict[tuple[str, str, str], dict[str, Cell]] = {}
    fields = _swept(groups)
    for host, group in groups:
        for workload, metric, cell in _figures(group):
            row = rows.setdefault((_name(group, fields), workload, metric.label), {})
            row[host] = cell
    columns = (
        Column("model"),
        Column("workload"),
        Column("metric"),
        *(
            Column(host, align="right", interval=_INTERVAL, is_interval_optional=True)
            for host in hosts
        ),
    )
    cells = tuple((*key, *(row.get(host) for host in hosts)) for key, row in rows.items())
    shown = [cell for row in rows.values() for cell in row.values()]
    told = marks(
        has_range=any(isinstance(it, Figure) and it.kind == "range" for it in shown),
        has_disturbed=any(isinstance(it, str) and it.endswith(DISTURBED_MARK) for it in shown),
        has_doubt=False,
    )
    return (Table(columns, cells, legend=tuple(told), is_grouped=True),)


def _figures(group: Measured) -> Iterator[tuple[str, Metric, Cell]]:
    for case in group.cases:
        metric = headline(parse_workload(case.workload))
        yield case.workload, metric, _cell(case, metric)
    if _PEAK.name in group.metrics:
        yield _MEMORY, _PEAK, group.metrics[_PEAK.name]


def _cell(case: Case, metric: Metric) -> Cell:
    if metric.name in case.metrics:
        return case.metrics[metric.name]
    if metric.name in case.disturbed:
        figure = case.disturbed[metric.name]
        return units.quantity(figure.value, figure.unit) + DISTURBED_MARK
    return without_figure(case)


def _swept(groups: Sequence[tuple[str, Measured]]) -> tuple[str, ...]:
    """
    The settings that some machine's plan varies: those tell configurations apart on all of them.

    What only differs from machine to machine, as threads that each has chosen for itself, does not.
    """
    plans = [group.experiment.plan.settings for _, group in groups]
    return tuple(dict.fromkeys(field for each in plans for field in differing_fields(each)))


def _name(group: Measured, fields: Sequence[str]) -> str:
    return " · ".join(filter(None, (group.model.key, fields_text(group.settings, fields))))


def _flat_rows(groups: Sequence[tuple[str, Measured]]) -> Iterator[tuple[Cell, ...]]:
    fields = _swept(groups)
    for host, group in groups:
        difference = fields_text(group.settings, fields)
        for case in group.cases:
            head = (host, group.model.key, difference, case.workload)
            if not case.metrics:
                yield (*head, None, None, case.outcome.status)
            for name, figure in case.metrics.items():
                yield (*head, name, figure, case.outcome.status)
        for name, figure in group.metrics.items():
            yield (host, group.model.key, difference, "", name, figure, "")


def _machines(found: FleetRun) -> Table:
    """What each host is, and what became of its plan."""
    columns = (
        Column("host"),
        Column("machine"),
        Column("Runs", align="right"),
        IDLE,
        Column(""),
    )
    rows, legend = [], []
    for each in found.plan.hosts:
        joined, measured = found.joined.get(each.host), found.result.results.get(each.host)
        rows.append(
            (
                each.host,
                _title(joined, measured),
                len(measured.result.runs) if measured else None,
                idle_cost(joined.hello) if joined else None,
                found.state(each.host),
            )
        )
        if reason := found.reason(each.host):
            legend.append(f"{each.host}: {reason}.")
    return Table(columns, tuple(rows), legend=(*legend, *idle_legend(found.joined)))


def _title(joined: Joined | None, measured: SessionResult | None) -> str | None:
    if joined:
        return joined.hello.machine_title
    return machine_text(measured.experiment.machine) if measured else None


def _records(found: FleetRun) -> Page:
    paths = [(host, each.path) for host, each in found.result.results.items() if each.path]
    return (Facts(tuple(paths), title="Records:"),) if paths else ()
