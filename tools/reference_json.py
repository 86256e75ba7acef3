"""
Writes docs/reference/json.md from the types of the documents: `python -m tools.reference_json`.

tests/tools/test_reference_json.py holds the page against what would be written, so it is never old.
"""

from __future__ import annotations

import datetime
import inspect
import re
import types
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel

from harness.analysis.metrics import METRICS, Metric
from harness.commands.cache.page import CacheResult, RemovedResult
from harness.commands.claim.document import ClaimDocument
from harness.commands.compare.across_document import MachinesDocument
from harness.commands.compare.document import ComparisonDocument
from harness.commands.completion.command import CompletionDocument
from harness.commands.config.edit import ForgottenDocument, KeptDocument
from harness.commands.config.listed import ConfigDocument, PathDocument
from harness.commands.endpoints.document import EndpointsDocument
from harness.commands.exchange.document import ExportDocument, ImportDocument
from harness.commands.fit.document import AuditDocument, FitDocument
from harness.commands.fleet.document import FleetDocument
from harness.commands.fleet.hosts_page import FleetHostsDocument
from harness.commands.fleet.worker_page import WorkerDocument
from harness.commands.frontier.document import FrontierDocument
from harness.commands.gate.baseline_document import (
    BaselinesDocument,
    RemovedDocument,
    SavedDocument,
)
from harness.commands.gate.document import GateDocument
from harness.commands.machine.machine import MachineResult
from harness.commands.models.document import CatalogDocument, HeaderDocument, LocalDocument
from harness.commands.pull.document import FilesDocument, PulledDocument
from harness.commands.quality.document import QualityDocument
from harness.commands.quantize.document import QuantizeDocument
from harness.commands.report.page import ReportDocument
from harness.commands.rpc.page import ServingDocument
from harness.commands.share.share import ShareDocument
from harness.commands.show.follow import FollowedEnd, FollowedRun
from harness.commands.show.page import ListDocument
from harness.commands.show.trend_page import TrendDocument
from harness.report.document import MeasuredDocument
from harness.report.failure import Failure
from harness.report.json import SCHEMA
from harness.schema.figure import Figure

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "json.md"
DOCUMENTS: Mapping[str, type] = {
    "run, harness rehearse, harness show EXPERIMENT": MeasuredDocument,
    "show": ListDocument,
    "show --trend": TrendDocument,
    "report": ReportDocument,
    "show --follow, each line": FollowedRun,
    "show --follow, the last line": FollowedEnd,
    "compare": ComparisonDocument,
    "compare --across machine": MachinesDocument,
    "gate": GateDocument,
    "baseline list": BaselinesDocument,
    "baseline save": SavedDocument,
    "baseline remove": RemovedDocument,
    "quality": QualityDocument,
    "frontier": FrontierDocument,
    "quantize": QuantizeDocument,
    "fit": FitDocument,
    "fit --audit": AuditDocument,
    "claim": ClaimDocument,
    "models, harness models NAME": CatalogDocument,
    "models PATH, harness models OWNER/REPO:QUANT": HeaderDocument,
    "models --local": LocalDocument,
    "pull": PulledDocument,
    "pull --list, harness pull --verify": FilesDocument,
    "rpc serve": ServingDocument,
    "fleet run": FleetDocument,
    "fleet hosts": FleetHostsDocument,
    "fleet worker ADDRESS": WorkerDocument,
    "cache": CacheResult,
    "cache rm": RemovedResult,
    "machine": MachineResult,
    "endpoints": EndpointsDocument,
    "config": ConfigDocument,
    "config set": KeptDocument,
    "config unset": ForgottenDocument,
    "config path": PathDocument,
    "completion": CompletionDocument,
    "share": ShareDocument,
    "export": ExportDocument,
    "import": ImportDocument,
    "COMMAND, where it fails": Failure,
}
"""What stands behind `harness`, to the type of what it prints with --json."""

_HEAD = f"""\
# JSON documents

With `--json` a command prints one document on standard output and nothing else there; only
`harness show --follow` prints several, each in a line. Times are in nanoseconds, sizes in bytes,
rates in tokens or bytes per second, shares between 0 and 1. What is not known is `null`, never 0,
and no key is ever absent. A command that fails before it has an answer prints `error` and
`exit_code` instead.

The first key of every document is `schema`, which is {SCHEMA}. New keys may be added without
raising it; it is raised when a key goes away or changes its meaning.

This page is written from the types of the documents by `python -m tools.reference_json`: do not
edit it.

## A figure

Every number that was estimated has this form, wherever it stands.

| key | type | what it holds |
|---|---|---|
| `value` | number | the best single number, of measurements the median over Runs |
| `low`, `high` | number or null | its bounds; null where the data tells none |
| `n` | whole number | values it stands on, one for each Run (of qualities, chunk of text); \
0 where nothing was sampled |
| `unit` | text | see "Metrics" |
| `kind` | "exact", "interval", "range", "predicted" | known rather than estimated; an interval \
that encloses the true value as surely as it promises, 95 % unless said otherwise; fewer values \
than an interval needs, so merely the smallest and the largest; predicted, with bounds that hold \
9 of 10 measurements |
| `standard_error` | number | only where it has one |
| `source` | text | only where it is known: what it was measured as, or how it was predicted |
"""
_PLAIN: Mapping[object, str] = {
    str: "text",
    bool: "true or false",
    int: "whole number",
    float: "number",
    type(None): "null",
    Path: "path",
    datetime.date: "date",
    Any: "anything",
    Figure: "[figure](#a-figure)",
}
_ENTRY = re.compile(r"^ {4}(\w+): ")


def page() -> str:
    """The whole page, as it should lie in docs/."""
    documents = [f"## `harness {name}`\n\n{_described(kind)}" for name, kind in DOCUMENTS.items()]
    parts = sorted(_parts(DOCUMENTS.values()), key=_name)
    sections = [f"### {_name(kind)}\n\n{_described(kind)}" for kind in parts]
    return "\n".join([_HEAD, _metrics(), *documents, "## Parts of documents\n", *sections])


def _metrics() -> str:
    rows = [f"| `{it.name}` | {it.unit} | {_cell(_meaning(it))} |" for it in METRICS.values()]
    return "\n".join(["## Metrics\n", "| name | unit | what it is |", "|---|---|---|", *rows, ""])


def _meaning(metric: Metric) -> str:
    topic = f"{metric.topic}, " if metric.topic else ""
    detail = f", {metric.detail}" if metric.detail else ""
    formula = f". {metric.formula}" if metric.formula else ""
    return f"{topic}{metric.label}{detail}{formula}".replace("{energy}", "what `energy` names")


def _described(kind: type) -> str:
    """What a type says of itself, and a row for each of its keys."""
    prose, meanings = _docstring(kind)
    rows = [("key", "type", "what it holds"), ("---",) * 3]
    rows += [
        (f"`{name}`", _text(hint), meanings.get(name, "")) for name, hint in _keys(kind).items()
    ]
    # Where the prose says it all there is nothing to put into the last column.
    shown = [row if meanings else row[:2] for row in rows]
    lines = [f"| {' | '.join(map(_cell, row))} |" for row in shown]
    return "\n".join([prose, "", *lines, ""])


def _docstring(kind: type) -> tuple[str, dict[str, str]]:
    """The prose of a class, and what its "Attributes" section says of each, by name."""
    text, _, attributes = inspect.cleandoc(kind.__doc__ or "").partition("Attributes:\n")
    found: dict[str, list[str]] = {}
    name = ""
    for line in attributes.splitlines():
        entry = _ENTRY.match(line)
        if entry:
            name = entry[1]
        if name:
            found.setdefault(name, []).append(line[entry.end() :] if entry else line.strip())
    meanings = {key: _lower(" ".join(lines).strip()) for key, lines in found.items()}
    inherited = [_docstring(base)[1] for base in kind.__bases__ if is_dataclass(base)]
    return text.strip(), {key: it for each in [*inherited, meanings] for key, it in each.items()}


def _lower(sentence: str) -> str:
    """As a cell begins and ends, which is no sentence: "Its id." -> "its id"."""
    is_word = sentence[1:2].islower() or sentence[1:2] == " "
    first = sentence[:1].lower() if is_word else sentence[:1]
    return (first + sentence[1:]).removesuffix(".")


def _keys(kind: type) -> dict[str, Any]:
    """The keys of an object to the types of what they hold."""
    hints = get_type_hints(kind)
    if issubclass(kind, BaseModel):
        return {name: hints[name] for name in kind.model_fields}
    assert is_dataclass(kind)
    return {each.name: hints[each.name] for each in fields(kind)}


def _text(hint: Any) -> str:
    """A type in words, with a link where it has a section."""
    if hint in _PLAIN:
        return _PLAIN[hint]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _text(arguments[0])
    if origin is Literal:
        return ", ".join(f'"{it}"' if isinstance(it, str) else str(it) for it in arguments)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(map(_text, arguments)))
    if inspect.isclass(origin) and issubclass(origin, Mapping):
        return f"object: {_text(arguments[0])} to {_text(arguments[1])}"
    if inspect.isclass(origin) and issubclass(origin, Iterable):
        inside = [it for it in arguments if it is not ...]
        return f"list of {' and '.join(dict.fromkeys(map(_text, inside)))}"
    return f"[{_name(hint)}](#{_name(hint).lower()})"


def _name(kind: type) -> str:
    """What a part is called on the page."""
    return kind.__name__.removesuffix("Document")


def _parts(kinds: Iterable[type]) -> set[type]:
    """Every type with keys of its own that stands somewhere in `kinds`."""
    found: set[type] = set()
    waiting: list[Any] = [hint for kind in kinds for hint in _keys(kind).values()]
    while waiting:
        hint = waiting.pop()
        if hint in found or hint in _PLAIN or get_origin(hint) is Literal:
            continue
        if _has_keys(hint):
            found.add(hint)
            waiting += _keys(hint).values()
        else:
            waiting += [it for it in get_args(hint) if it is not ...]
    names = list(map(_name, found))
    assert len(set(names)) == len(names), sorted(name for name in names if names.count(name) > 1)
    return found


def _has_keys(hint: Any) -> bool:
    return inspect.isclass(hint) and (is_dataclass(hint) or issubclass(hint, BaseModel))


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
