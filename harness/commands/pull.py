"""`harness pull`: fetch models without measuring them."""

from __future__ import annotations

import json

import click

from harness import units
from harness.commands import options
from harness.commands.fetching import Fetching
from harness.models.fetch import ensure
from harness.report import terminal


@click.command("pull")
@click.argument("models", nargs=-1, required=True)
@options.json_option
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def command(models: tuple[str, ...], as_json: bool, quiet: bool) -> None:
    """Fetch MODELS and verify them; what is here already is only checked."""
    fetching = Fetching(terminal.console(is_quiet=quiet))
    try:
        found = [ensure(name, fetching.report) for name in models]
    finally:
        fetching.done()
    if as_json:
        rows = [{"model": local.key, "path": str(local.path)} for local in found]
        click.echo(json.dumps({"schema": 1, "models": rows}, indent=2))
        return
    for local in found:
        size = units.file_size(local.path.stat().st_size)
        click.echo(f"{local.key}  {size}  {local.path}")
