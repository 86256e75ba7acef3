"""What `harness export` writes of stored experiments, and what there is to say of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.analysis.formulas import why_disturbed
from harness.commands.exchange import batched
from harness.commands.exchange import write as llama_bench_write
from harness.commands.exchange.export import (
    LeftOut,
    as_builds,
    build_names,
    exported,
)
from harness.errors import ResultsInvalid, UsageError
from harness.records.listing import find
from harness.records.store import StoredExperiment, load
from harness.schema.experiment import Run, Trial

WRITERS = {
    "jsonl": llama_bench_write.as_jsonl,
    "json": llama_bench_write.as_json,
    "csv": llama_bench_write.as_csv,
    "sql": llama_bench_write.as_sql,
    "md": llama_bench_write.as_markdown,
}
"""llama-bench's own names of its formats."""

TARGETS = ("llama-bench", batched.FORMAT)
"""Whose formats are written."""


@dataclass(frozen=True)
class ExportRequest:
    """
    Which experiments of `results`, in the format `output` of the program `target`.

    With `is_as_builds` each quantization is written as a build. The text goes to `to`, or stdout.
    """

    experiments: tuple[str, ...]
    results: Path
    target: str
    output: str
    is_as_builds: bool
    to: Path | None


@dataclass(frozen=True)
class ExportAnswer:
    """
    The rows that were asked for, as objects and as the text to be written, and what is not among
    them. `builds` are those that llama-bench's script can tell apart.
    """

    request: ExportRequest
    rows: tuple[Mapping[str, Any], ...]
    text: str
    left_out: tuple[LeftOut, ...]
    builds: Sequence[str] = ()

    @property
    def remarks(self) -> Iterator[str]:
        """What else to know, a sentence each."""
        to, builds = self.request.to, self.builds
        if self.left_out:
            yield f"Left out: {_reasons(self.left_out)}"
        if to:
            yield f"{len(self.rows)} rows written to {to}"
        if self.request.is_as_builds and len(builds) > 1:
            others = f"; other builds: {', '.join(builds[2:])}" if builds[2:] else ""
            yield (
                f"Compare: compare-llama-bench.py -t llama-bench -i {to or 'FILE'} "
                f"-b {builds[0]} -c {builds[1]}{others}"
            )


def answer(request: ExportRequest) -> ExportAnswer:
    """
    The experiments as rows.

    Raises:
        ResultsInvalid: There is no such experiment, it cannot be read, or nothing can be exported.
        UsageError: More builds than there are names for, or what the target does not write.
    """
    is_batched = request.target == batched.FORMAT
    if is_batched and (request.is_as_builds or request.output != "jsonl"):
        wrong = "--as-builds" if request.is_as_builds else f"--output {request.output}"
        raise UsageError(f"{wrong} is llama-bench's; {batched.FORMAT} has jsonl alone")
    paths = dict.fromkeys(find(request.results, name) for name in request.experiments)
    stored = [load(path) for path in paths]
    found = _batched(request, stored) if is_batched else _benched(request, stored)
    if not found.rows:
        raise ResultsInvalid(f"Nothing to export: {_reasons(found.left_out)}")
    return found


def _benched(request: ExportRequest, stored: Sequence[StoredExperiment]) -> ExportAnswer:
    export = exported(stored, _is_clean)
    rows = as_builds(export.rows) if request.is_as_builds else export.rows
    return ExportAnswer(
        request,
        rows=tuple(map(llama_bench_write.document, rows)),
        text=WRITERS[request.output](rows),
        left_out=export.left_out,
        builds=build_names(rows),
    )


def _batched(request: ExportRequest, stored: Sequence[StoredExperiment]) -> ExportAnswer:
    rows, left_out = batched.batched(stored)
    return ExportAnswer(
        request,
        rows=tuple(row.document for row in rows),
        text=batched.as_jsonl(rows),
        left_out=left_out,
    )


def _is_clean(stored: StoredExperiment, run: Run, trial: Trial) -> bool:
    return why_disturbed(trial, run, stored.experiment.machine) is None


def _reasons(left_out: Sequence[LeftOut]) -> str:
    """Each reason once, behind the cases it holds for."""
    cases: dict[str, list[str]] = {}
    for each in left_out:
        cases.setdefault(each.reason, []).append(f"{each.model} {each.workload}")
    texts = (f"{', '.join(dict.fromkeys(names))} ({why})" for why, names in cases.items())
    return "; ".join(texts) + "."
