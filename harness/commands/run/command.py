"""`harness run`: measure models on this machine."""

from __future__ import annotations

from pathlib import Path

import click

from harness.commandline import options
from harness.commandline.measuring import show_measured
from harness.commandline.measuring_options import measuring_options
from harness.commandline.output import Output, explain_option, html_options, output_options
from harness.measure.lock import machine_held
from harness.measure.session import MeasureRequest, prepare
from harness.models.catalog.catalog import load_catalog
from harness.models.find import find_all
from harness.report.progress.fetching import Fetching
from harness.report.progress.measuring import Progress


@click.command(
    "run",
    epilog=options.examples(
        "harness run",
        "harness run smollm2-135m model.gguf --threads 1,2 --budget 2m",
    ),
)
@click.argument("models", type=options.MODEL, nargs=-1)
@measuring_options
@options.verbose_option
@output_options
@html_options
@explain_option
def command(
    models: tuple[str, ...],
    catalogs: tuple[Path, ...],
    request: MeasureRequest,
    is_full: bool,
    output: Output,
) -> int:
    """
    Measure MODELS on this machine: tokens per second, latency, memory.

    A model is a name of `harness models` ("smollm2-135m", "smollm2-135m:Q4_1") or the path of a
    GGUF file. Without one, the default model is fetched and measured. Options that take lists
    are swept: --threads 1,2 measures both, interleaved.
    """
    catalog = load_catalog(catalogs)
    with Fetching(output.console) as fetching:
        named = find_all(models or (catalog.models[0].name,), catalog, fetching.report)
    found = {model.key: model for model in named}
    paths = {key: model.weights for key, model in found.items()}
    session = prepare(request, [model.file for model in found.values()])
    with machine_held(", ".join(paths), request.wait_ns, output.tell):
        measured = session.measure(paths, Progress(output.console))
    return show_measured(measured, output, is_full=is_full)
