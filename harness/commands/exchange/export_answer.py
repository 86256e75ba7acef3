"""What `harness export` writes of stored experiments, and what there is to say of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.analysis.formulas import why_disturbed
from harness.commands.exchange import write as llama_bench_write
from harness.commands.exchange.export import (
    Export,
    ExportRow,
    LeftOut,
    as_builds,
    build_names,
    exported,
)
from harness.errors import ResultsInvalid
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
    """The rows that were asked for, and what is not among them."""

    request: ExportRequest
    export: Export
    rows: Sequence[ExportRow]

    @property
    def text(self) -> str:
        """The rows as they are to be written."""
        return WRITERS[self.request.output](self.rows)

    @property
    def remarks(self) -> Iterator[str]:
        """What else to know, a sentence each."""
        to, builds = self.request.to, build_names(self.rows)
        if self.export.left_out:
            yield f"Left out: {_reasons(self.export.left_out)}"
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
        UsageError: More builds than there are names for.
    """
    paths = dict.fromkeys(find(request.results, name) for name in request.experiments)
    export = exported([load(path) for path in paths], _is_clean)
    if not export.rows:
        raise ResultsInvalid(f"Nothing to export: {_reasons(export.left_out)}")
    rows = as_builds(export.rows) if request.is_as_builds else export.rows
    return ExportAnswer(request, export, rows)


def _is_clean(stored: StoredExperiment, run: Run, trial: Trial) -> bool:
    return why_disturbed(trial, run, stored.experiment.machine) is None


def _reasons(left_out: Sequence[LeftOut]) -> str:
    """Each reason once, behind the cases it holds for."""
    cases: dict[str, list[str]] = {}
    for each in left_out:
        cases.setdefault(each.reason, []).append(f"{each.model} {each.workload}")
    texts = (f"{', '.join(dict.fromkeys(names))} ({why})" for why, names in cases.items())
    return "; ".join(texts) + "."
