"""`harness rpc`: this machine's devices for a model that is larger than one machine."""

from __future__ import annotations

import click

from harness.commandline import options
from harness.commandline.engine_options import ENGINE_OPTIONS
from harness.commandline.output import Output, output_options
from harness.commands.rpc.page import document, hint, page
from harness.errors import ExitCode
from harness.machine.probe import default_threads, probe_machine
from harness.machine.rpc import PORT
from harness.measure.rpc_serving import require_host, rpc_served


@click.group(
    "rpc",
    epilog=options.examples(
        "harness rpc serve",
        "harness rpc serve --port 50053 --memory 16GiB",
    ),
)
@output_options
@click.pass_context
def command(context: click.Context, output: Output) -> None:
    """
    Compute with the devices of several machines, by llama.cpp's own RPC.

    `harness rpc serve` offers this machine's; `harness run`, `fit` and `rehearse` on the other
    one take them with --rpc.
    """
    # What stands before the subcommand holds for it as well, unless it says otherwise.
    context.default_map = {"serve": output.given}


@command.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option(
    "--port", type=click.IntRange(1, 65_535), default=PORT, show_default=True, help="Port."
)
@click.option(
    "-t",
    "--threads",
    "n_threads",
    type=click.IntRange(1),
    help=ENGINE_OPTIONS["n_threads"].help,
)
@click.option(
    "--memory",
    "memory_bytes",
    type=options.SIZE,
    help="Give clients no more of each device, as in 8GiB; they plan and split by it.",
)
@click.option(
    "--listen-insecurely",
    is_flag=True,
    help="Listen where others can reach it: there is no password, no encryption, and known holes.",
)
@output_options
def serve_command(
    host: str,
    port: int,
    n_threads: int | None,
    memory_bytes: int | None,
    listen_insecurely: bool,
    output: Output,
) -> int:
    """
    Offer this machine's devices until Ctrl-C: its graphics cards, or without one its CPU.

    Only programs of this machine reach it; another machine comes through a tunnel of ssh. One
    client at a time is served, and the others wait.
    """
    host = require_host(host, listens_insecurely=listen_insecurely)
    threads = n_threads or default_threads(probe_machine())
    try:
        with rpc_served(host, port, threads, memory_bytes) as serving:
            output.show(page(serving), document(serving), hint=hint(serving))
            serving.wait()
    except KeyboardInterrupt:
        output.tell("Ended: the devices are no longer offered.")
    return ExitCode.DONE
