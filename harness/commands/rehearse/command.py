"""`harness rehearse`: measure random-weight twins of models, without their weights."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from harness import units
from harness.commandline.engine_options import measuring_options
from harness.commandline.measuring import measure
from harness.errors import HarnessError, UsageError
from harness.measure.session import prepare, undisturbed
from harness.models.cache import TWINS
from harness.models.catalog.catalog import Catalog, load_catalog
from harness.models.digest import cache_dir
from harness.models.headers import find_headers
from harness.models.model import FoundHeaders
from harness.models.shape.header import stand_in
from harness.models.twin.twin import twin_file, twin_of
from harness.report import terminal
from harness.report.progress.fetching import Fetching
from harness.schema.experiment import ModelFile
from harness.schema.machine import Machine


@click.command("rehearse")
@click.argument("models", nargs=-1, required=True)
@click.option("--keep", is_flag=True, help="Leave the twins on the disk, for the next rehearsal.")
@click.option(
    "--dir",
    "directory",
    type=click.Path(path_type=Path),
    help="Where twins are written; a RAM disk will do. Default: the harness's cache folder.",
)
@click.option("--force", is_flag=True, help="Also what cannot fit into memory.")
@click.option("--offline", is_flag=True, help="Ask no hub: what is here, and the catalogue.")
@measuring_options
def command(
    models: tuple[str, ...],
    directory: Path | None,
    keep: bool,
    force: bool,
    offline: bool,
    results: Path,
    catalogs: tuple[Path, ...],
    **given: Any,
) -> int:
    """
    Measure twins of MODELS, without downloading their weights.

    A twin has the header of the model and random weights: it is as fast and takes as much memory,
    but what it says means nothing. The header comes from the hub, some megabytes, or where nobody
    answers from the catalogue's shape.
    """
    console = terminal.console(is_quiet=given["quiet"])
    fetching = Fetching(console)
    found = _find(models, load_catalog(catalogs), fetching, asks_hub=not offline)
    measurement = prepare(given, [twin_file(each) for each in found])
    if not force:
        _require_memory(measurement.plan.models, measurement.machine, given)
    _tell(found, console, given)
    folder = directory or cache_dir() / TWINS
    keys = [each.key for each in found]
    with undisturbed(", ".join(keys), given, console.print), contextlib.ExitStack() as twins:
        paths = {
            each.key: twins.enter_context(twin_of(each, folder, fetching.report, keeps=keep))
            for each in found
        }
        fetching.done()
        return measure(measurement, paths, given, results, console)


def _find(
    names: Sequence[str], catalog: Catalog, fetching: Fetching, *, asks_hub: bool
) -> list[FoundHeaders]:
    found: dict[str, FoundHeaders] = {}
    for name in names:
        each = find_headers(name, fetching.report, catalog, asks_hub=asks_hub)
        if each.key in found and found[each.key].source != each.source:
            raise UsageError(
                f"Two models are both called {each.key}: from {found[each.key].source} and from "
                f"{each.source}. Rehearse them one after the other."
            )
        found[each.key] = each
    fetching.done()
    return list(found.values())


def _require_memory(files: Sequence[ModelFile], machine: Machine, given: Mapping[str, Any]) -> None:
    """
    Nothing, if the weights of each of `files` can lie in this machine's memory.

    Raises:
        HarnessError: They cannot, not even with every program closed.
    """
    room = machine.usable_bytes
    if any(given["n_gpu_layers"]):
        # A GPU's own memory holds what is not in the system's; Apple's is the same memory.
        room += sum(
            gpu.memory_bytes or 0 for gpu in machine.accelerators if not machine.gpu_limit_bytes
        )
    for file in files:
        if file.weights_bytes > room:
            raise HarnessError(
                f"{file.key} has {units.memory_size(file.weights_bytes)} of weights and this "
                f"machine has {units.memory_size(room)} of memory; choose a smaller variant, or "
                "rehearse it all the same with --force"
            )


def _tell(found: Sequence[FoundHeaders], console: Console, given: Mapping[str, Any]) -> None:
    """What is special about these twins, before anybody waits for them."""
    for each in found:
        if each.note:
            terminal.warn(console, f"{each.key}: header from {each.source} ({each.note})")
        if each.origin != "shape":
            continue
        if each.spec and each.variant and (plain := stand_in(each.spec, each.variant)):
            terminal.warn(
                console,
                f"{each.key}: nobody published which types {each.variant.quantization} gives to "
                f"which tensor; {plain} stands for it",
            )
        if "chat" in given["workloads"]:
            terminal.warn(
                console, f"{each.key}: this twin has no tokenizer; chat runs on random tokens"
            )
