"""`harness cache`: what takes how much space, and removing it by name."""

from __future__ import annotations

import json
from collections.abc import Sequence

import click
from tabulate import tabulate

from harness import units
from harness.commandline import options
from harness.models.cache import Kept, contents, find_kept, remove
from harness.models.digest import cache_dir
from harness.models.hub.cache import cache_root

_WORDS = {
    "model": "model",
    "repository": "hub",
    "partial": "unfinished, counted above too",
    "twin": "random weights, of a rehearsal",
    "digests": "sha256 computed before",
}


@click.group("cache", invoke_without_command=True)
@options.json_option
@click.pass_context
def command(context: click.Context, as_json: bool) -> None:
    """
    Show what the models on this disk take, the largest first.

    Two folders hold them: the Hugging Face cache, which other programs use too, and the
    harness's own. `harness cache rm NAME` removes something of this list.
    """
    if context.invoked_subcommand:
        return
    kept = contents()
    if as_json:
        rows = [_document(each) for each in kept]
        folders = {"hub": str(cache_root()), "own": str(cache_dir())}
        click.echo(json.dumps({"schema": 1, "folders": folders, "kept": rows}, indent=2))
        return
    if kept:
        table = [[each.name, units.file_size(each.n_bytes), _WORDS[each.kind]] for each in kept]
        click.echo(tabulate(table, ["name", "size", ""], tablefmt="simple", disable_numparse=True))
        click.echo()
    total = sum(each.n_bytes for each in kept if each.kind != "partial")
    click.echo(f"{units.file_size(total)} in {cache_root()} and {cache_dir()}")


@command.command("rm")
@click.argument("names", nargs=-1, required=True)
@click.option("--yes", is_flag=True, help="Do not ask.")
def remove_command(names: Sequence[str], yes: bool) -> None:
    """
    Remove what is called NAMES in `harness cache`, after asking.

    Of the hub's, other programs lose it too: they share that folder.
    """
    chosen = find_kept(names, contents())
    for each in chosen:
        click.echo(f"{each.name}  {units.file_size(each.n_bytes)}  {each.path}", err=True)
    if not yes and not click.confirm("Remove this?", err=True):
        click.echo("nothing was removed", err=True)
        return
    for each in chosen:
        remove(each)
    freed = units.file_size(sum(each.n_bytes for each in chosen))
    click.echo(f"removed {freed}", err=True)


def _document(each: Kept) -> dict[str, object]:
    return {
        "name": each.name,
        "kind": each.kind,
        "n_bytes": each.n_bytes,
        "n_files": each.n_files,
        "path": str(each.path),
    }
