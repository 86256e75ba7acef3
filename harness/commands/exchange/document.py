"""The JSON documents of `harness export` and `harness import`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.commands.exchange.convert import ImportedExperiment
from harness.commands.exchange.export import LeftOut
from harness.commands.exchange.export_answer import ExportAnswer
from harness.commands.exchange.import_answer import TakenOver


@dataclass(frozen=True, slots=True)
class ExportDocument:
    """
    What was exported.

    Attributes:
        format: Whose.
        output: As llama-bench's own option of that name.
        written: Where it went (--to); null: nowhere.
        rows: Each has the fields of llama-bench's record by its names, those of the older
            generation (use_mmap, use_direct_io), samples_ns, samples_ts, and `harness`: the
            experiment, the model's key, quantization and sha256, whether it was rehearsed, n_runs,
            and for each sample the index of its Run. Of llama-batched-bench its own fields, and in
            `harness` the workloads that a row is made of, with n_runs of each.
        left_out: Cases without a row.
    """

    format: str
    output: str
    written: Path | None
    rows: tuple[Mapping[str, Any], ...]
    left_out: tuple[LeftOut, ...]


@dataclass(frozen=True, slots=True)
class TakenExperiment:
    """
    An experiment that came of a file.

    Attributes:
        experiment: Its id.
        path: Where it lies.
        is_new: Whether it was not imported before.
        machine: An id made of its processors.
        models: Their keys.
    """

    experiment: str
    path: Path
    is_new: bool
    machine: str
    models: tuple[str, ...]
    n_runs: int
    n_trials: int


@dataclass(frozen=True, slots=True)
class LeftOutRows:
    """Rows that became nothing."""

    reason: str
    n_rows: int


@dataclass(frozen=True, slots=True)
class ImportDocument:
    """
    What was imported.

    Attributes:
        experiments: One for each machine and build.
        n_rows_without_samples: Rows of which only the average is known.
        unknown_keys: Those that were not taken over.
        beside: What else was in the file, in words: lines of a log, a row that is cut off.
    """

    experiments: tuple[TakenExperiment, ...]
    left_out: tuple[LeftOutRows, ...]
    n_rows_without_samples: int
    unknown_keys: tuple[str, ...]
    beside: tuple[str, ...]


def export_document(export: ExportAnswer) -> ExportDocument:
    """The rows, and what is not among them."""
    request = export.request
    return ExportDocument(
        format=request.target,
        output=request.output,
        written=request.to,
        rows=export.rows,
        left_out=export.left_out,
    )


def import_document(taken: TakenOver) -> ImportDocument:
    """The experiments, and what is not in them."""
    result = taken.result
    return ImportDocument(
        experiments=tuple(_taken(taken, each) for each in result.experiments),
        left_out=tuple(LeftOutRows(why, n) for why, n in result.left_out.items()),
        n_rows_without_samples=result.n_without_samples,
        unknown_keys=tuple(taken.file.unknown_keys),
        beside=taken.file.beside,
    )


def _taken(taken: TakenOver, each: ImportedExperiment) -> TakenExperiment:
    experiment = each.experiment
    return TakenExperiment(
        experiment=experiment.id,
        path=taken.paths[experiment.id],
        is_new=experiment.id not in taken.here,
        machine=experiment.machine.id,
        models=tuple(model.key for model in experiment.plan.models),
        n_runs=len(each.runs),
        n_trials=sum(len(run.trials) for run in each.runs),
    )
