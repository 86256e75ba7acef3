"""How near decoding comes to what the memory can deliver."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from harness import units
from harness.analysis.cases import Case
from harness.report.marks import figure_text
from harness.report.page import Cell, Column, Page, Quantity, Table
from harness.report.picture import Axis, Mark, Picture, Rule
from harness.report.scope import Scope, Shown
from harness.schema.figure import Figure
from harness.schema.workload import Decode, parse_workload

_COLUMNS = (
    Column("configuration"),
    Column("workload"),
    Column("read per token", align="right"),
    Column("tok/s", align="right", interval="95 % interval"),
    Column("bandwidth", align="right"),
    Column("MBU", align="right"),
    Column("why not"),
)


@dataclass(frozen=True, slots=True)
class _Decoding:
    """A decoding case, with what a token reads."""

    shown: Shown
    case: Case
    rate: Figure
    token_bytes: float

    @property
    def bandwidth(self) -> Figure | None:
        return self.shown.group.metrics.get("bandwidth")


def roofline_page(scope: Scope) -> Page:
    """Bytes for each token against tokens a second, below the memory's measured speed."""
    known = [it for shown in scope.shown for it in _decoding(shown)]
    if not any(it.bandwidth for it in known):
        return ()
    table = Table(
        _COLUMNS,
        tuple(map(_row, known)),
        scope.title("What decoding reads, and what this memory delivers"),
        (
            "MBU: bytes read per token x tok/s / bandwidth of plain reads around the same Run. "
            "Above 100 % a figure is not believable.",
            "The picture has the cases of which the ceiling says something; the table says why it "
            "does not of others.",
        ),
        is_grouped=True,
    )
    below = [it for it in known if "mbu" in it.case.metrics]
    return (_picture(scope, below), table) if below else (table,)


def _decoding(shown: Shown) -> list[_Decoding]:
    group = shown.group
    reading = group.reading
    if reading is None or group.model.token_read_bytes is None:
        return []
    found = []
    for case in group.cases:
        task = parse_workload(case.workload)
        if isinstance(task, Decode) and "tok_per_s" in case.metrics:
            n_bytes = reading.token_bytes(task)
            found.append(_Decoding(shown, case, case.metrics["tok_per_s"], n_bytes))
    return found


def _row(it: _Decoding) -> tuple[Cell, ...]:
    return (
        it.shown.name,
        it.case.workload,
        Quantity(it.token_bytes, "file bytes"),
        it.rate,
        it.bandwidth,
        it.case.metrics.get("mbu"),
        it.case.not_applicable.get("mbu", ""),
    )


def _picture(scope: Scope, known: list[_Decoding]) -> Picture:
    ceiling = median(it.bandwidth.value for it in known if it.bandwidth)
    # One above each size, or the picture might end below them.
    sizes = dict.fromkeys(it.token_bytes for it in known)
    marks = [*map(_mark, known), *(_ceiling(n_bytes, ceiling) for n_bytes in sizes)]
    text = f"ceiling: {units.bandwidth(ceiling)} read here"
    return Picture(
        title=scope.title("Decoding below the ceiling of this memory's measured bandwidth"),
        name=scope.file_name("roofline"),
        drawing="scatter",
        marks=tuple(marks),
        x=Axis("GB read per token", is_log=True),
        y=Axis("tok/s", is_log=True),
        rules=(Rule(ceiling / 1e9, text, "product"),),
    )


def _ceiling(token_bytes: float, bytes_per_s: float) -> Mark:
    rate = bytes_per_s / token_bytes
    size = units.file_size(token_bytes)
    text = f"At most {units.significant(rate)} tok/s of {size} each: the measured bandwidth"
    return Mark(token_bytes / 1e9, rate, text, evidence="predicted", is_faint=True, name="ceiling")


def _mark(it: _Decoding) -> Mark:
    share = f"MBU {units.percent(it.case.metrics['mbu'].value)}"
    read = units.file_size(it.token_bytes)
    about = f"{it.shown.name}: {it.case.workload} reads {read} per token"
    return Mark(
        x=it.token_bytes / 1e9,
        y=it.rate.value,
        label=f"{about}, {figure_text(it.rate)}, {share}",
        low=it.rate.low,
        high=it.rate.high,
        evidence=it.shown.evidence,
        name=share,
    )
