"""`harness fleet`: several machines, measured from this one."""

from __future__ import annotations

import click

from harness.commands.fleet.worker_command import worker_command


@click.group("fleet")
def command() -> None:
    """Measure one plan on several machines from this one."""


command.add_command(worker_command)
