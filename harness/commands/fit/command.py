"""`harness fit`: will it run here, with how much memory at which context, and how fast."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from harness.commandline import options
from harness.commands.fit.audit import Pair, audited, pairs_of
from harness.commands.fit.document import audit_document, fit_document
from harness.commands.fit.fit import Teller, fit_one
from harness.commands.fit.page import (
    Failure,
    audit_text,
    failure_text,
    fit_text,
    overview_text,
    room_text,
)
from harness.errors import ExitCode, HarnessError, LayoutUnknown, UsageError
from harness.machine.memory import available_memory_bytes
from harness.machine.probe import default_threads, probe_machine
from harness.measure.fits import ModelFit, Room, room_of
from harness.models.catalog.catalog import Catalog, load_catalog
from harness.models.find import find
from harness.models.model import Model
from harness.records.listing import list_experiments
from harness.records.store import load
from harness.report import terminal
from harness.report.progress.fetching import Fetching
from harness.schema.machine import Machine
from harness.schema.settings import Settings

_OVERVIEW_CONTEXT = (4096,)
_MOST_WORKERS = 8  # each takes about 100 MB


@click.command("fit")
@click.argument("models", nargs=-1)
@click.option(
    "--all", "is_all", is_flag=True, help="Every entry of the catalogue with a shape; offline."
)
@click.option("--audit", "is_audit", is_flag=True, help="How wrong stored predictions were.")
@click.option("--offline", is_flag=True, help="Ask no hub: what is here, and the shapes.")
@click.option(
    "-c",
    "--ctx",
    "lengths",
    type=options.COUNTS,
    default=(),
    show_default="4096,8192,32768,131072, up to what the model was trained for",
    help="Contexts to plan.",
)
@click.option("-ctk", "--cache-type-k", "types_k", type=options.CACHE, default="f16")
@click.option("-ctv", "--cache-type-v", "types_v", type=options.CACHE, default="f16")
@click.option("-ub", "--ubatch-size", "n_ubatch", type=click.IntRange(1), default=512)
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
@click.option(
    "-fa", "--flash-attn", "flash_attn", type=click.Choice(("auto", "on", "off")), default="auto"
)
@click.option("--load-mode", "load_mode", type=click.Choice(options.LOAD_MODES), default="auto")
@options.catalog_option
@options.results_option
@options.json_option
@click.option("-q", "--quiet", is_flag=True, help="No progress, no warnings.")
def command(models: tuple[str, ...], catalogs: tuple[Path, ...], **given: Any) -> int:
    """
    Tell whether MODELS will run here, before any download.

    Memory comes from the engine's own planner, which needs the header of the file only: of the
    file here, or a few megabytes from the hub, or made from the catalogue's shape. Speed comes
    from `harness machine --calibrate`, or from the machine's class.
    """
    if given["is_audit"]:
        if models or given["is_all"]:
            raise UsageError("--audit reads what is stored; leave the models away")
        return _audit(given["results"], as_json=given["as_json"])
    if bool(models) == given["is_all"]:
        raise UsageError("name models, as `harness run` takes them, or pass --all alone")
    machine = probe_machine()
    asked = _Asked(
        catalog=load_catalog(catalogs),
        machine=machine,
        room=room_of(machine, available_memory_bytes()),
        settings=_settings(given, default_threads(machine)),
        lengths=given["lengths"],
        types=tuple(product(given["types_k"], given["types_v"])),
        results=given["results"],
        console=terminal.console(is_quiet=given["quiet"]),
        as_json=given["as_json"],
    )
    if given["is_all"]:
        return _fit_all(asked)
    return _fit_named(asked, models, asks_hub=not given["offline"])


@dataclass(frozen=True)
class _Asked:
    """What is wanted, and where."""

    catalog: Catalog
    machine: Machine
    room: Room
    settings: Settings
    lengths: tuple[int, ...]
    types: tuple[tuple[str, str], ...]
    results: Path
    console: Console
    as_json: bool

    def fit(self, found: Model) -> ModelFit | Failure:
        """One model, here."""
        return fit_one(found, self.settings, self.room, self.lengths, self.types)


def _settings(given: dict[str, Any], n_threads: int) -> Settings:
    names = ("n_ubatch", "n_gpu_layers", "n_cpu_moe", "flash_attn", "load_mode")
    return Settings(n_threads=n_threads, **{name: given[name] for name in names})


def _fit_named(asked: _Asked, models: Sequence[str], *, asks_hub: bool) -> int:
    fetching = Fetching(asked.console)
    results: list[ModelFit | Failure] = []
    for reference in models:
        try:
            found = find(reference, asked.catalog, on_progress=fetching.report, asks_hub=asks_hub)
        except HarnessError as error:
            results.append(Failure(reference, str(error)))
            continue
        results.append(asked.fit(found))
    fetching.done()
    teller = Teller(asked.machine, asked.settings, asked.results)
    told = [(result, teller.speeds(result)) for result in results if isinstance(result, ModelFit)]
    failures = [result for result in results if isinstance(result, Failure)]
    for note in teller.notes:
        terminal.warn(asked.console, note)
    if asked.as_json:
        click.echo(json.dumps(fit_document(asked.machine, asked.room, told, failures), indent=2))
    else:
        texts = [fit_text(fit, speeds) for fit, speeds in told]
        if told:
            texts.append(room_text(asked.room))
        click.echo("\n\n".join([*texts, *map(failure_text, failures)]))
    return ExitCode.ERROR if failures else ExitCode.DONE


# ------------------------------------------------------------------ the whole catalogue


def _fit_all(asked: _Asked) -> int:
    """Every variant whose header is here or can be made; those without a shape are counted."""
    keys = [entry.key for entry in asked.catalog.entries() if entry.spec.shape is not None]
    asked = replace(asked, lengths=asked.lengths or _OVERVIEW_CONTEXT)
    pool = ThreadPoolExecutor(min(_MOST_WORKERS, asked.machine.n_cores_usable))
    try:
        results = list(pool.map(lambda key: _fit_offline(asked, key), keys))
    finally:
        pool.shutdown(cancel_futures=True)  # after Ctrl-C only those that are under way
    fits = [result for result in results if isinstance(result, ModelFit)]
    failures = [result for result in results if isinstance(result, Failure)]
    if asked.as_json:
        told = [(fit, ()) for fit in fits]
        click.echo(json.dumps(fit_document(asked.machine, asked.room, told, failures), indent=2))
    else:
        click.echo(overview_text(fits, failures))
        n_left_out = results.count(None)
        asked.console.print(
            f"\n{room_text(asked.room)} {n_left_out} more cannot be laid out from their shape.",
            soft_wrap=True,
        )
    return ExitCode.ERROR if failures else ExitCode.DONE


def _fit_offline(asked: _Asked, key: str) -> ModelFit | Failure | None:
    """None where no layout came with the harness: known of the catalogue, and no failure."""
    try:
        return asked.fit(find(key, asked.catalog, asks_hub=False))
    except LayoutUnknown:
        return None
    except HarnessError as error:
        return Failure(key, str(error))


# ------------------------------------------------------------------ afterwards


def _audit(folder: Path, *, as_json: bool) -> int:
    """Every experiment in `folder` that can be read; the others are named."""
    pairs: list[Pair] = []
    problems: list[str] = []
    n_experiments = 0
    for listing in list_experiments(folder):
        if listing.experiment is None:
            problems.append(listing.problem or f"{listing.path} cannot be read")
        elif listing.experiment.predictions:
            stored = load(listing.path)
            pairs += pairs_of(stored.experiment, stored.runs)
            n_experiments += 1
    audits = audited(pairs)
    if as_json:
        click.echo(json.dumps(audit_document(audits, pairs, problems), indent=2))
    else:
        click.echo(audit_text(audits, n_experiments))
        for problem in problems:
            click.echo(problem, err=True)
    return ExitCode.ERROR if problems else ExitCode.DONE
