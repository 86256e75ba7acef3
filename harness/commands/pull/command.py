"""`harness pull`: fetch models without measuring them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import click
from tabulate import tabulate

from harness import units
from harness.commandline import options
from harness.errors import ExitCode, UsageError
from harness.models.catalog.catalog import Catalog, load_catalog
from harness.models.fetch import DEFAULT_JOBS, LocalModel, Wishes, ensure_all
from harness.models.gguf.shards import shard_paths
from harness.models.status import FileState, ModelState, survey
from harness.report import terminal
from harness.report.progress.fetching import Fetching

_WORDS = {
    "here": "here",
    "missing": "to fetch",
    "whole": "whole",
    "damaged": "damaged",
    "unknown": "no digest known to compare with",
}


@click.command("pull")
@click.argument("models", nargs=-1, required=True)
@click.option(
    "--jobs",
    type=click.IntRange(1, 32),
    default=DEFAULT_JOBS,
    show_default=True,
    help="How many files at once.",
)
@click.option("--revision", metavar="REV", help="A branch, tag or commit of the repository.")
@click.option("--list", "is_list", is_flag=True, help="Only show what would be fetched.")
@click.option("--verify", "is_verify", is_flag=True, help="Only read what is here, and check it.")
@click.option(
    "--accept-changed", is_flag=True, help="Take a file that differs from what the catalogue says."
)
@options.catalog_option
@options.json_option
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def command(
    models: tuple[str, ...],
    jobs: int,
    revision: str | None,
    is_list: bool,
    is_verify: bool,
    accept_changed: bool,
    catalogs: tuple[Path, ...],
    as_json: bool,
    quiet: bool,
) -> int:
    """
    Fetch MODELS and verify them; what is here already is only checked.

    A model is a name of `harness models`, or owner/repo:QUANTIZATION for any repository of the
    hub, or owner/repo where that leaves no doubt. An interrupted pull goes on where it was.
    """
    if is_list and is_verify:
        raise UsageError("--list and --verify are two questions; ask one of them")
    wishes = Wishes(revision, accept_changed, jobs, asks_hub=not is_verify)
    fetching = Fetching(terminal.console(is_quiet=quiet))
    catalog = load_catalog(catalogs)
    try:
        if is_list or is_verify:
            return _survey(models, fetching, catalog, wishes, is_verify=is_verify, as_json=as_json)
        found = ensure_all(models, fetching.report, catalog, wishes)
    finally:
        fetching.done()
    _show_pulled(found, as_json=as_json)
    return ExitCode.DONE


def _show_pulled(found: Sequence[LocalModel], *, as_json: bool) -> None:
    sizes = [sum(path.stat().st_size for path in shard_paths(local.path)) for local in found]
    if as_json:
        rows = [
            {
                "model": local.key,
                "path": str(local.path),
                "n_bytes": n_bytes,
                "sha256": local.variant.sha256 if local.variant else None,
            }
            for local, n_bytes in zip(found, sizes, strict=True)
        ]
        click.echo(json.dumps({"schema": 1, "models": rows}, indent=2))
        return
    for local, n_bytes in zip(found, sizes, strict=True):
        click.echo(f"{local.key}  {units.file_size(n_bytes)}  {local.path}")


def _survey(
    models: Sequence[str],
    fetching: Fetching,
    catalog: Catalog,
    wishes: Wishes,
    *,
    is_verify: bool,
    as_json: bool,
) -> int:
    """What is here and what is not; exit 1 if something was to be verified and is not whole."""
    states = survey(models, fetching.report, catalog, wishes, verifies=is_verify)
    fetching.done()
    files = [file for state in states for file in state.files]
    if as_json:
        rows = [_document(state) for state in states]
        click.echo(json.dumps({"schema": 1, "models": rows}, indent=2))
    else:
        table = [_row(state, file) for state in states for file in state.files]
        headers = ["model", "file", "size", "sha256", ""]
        click.echo(tabulate(table, headers, tablefmt="simple", disable_numparse=True))
        if not is_verify:
            left = sum(file.n_bytes - file.n_bytes_here for file in files)
            click.echo(f"\n{units.file_size(left)} to fetch" if left else "\nnothing to fetch")
    is_well = not is_verify or all(file.state in ("whole", "unknown") for file in files)
    return ExitCode.DONE if is_well else ExitCode.ERROR


def _row(state: ModelState, file: FileState) -> list[str]:
    word = _WORDS.get(file.state) or f"{units.file_size(file.n_bytes_here)} here, the rest to fetch"
    sha256 = f"{file.sha256[:12]}…" if file.sha256 else ""
    return [state.key, file.name, units.file_size(file.n_bytes), sha256, word]


def _document(state: ModelState) -> dict[str, object]:
    return {
        "model": state.key,
        "repo": state.repo,
        "commit": state.commit,
        "files": [
            {
                "name": file.name,
                "n_bytes": file.n_bytes,
                "n_bytes_here": file.n_bytes_here,
                "sha256": file.sha256,
                "state": file.state,
                "path": str(file.path) if file.path else None,
            }
            for file in state.files
        ],
    }
