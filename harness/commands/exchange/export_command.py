"""`harness export`: stored results in the format of llama-bench."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from harness.analysis.formulas import contamination
from harness.commandline import options
from harness.commands.exchange import write as llama_bench_write
from harness.commands.exchange.export import (
    Export,
    ExportRow,
    LeftOut,
    as_builds,
    build_names,
    exported,
)
from harness.errors import ResultsInvalid, ResultsUnwritable, UsageError
from harness.files import atomic_write, cannot
from harness.records.listing import find
from harness.records.store import StoredExperiment, load
from harness.report.text import harmless, wrapped
from harness.schema.experiment import Run, Trial

_WRITERS = {
    "jsonl": llama_bench_write.as_jsonl,
    "json": llama_bench_write.as_json,
    "csv": llama_bench_write.as_csv,
    "sql": llama_bench_write.as_sql,
    "md": llama_bench_write.as_markdown,
}


@click.command("export")
@click.argument("experiments", nargs=-1, metavar="[EXPERIMENT]...")
@options.results_option
@click.option(
    "--format", "target", type=click.Choice(["llama-bench"]), default="llama-bench",
    show_default=True, help="Whose format.",
)  # fmt: skip
@click.option(
    "--output", type=click.Choice(list(_WRITERS)), default="jsonl", show_default=True,
    help="As llama-bench's own option of that name.",
)  # fmt: skip
@click.option(
    "--as-builds",
    "is_as_builds",
    is_flag=True,
    help="Write each quantization as a build, so that compare-llama-bench.py compares them.",
)
@click.option("--to", type=click.Path(path_type=Path), metavar="FILE", help="Instead of stdout.")
@click.option("--force", is_flag=True, help="Overwrite FILE.")
@options.json_option
def command(experiments: tuple[str, ...], results: Path, as_json: bool, **given: Any) -> None:
    """
    Write stored results in the format of llama-bench.

    EXPERIMENT is `latest` (the default), an id or its beginning, or the path of an experiment
    file; there may be several. llama.cpp's scripts/compare-llama-bench.py reads what comes out
    (with -t llama-bench). Each pp and tg workload becomes a row, whose samples are the clean
    trials of all Runs.
    """
    to: Path | None = given["to"]
    if to and to.exists() and not given["force"]:
        raise UsageError(f"{to} exists; --force overwrites it")
    paths = dict.fromkeys(find(results, name) for name in experiments or ("latest",))
    export = exported([load(path) for path in paths], _is_clean)
    if not export.rows:
        raise ResultsInvalid(f"Nothing to export: {_reasons(export.left_out)}")
    rows = as_builds(export.rows) if given["is_as_builds"] else export.rows
    text = _WRITERS[given["output"]](rows)
    if to:
        _write(to, text)
    _tell(export, rows, to, given["is_as_builds"])
    if as_json:
        click.echo(json.dumps(_document(export, rows, to, given), indent=2))
    elif to is None:
        click.echo(text, nl=False)


def _is_clean(stored: StoredExperiment, run: Run, trial: Trial) -> bool:
    return contamination(trial, run, stored.experiment.machine) is None


def _write(to: Path, text: str) -> None:
    try:
        with atomic_write(to) as part:
            part.write_bytes(text.encode("utf-8"))
    except OSError as error:
        advice = "choose another place with --to FILE"
        raise ResultsUnwritable(cannot("written", to, error, advice)) from error


def _tell(export: Export, rows: Sequence[ExportRow], to: Path | None, is_as_builds: bool) -> None:
    if export.left_out:
        _say(f"Left out: {_reasons(export.left_out)}")
    if to:
        _say(f"{len(rows)} rows written to {to}")
    builds = build_names(rows)
    if is_as_builds and len(builds) > 1:
        name = to or "FILE"
        _say(
            f"Compare: compare-llama-bench.py -t llama-bench -i {name} -b {builds[0]} "
            f"-c {builds[1]}" + (f"; other builds: {', '.join(builds[2:])}" if builds[2:] else "")
        )


def _say(text: str) -> None:
    click.echo("\n".join(wrapped(harmless(text))), err=True)


def _reasons(left_out: Sequence[LeftOut]) -> str:
    """Each reason once, behind the cases it holds for."""
    cases: dict[str, list[str]] = {}
    for each in left_out:
        cases.setdefault(each.reason, []).append(f"{each.model} {each.workload}")
    texts = (f"{', '.join(dict.fromkeys(names))} ({why})" for why, names in cases.items())
    return "; ".join(texts) + "."


def _document(
    export: Export, rows: Sequence[ExportRow], to: Path | None, given: dict[str, Any]
) -> dict[str, Any]:
    return {
        "schema": 1,
        "format": given["target"],
        "output": given["output"],
        "written": str(to) if to else None,
        "rows": [llama_bench_write.document(row) for row in rows],
        "left_out": [
            {"experiment": it.experiment, "model": it.model, "workload": it.workload,
             "reason": it.reason}
            for it in export.left_out
        ],
    }  # fmt: skip
