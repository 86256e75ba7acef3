"""What each configuration takes of memory, by kind, beside what the machine has."""

from __future__ import annotations

from harness import units
from harness.analysis.metrics import METRICS
from harness.report.marks import figure_text
from harness.report.page import Cell, Column, Page, Table
from harness.report.picture import Axis, Mark, Picture, Rule
from harness.report.scope import Scope, Shown
from harness.schema.figure import Figure

_GIB = 1 << 30
# One behind the other they are what the engine asks for.
_PARTS = ("weights", "kv", "compute")
_WHOLE = "peak"
"""What stands for all where the engine told nothing: the process's own peak."""
_SHOWN = (*_PARTS, "need", _WHOLE, "anonymous", "file_backed", "footprint", "gpu_memory")


def memory_page(scope: Scope) -> Page:
    """Stacked bars with the machine's limit, and every figure; nothing where none is known."""
    known = [it for it in scope.shown if any(name in it.group.metrics for name in _SHOWN)]
    if not known:
        return ()
    names = [name for name in _SHOWN if any(name in it.group.metrics for it in known)]
    columns = (
        Column("configuration"),
        *(Column(METRICS[name].label, align="right") for name in names),
    )
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (it.name, *(it.group.metrics.get(name) for name in names)) for it in known
    )
    picture = _picture(scope, known)
    legend = (
        "Needed: the engine's buffers (weights and the largest context's cache and compute).",
        "Peak, anonymous, file-backed: the whole process, after its last trial.",
        *(f"{text}." for text, _ in _limits(scope)),
    )
    table = Table(columns, rows, scope.title("Memory by kind"), legend)
    return (picture, table) if picture.marks else (table,)


def _limits(scope: Scope) -> list[tuple[str, int]]:
    """What the machine has for models, in words and bytes."""
    found = []
    machine = scope.machine
    if machine.usable_bytes:
        is_bound = machine.memory_limit_bytes == machine.usable_bytes
        word = "Limit of this container" if is_bound else "Memory of this machine"
        found.append((word, machine.usable_bytes))
    if machine.gpu_limit_bytes:
        found.append(("What its GPU may use", machine.gpu_limit_bytes))
    if any(shown.group.gpus for shown in scope.shown):
        devices = scope.shown[0].group.experiment.provenance.engine.devices
        cards = [it for it in devices if it.kind == "gpu" and it.total_bytes]
        if cards:
            found.append(("Memory of its graphics cards", sum(it.total_bytes for it in cards)))
    return [(f"{word}: {units.memory_size(n_bytes)}", n_bytes) for word, n_bytes in found]


def _picture(scope: Scope, known: list[Shown]) -> Picture:
    marks = tuple(mark for shown in known for mark in _bars(scope, shown))
    return Picture(
        title=scope.title("Memory by kind"),
        name=scope.file_name("memory"),
        drawing="stack",
        marks=marks,
        x=Axis("GiB", includes_zero=True),
        y=Axis(""),
        rules=tuple(Rule(n_bytes / _GIB, text) for text, n_bytes in _limits(scope)),
        series_title="kind",
    )


def _bars(scope: Scope, shown: Shown) -> list[Mark]:
    figures = shown.group.metrics
    names = [name for name in _PARTS if name in figures] or [_WHOLE]
    return [
        _bar(scope, shown, name, figures[name])
        for name in names
        if name in figures and figures[name].value > 0
    ]


def _bar(scope: Scope, shown: Shown, name: str, figure: Figure) -> Mark:
    label = METRICS[name].label
    text = f"{shown.name}: {label} {figure_text(figure)}, {shown.evidence}"
    return Mark(
        x=figure.value / _GIB,
        y=scope.row(shown),
        label=text,
        series=label,
        evidence=shown.evidence,
    )
