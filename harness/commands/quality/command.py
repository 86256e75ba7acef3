"""`harness quality`: what a quantization costs, in perplexity and in distance from a reference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from harness.commandline import options
from harness.commandline.engine_options import engine_values
from harness.commandline.output import Output, output_options
from harness.commandline.places import FILE
from harness.commands.quality.document import document
from harness.commands.quality.page import hint, page
from harness.commands.quality.quality import quality_files, quality_result
from harness.errors import UsageError
from harness.measure.jobs.score_text import default_text, read_text
from harness.measure.lock import machine_held
from harness.measure.possible import require_possible
from harness.measure.scoring import ScoreRequest, score_models
from harness.models.catalog.catalog import load_catalog
from harness.records.quality import quality_folder
from harness.records.rescue import require_writable
from harness.report.progress.fetching import Fetching
from harness.report.progress.scoring import QualityProgress

# 32 chunks leave 31 degrees of freedom: beyond that an interval narrows only as the root of the
# time, and its t quantile by 4 % at most.
_CHUNKS = 32


@click.command(
    "quality",
    epilog=options.examples(
        "harness quality qwen3-4b:Q4_K_M --reference qwen3-4b:Q8_0",
        "harness quality a.gguf b.gguf --budget 10m",
    ),
)
@click.argument("models", type=options.MODEL, nargs=-1, required=True)
@click.option(
    "--reference",
    type=options.MODEL,
    help="The model to compare with, the most precise one at hand.",
)
@click.option(
    "--text",
    "text_path",
    type=FILE,
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
    cls=options.OwnOption,
    type=click.IntRange(16),
    default=512,
    show_default=True,
    help="Tokens in a chunk; the second half of them is scored.",
)
@click.option(
    "--budget",
    "budget_ns",
    type=options.DURATION,
    default="30m",
    show_default=True,
    help="Time for each model; two chunks are always finished.",
)
@engine_values(
    *("n_threads", "n_gpu_layers", "n_cpu_moe", "load_mode"),
    help={"n_threads": "As for `run`."},
)
@click.option(
    "--spill",
    "is_spilling",
    is_flag=True,
    help="Hold one model at a time, as is done when both do not fit into memory.",
)
@click.option(
    "--timeout",
    "silence_ns",
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
@output_options
def command(
    models: tuple[str, ...],
    reference: str | None,
    text_path: Path | None,
    catalogs: tuple[Path, ...],
    output: Output,
    wait: int | None,
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
    require_possible({field: (value,) for field, value in given["settings"].items()})
    request = ScoreRequest(read_text(text_path) if text_path else default_text(), **given)
    require_writable(quality_folder(request.results))
    with Fetching(output.console) as fetching:
        files = quality_files(
            models, reference, load_catalog(catalogs), request.n_ctx, fetching.report
        )
    longest = options.budget_text(len(files.models), request.budget_ns)
    progress = QualityProgress(output.console, f"Quality: {longest}.")
    with machine_held(files.title, wait or 0, output.tell):
        scored = score_models(request, files.models, files.reference, progress)
    result = quality_result(scored)
    return output.show(page(result), document(result), scored.exit_code, hint=hint(result))
