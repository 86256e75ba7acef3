"""`harness run`: measure models on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from harness.commands.fetching import Fetching
from harness.commands.measuring import measure, prepare, undisturbed
from harness.commands.measuring_options import measuring_options
from harness.errors import UsageError
from harness.models.catalog import Catalog, load_catalog
from harness.models.digest import sha256_of_parts
from harness.models.fetch import LocalModel, ensure
from harness.models.model_file import describe
from harness.models.shards import shard_paths
from harness.report import terminal
from harness.schema import ModelFile


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
    locals_by_key = _fetch(models or (catalog.models[0].name,), catalog, Fetching(console))
    files = [_model_file(local, Fetching(console)) for local in locals_by_key.values()]
    paths = {key: local.path for key, local in locals_by_key.items()}
    measurement = prepare(given, files)
    with undisturbed(", ".join(paths), given, console):
        return measure(measurement, paths, given, results, console)


def _fetch(names: tuple[str, ...], catalog: Catalog, fetching: Fetching) -> dict[str, LocalModel]:
    found: dict[str, LocalModel] = {}
    for name in names:
        local = ensure(name, fetching.report, catalog)
        if local.key in found and found[local.key].path != local.path:
            raise UsageError(
                f"Two files are both called {local.key}: {found[local.key].path} and "
                f"{local.path}. Rename one of them."
            )
        found[local.key] = local
    fetching.done()
    return found


def _model_file(local: LocalModel, fetching: Fetching) -> ModelFile:
    quantization = local.variant.quantization if local.variant else None
    # The header first: a damaged file should not be hashed for a minute before it is refused.
    file = describe(local.path, local.key, quantization)
    sha256 = local.variant.sha256 if local.variant else None
    sha256 = sha256 or sha256_of_parts(shard_paths(local.path), fetching.report)
    fetching.done()
    return file.model_copy(update={"sha256": sha256})
