"""`harness quality`: what a quantization costs, in perplexity and in distance from a reference."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import click

from harness.analysis.quality import side_by_side
from harness.commandline import options
from harness.commandline.scoring import Session, named_files, new_session, score_all
from harness.commands.quality.page import QualityResult, quality_document, quality_text
from harness.errors import UsageError
from harness.measure.jobs.score_text import default_text, read_text
from harness.measure.lock import machine_held
from harness.models.catalog.catalog import load_catalog
from harness.records.quality import require_writable
from harness.report import terminal

# 32 chunks leave 31 degrees of freedom: beyond that an interval narrows only as the root of the
# time, and its t quantile by 4 % at most.
_CHUNKS = 32


@click.command("quality")
@click.argument("models", nargs=-1, required=True)
@click.option("--reference", help="The model to compare with, the most precise one at hand.")
@click.option(
    "--text",
    "text_path",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A text in UTF-8. Default: the documentation that every Python carries.",
)
@click.option(
    "--chunks",
    "n_chunks",
    type=click.IntRange(1),
    default=_CHUNKS,
    show_default=True,
    help="Most chunks of the text.",
)
@click.option(
    "-c",
    "--ctx",
    "n_ctx",
    type=click.IntRange(16),
    default=512,
    show_default=True,
    help="Tokens in a chunk; the second half of them is scored.",
)
@click.option(
    "--budget",
    type=options.DURATION,
    default="30m",
    show_default=True,
    help="Time for each model; two chunks are always finished.",
)
@click.option("-t", "--threads", "n_threads", type=click.IntRange(1), help="As for `run`.")
@click.option(
    "-ngl",
    "--gpu-layers",
    "n_gpu_layers",
    type=click.IntRange(-1),
    default=-1,
    help="Layers on the GPU; -1 is all.",
)
@click.option(
    "-ncmoe",
    "--cpu-moe",
    "n_cpu_moe",
    type=click.IntRange(0),
    default=0,
    help="Keep the experts of the first N layers in system memory.",
)
@click.option("--load-mode", "load_mode", type=click.Choice(options.LOAD_MODES), default="auto")
@click.option(
    "--spill",
    "is_spilling",
    is_flag=True,
    help="Hold one model at a time, as is done when both do not fit into memory.",
)
@click.option(
    "--timeout",
    type=options.DURATION,
    default="20m",
    show_default=True,
    help="End a worker that is silent for so long; a chunk is one event.",
)
@click.option(
    "--wait", type=options.DURATION, default=None, help="Wait for a running measurement to end."
)
@options.catalog_option
@options.results_option
@click.option(
    "--format",
    "table_format",
    type=click.Choice(options.FORMATS),
    default="plain",
    show_default=True,
)
@options.json_option
@click.option("-q", "--quiet", is_flag=True, help="No progress, no warnings.")
def command(
    models: tuple[str, ...],
    reference: str | None,
    text_path: Path | None,
    results: Path,
    catalogs: tuple[Path, ...],
    **given: Any,
) -> int:
    """
    Measure how well MODELS predict a text, and how far they are from a reference.

    By llama-perplexity's definitions: perplexity; with --reference also KL divergence and how
    often both think the same token likeliest. Take the most precise file of the model as the
    reference. Figures are only comparable on the same text, tokenizer and chunk size.
    """
    if given["is_spilling"] and reference is None:
        raise UsageError("--spill is about a model and its --reference; name one")
    text = read_text(text_path) if text_path else default_text()
    require_writable(results)
    console = terminal.console(is_quiet=given["quiet"])
    files = named_files(models, reference, load_catalog(catalogs), given["n_ctx"], console)
    name = f"the quality of {', '.join(each.file.key for each in files.models)}"
    with (
        machine_held(name, given["wait"] or 0, console.print),
        tempfile.TemporaryDirectory() as folder,
    ):
        session = new_session(text, Path(folder), given, results, console)
        score_all(session, files)
    _show(session, "json" if given["as_json"] else given["table_format"])
    return session.exit_code


def _show(session: Session, table_format: str) -> None:
    records = [record for record, _ in session.kept]
    results = [
        QualityResult(record, derived, path)
        for (record, path), derived in zip(session.kept, side_by_side(records), strict=True)
    ]
    text = session.request.text.facts
    if table_format == "json":
        document = quality_document(text, results, session.failures)
        click.echo(json.dumps(document, indent=2, allow_nan=False))
        return
    click.echo(quality_text(text, results, session.failures, table_format))
    for _, path in session.kept:
        session.console.print(f"Record: {path}", soft_wrap=True)
