"""`harness import`: results of llama-bench, to be shown and compared with our own."""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from harness import __version__
from harness.commandline import options
from harness.commands.exchange.convert import Import, ImportedExperiment, imported
from harness.commands.exchange.read import MOST_BYTES, BenchFile, parse
from harness.errors import ResultsInvalid, ResultsUnwritable
from harness.files import cannot
from harness.records.listing import list_experiments
from harness.records.store import ExperimentWriter
from harness.report.text import harmless, wrapped


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@options.results_option
@options.json_option
def command(file: Path, results: Path, as_json: bool) -> None:
    """
    Take llama-bench's results in FILE over into the results folder.

    FILE is what `llama-bench -o json`, jsonl, csv or sql printed, or the SQLite database that the
    SQL was piped into; `-` reads stdin. Each machine and build in it becomes an experiment. The
    same results are taken over once only. What llama-bench does not tell (memory, loading, what
    disturbed it) stays unknown.
    """
    name = "stdin" if str(file) == "-" else harmless(str(file))
    found = parse(_data(file, name), name)
    taken = imported(
        found.records,
        name=name,
        harness_version=__version__,
        python_version=platform.python_version(),
    )
    here = {listing.id: listing.path for listing in list_experiments(results) if listing.experiment}
    paths = {
        each.experiment.id: here.get(each.experiment.id) or _write(each, results)
        for each in taken.experiments
    }
    _tell(taken, found, here)
    if as_json:
        click.echo(json.dumps(_document(taken, found, here, paths), indent=2))
        return
    for each in taken.experiments:
        click.echo(f"{each.experiment.id}  {_what(each)}  {paths[each.experiment.id]}")


def _data(file: Path, name: str) -> bytes:
    """At most a byte more than is allowed, so that an endless file ends too."""
    try:
        if str(file) == "-":
            return sys.stdin.buffer.read(MOST_BYTES + 1)
        with file.open("rb") as stream:
            return stream.read(MOST_BYTES + 1)
    except OSError as error:
        advice = "name a file of llama-bench's results"
        raise ResultsInvalid(cannot("read", name, error, advice)) from error


def _write(each: ImportedExperiment, results: Path) -> Path:
    """The experiment's file, whole; one that could not be finished is taken away again."""
    writer = ExperimentWriter(results, each.experiment)
    try:
        with writer:
            for run in each.runs:
                writer.append_run(run)
            writer.finish(each.end)
    except ResultsUnwritable:
        with suppress(OSError):
            writer.path.unlink()
        raise
    return writer.path


def _what(each: ImportedExperiment) -> str:
    engine = each.experiment.provenance.engine
    models = ", ".join(model.key for model in each.experiment.plan.models)
    n_runs = f"{len(each.runs)} Run{'s' if len(each.runs) > 1 else ''}"
    return harmless(f"{models}  {n_runs} of llama-bench {engine.library_commit}")


def _tell(taken: Import, found: BenchFile, here: Mapping[str, Path]) -> None:
    for each in taken.experiments:
        if each.experiment.id in here:
            _say(f"{each.experiment.id} was imported before: nothing was written for it.")
    for reason, n_rows in taken.left_out.items():
        _say(f"Left out: {_rows(n_rows)}, {reason}; there is nothing like it here.")
    if taken.n_without_samples:
        _say(
            f"{_rows(taken.n_without_samples)} without single samples: one trial each, at the "
            "average rate. llama-bench prints the samples with -o json or -o jsonl."
        )
    if found.unknown_keys:
        _say(f"Unknown keys, not taken over: {', '.join(found.unknown_keys[:10])}.")


def _rows(n: int) -> str:
    return f"{n} row" if n == 1 else f"{n} rows"


def _say(text: str) -> None:
    click.echo("\n".join(wrapped(harmless(text))), err=True)


def _document(
    taken: Import, found: BenchFile, here: Mapping[str, Path], paths: Mapping[str, Path]
) -> dict[str, Any]:
    experiments: Sequence[ImportedExperiment] = taken.experiments
    return {
        "schema": 1,
        "experiments": [
            {
                "experiment": each.experiment.id,
                "path": str(paths[each.experiment.id]),
                "is_new": each.experiment.id not in here,
                "machine": each.experiment.machine.id,
                "models": [model.key for model in each.experiment.plan.models],
                "n_runs": len(each.runs),
                "n_trials": sum(len(run.trials) for run in each.runs),
            }
            for each in experiments
        ],
        "left_out": [{"reason": why, "n_rows": n} for why, n in taken.left_out.items()],
        "n_rows_without_samples": taken.n_without_samples,
        "unknown_keys": list(found.unknown_keys),
    }
