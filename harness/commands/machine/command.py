"""`harness machine`: what this machine is, and what could spoil a measurement now."""

from __future__ import annotations

import click

from harness.commandline import options
from harness.commandline.output import Output, output_options
from harness.commands.machine.machine import MachineRequest, look
from harness.commands.machine.page import page


@click.command(
    "machine",
    epilog=options.examples(
        "harness machine",
        "harness machine --calibrate",
    ),
)
@click.option(
    "--calibrate",
    "is_calibrating",
    is_flag=True,
    help="Measure small models first, so that speeds can be predicted; takes about two minutes.",
)
@click.option("--force", is_flag=True, help="Calibrate even where other programs use the machine.")
@output_options
@click.pass_context
def command(context: click.Context, /, is_calibrating: bool, force: bool, output: Output) -> int:
    """Describe this machine, measure its memory, and name what could spoil a figure now."""
    if not is_calibrating:
        why = "is for --calibrate, which is not asked for; leave it away"
        options.refuse_unused(options.typed(context), ("force",), why)
    result = look(MachineRequest(is_calibrating, force), output.tell, output.warn)
    return output.show(page(result), result)
