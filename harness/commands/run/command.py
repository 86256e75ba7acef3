"""`harness run`: measure models on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from harness.commandline.engine_options import measuring_options
from harness.commandline.measuring import measure
from harness.measure.session import prepare, undisturbed
from harness.models.catalog.catalog import load_catalog
from harness.models.local import local_models, model_file
from harness.report import terminal
from harness.report.progress.fetching import Fetching


@click.command("run")
@click.argument("models", nargs=-1)
@measuring_options
def command(
    models: tuple[str, ...], results: Path, catalogs: tuple[Path, ...], **given: Any
) -> int:
    """
    Measure MODELS on this machine: tokens per second, latency, memory.

    A model is a name of `harness models` ("smollm2-135m", "smollm2-135m:Q4_1") or the path of a
    GGUF file. Without one, the default model is fetched and measured. Options that take lists
    are swept: --threads 1,2 measures both, interleaved.
    """
    console = terminal.console(is_quiet=given["quiet"])
    catalog = load_catalog(catalogs)
    with Fetching(console) as fetching:
        found = local_models(models or (catalog.models[0].name,), catalog, fetching.report)
        files = [model_file(local, fetching.report) for local in found.values()]
    paths = {key: local.path for key, local in found.items()}
    measurement = prepare(given, files)
    with undisturbed(", ".join(paths), given, console.print):
        return measure(measurement, paths, given, results, console)
