"""`harness run`: measure models on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from harness.commands.fetching import Fetching
from harness.commands.local_models import local_models, model_file
from harness.commands.measuring import measure, prepare, undisturbed
from harness.commands.measuring_options import measuring_options
from harness.models.catalog import load_catalog
from harness.report import terminal


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
    found = local_models(models or (catalog.models[0].name,), catalog, Fetching(console))
    files = [model_file(local, Fetching(console)) for local in found.values()]
    paths = {key: local.path for key, local in found.items()}
    measurement = prepare(given, files)
    with undisturbed(", ".join(paths), given, console):
        return measure(measurement, paths, given, results, console)
