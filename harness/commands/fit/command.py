"""`harness fit`: will it run here, with how much memory at which context, and how fast."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import product
from pathlib import Path

import click

from harness.commandline import options
from harness.commandline.engine_options import engine_lists, engine_values
from harness.commands.fit.audit import audit
from harness.commands.fit.document import audit_document, fit_document
from harness.commands.fit.fit import FitRequest, FitResult, fit
from harness.commands.fit.page import (
    audit_text,
    capacity_text,
    failure_text,
    fit_text,
    overview_text,
)
from harness.errors import UsageError
from harness.models.catalog.catalog import load_catalog
from harness.report import terminal
from harness.report.progress.fetching import Fetching


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
@engine_lists("type_k", "type_v")
@engine_values(
    *("n_ubatch", "n_gpu_layers", "n_cpu_moe", "flash_attn", "load_mode"),
    help={"load_mode": None},
)
@options.catalog_option
@options.results_option
@options.json_option
@click.option("-q", "--quiet", is_flag=True, help="No progress, no warnings.")
def command(
    models: tuple[str, ...],
    is_all: bool,
    is_audit: bool,
    offline: bool,
    lengths: tuple[int, ...],
    type_k: tuple[str, ...],
    type_v: tuple[str, ...],
    settings: Mapping[str, object],
    catalogs: tuple[Path, ...],
    results: Path,
    as_json: bool,
    quiet: bool,
) -> int:
    """
    Tell whether MODELS will run here, before any download.

    Memory comes from the engine's own planner, which needs the header of the file only: of the
    file here, or a few megabytes from the hub, or made from the catalogue's shape. Speed comes
    from `harness machine --calibrate`, or from the machine's class.
    """
    if is_audit:
        if models or is_all:
            raise UsageError("--audit reads what is stored; leave the models away")
        return _show_audit(results, as_json=as_json)
    if bool(models) == is_all:
        raise UsageError("name models, as `harness run` takes them, or pass --all alone")
    types = tuple(product(type_k, type_v))
    request = FitRequest(models, not offline, lengths, types, settings, results)
    console = terminal.console(is_quiet=quiet)
    with Fetching(console) as fetching:
        result = fit(request, load_catalog(catalogs), fetching.report)
    for note in result.notes:
        terminal.warn(console, note)
    if as_json:
        click.echo(json.dumps(fit_document(result), indent=2))
        return result.exit_code
    click.echo(_text(result))
    if result.is_overview:
        console.print(
            f"\n{capacity_text(result.capacity)} {result.n_left_out} more cannot be laid out from "
            "their shape.",
            soft_wrap=True,
        )
    return result.exit_code


def _text(result: FitResult) -> str:
    if result.is_overview:
        return overview_text([fitted for fitted, _ in result.fits], result.failures)
    texts = [fit_text(fitted, speeds) for fitted, speeds in result.fits]
    if texts:
        texts.append(capacity_text(result.capacity))
    return "\n\n".join([*texts, *map(failure_text, result.failures)])


def _show_audit(results: Path, *, as_json: bool) -> int:
    found = audit(results)
    if as_json:
        click.echo(json.dumps(audit_document(found), indent=2))
        return found.exit_code
    click.echo(audit_text(found.audits, found.n_experiments))
    for problem in found.problems:
        click.echo(problem, err=True)
    return found.exit_code
