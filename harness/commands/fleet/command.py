"""`harness fleet`: several machines, measured from this one."""

from __future__ import annotations

from pathlib import Path

import click

from harness.commandline import options
from harness.commandline.output import Output, output_options
from harness.commands.fleet.hosts_command import hosts_command
from harness.commands.fleet.run_command import run_command
from harness.commands.fleet.worker_command import worker_command


@click.group(
    "fleet",
    epilog=options.examples(
        "harness fleet hosts --hosts laptop,studio",
        "harness fleet run plan.yaml --hosts laptop,studio,local",
    ),
)
@options.results_option
@output_options
@click.pass_context
def command(context: click.Context, results: Path, output: Output) -> None:
    """
    Measure one plan on several machines from this one, and see them side by side.

    They are reached by the system's ssh, and need nothing but harness with its extra `fleet`.
    """
    # What stands before the subcommand holds for it as well, unless it says otherwise.
    context.default_map = {
        "run": {"results": str(results), **output.given},
        "hosts": output.given,
    }


command.add_command(run_command)
command.add_command(hosts_command)
command.add_command(worker_command)
