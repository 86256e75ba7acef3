"""`harness fleet worker`: what a fleet starts on each machine, or a person for a Dask cluster."""

from __future__ import annotations

import click

from harness import interrupts
from harness.commandline import options, stream
from harness.commandline.fleet_options import (
    host_name,
    listen_address,
    scheduler_address,
    tls_options,
)
from harness.commandline.output import Output, output_options
from harness.commands.fleet.serve import ordered, own_order, serve_order
from harness.commands.fleet.worker_page import document, page
from harness.errors import ExitCode, HarnessError
from harness.fleet.order import (
    Certificate,
    Hello,
    Refusal,
    WorkerOrder,
    WorkerRefused,
    require_certificate,
)

_ORDERED = "-"
_WHY = f"is for a cluster that is there: name its ADDRESS instead of {_ORDERED}"


def _where(text: str) -> str:
    return text if text == _ORDERED else scheduler_address(text)


@click.command(
    "worker",
    epilog=options.examples(
        "harness fleet worker tls://10.0.0.5:8786 --tls-ca ca.pem --tls-cert a.pem --tls-key a.key",
    ),
)
@click.argument("where", metavar=f"ADDRESS|{_ORDERED}", type=options.Parsed("address", _where))
@click.option(
    "--name",
    type=options.Parsed("name", host_name),
    help="What this machine is called in plans. Default: its host name.",
)
@click.option(
    "--listen",
    type=options.Parsed("address", listen_address),
    metavar="ADDRESS[:PORT]",
    help="Where the scheduler reaches this worker. Default: the address that leads to it, and any "
    "free port.",
)
@tls_options
@output_options
@click.pass_context
def worker_command(
    context: click.Context,
    /,
    where: str,
    name: str | None,
    listen: tuple[str, int] | None,
    certificate: Certificate | None,
    output: Output,
) -> int:
    """
    Measure on this machine what a fleet asks for, until that is over.

    ADDRESS is that of a Dask scheduler, which this joins until Ctrl-C; `harness fleet run
    --scheduler` measures on it then. With - the order, which holds a key, is the first line of
    standard input, and the end of that ends the worker: so `harness fleet run` starts it over ssh.
    Either way it carries out no code that comes over the wire.
    """
    if where == _ORDERED:
        unused = ("name", "listen", "tls_ca", "tls_cert", "tls_key")
        options.refuse_unused(options.typed(context), unused, _WHY)
        return _by_order()
    own = require_certificate(certificate, where)
    return _joined(own_order(where, name, own, listen), output)


def _by_order() -> int:
    try:
        order = ordered()
        interrupts.end_with_input()
        serve_order(order, lambda hello: stream.write(hello.model_dump_json()))
    except WorkerRefused as error:
        return _refuse(Refusal(reason=error.reason, message=str(error)))
    except HarnessError as error:
        return _refuse(Refusal(reason="other", message=str(error)))
    return ExitCode.DONE


def _refuse(refusal: Refusal) -> int:
    stream.write(refusal.model_dump_json())
    return ExitCode.ERROR


def _joined(order: WorkerOrder, output: Output) -> int:
    def say(hello: Hello) -> None:
        output.show(page(order, hello), document(order, hello))

    try:
        serve_order(order, say)
    except KeyboardInterrupt:
        output.tell("Ended: nothing is measured here any more.")
        return ExitCode.INTERRUPTED  # which waits for no thread of Dask's
    raise HarnessError(f"{order.scheduler}: the scheduler is gone; join again when it is back")
