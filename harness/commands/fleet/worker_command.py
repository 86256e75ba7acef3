"""`harness fleet worker`: what a fleet starts on each machine."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence

import click
from pydantic import ValidationError

from harness import __version__, interrupts, scratch, units
from harness.commandline import options, stream
from harness.commandline.fleet_options import tls_options
from harness.commandline.run_words import find_words, read_words
from harness.errors import ExitCode, HarnessError, UsageError
from harness.files import OnProgress
from harness.fleet.dask_here import prepare_dask
from harness.fleet.order import (
    MOST_BYTES,
    SILENCE_NS,
    Certificate,
    Hello,
    Refusal,
    WorkerOrder,
    WorkerRefused,
    read_order,
    require_certificate,
)
from harness.fleet.plain_pickle import guard
from harness.fleet.workplace import Workplace
from harness.machine.probe import probe_machine
from harness.measure.found import Found
from harness.report.machine_names import machine_text
from harness.schema.record import first_mistake


@click.command("worker")
@click.argument("where", metavar="ADDRESS|-")
@click.option(
    "--name",
    default=socket.gethostname,
    show_default="this machine's own",
    metavar="HOST",
    help="What `harness fleet run --hosts` calls this machine.",
)
@tls_options
def worker_command(where: str, name: str, certificate: Certificate | None) -> int:
    """
    Measure here for a Dask cluster that is there already, at ADDRESS, until Ctrl-C.

    It does the jobs of `harness fleet run` alone, and runs no code that comes over the wire. `-` is
    how `harness fleet run` starts it over ssh: what it is to be comes on standard input, and the
    end of that ends it.
    """
    if where != "-":
        return _join(where, name, certificate)
    typed = options.typed(click.get_current_context())
    why = "stands in the order on standard input; leave it away"
    options.refuse_unused(typed, ("name", "tls_ca", "tls_cert", "tls_key"), why)
    try:
        order = _ordered()
        interrupts.end_with_input()
        _serve(order, lambda hello: stream.write(hello.model_dump_json()))
    except WorkerRefused as error:
        return _refuse(Refusal(reason=error.reason, message=str(error)))
    except HarnessError as error:
        return _refuse(Refusal(reason="other", message=str(error)))
    return ExitCode.DONE


def _join(address: str, name: str, certificate: Certificate | None) -> int:
    """A worker that a person started."""
    certificate = require_certificate(certificate, address)
    try:
        order = WorkerOrder(
            scheduler=address,
            name=name,
            ca_pem=certificate.ca_pem,
            certificate_pem=certificate.certificate_pem,
            key_pem=certificate.key_pem,
            harness_version=__version__,
            distributed_version=prepare_dask(),
            wait_ns=SILENCE_NS,
        )
    except ValidationError as error:
        raise UsageError(f"{first_mistake(error)}; write ADDRESS as tls://host:8786") from None

    def say(hello: Hello) -> None:
        share, size = units.percent(hello.idle_cores_share), units.memory_size(hello.rss_bytes)
        stream.write(
            f"{name} has joined {address}; waiting takes {share} of a core and {size}. Ctrl-C ends "
            "it.",
            err=True,
        )

    _serve(order, say)
    return ExitCode.DONE


def _ordered() -> WorkerOrder:
    """The order on standard input, of which nothing behind its line is read."""
    line = b""
    while not line.endswith(b"\n") and len(line) < MOST_BYTES:
        byte = os.read(0, 1)
        if not byte:
            break
        line += byte
    try:
        return read_order(line)
    except HarnessError as error:
        raise WorkerRefused("order", str(error)) from error


def _serve(order: WorkerOrder, say: Callable[[Hello], None]) -> None:
    try:
        version = prepare_dask()
    except HarnessError as error:
        raise WorkerRefused("missing", str(error)) from error
    _require(order.harness_version, __version__, "harness", "version")
    _require(order.distributed_version, version, "distributed", "distributed-version")
    # Dask has been set up only now, and without the extra there is none.
    from harness.fleet.worker import serve

    try:
        machine = probe_machine()
    except HarnessError as error:
        raise WorkerRefused("machine", str(error)) from error
    with scratch.own_folder("harness-fleet") as folder:
        guard(Workplace(_found, folder).answer)
        serve(order, machine, machine_text(machine), folder, say)


def _require(there: str, here: str, what: str, reason: str) -> None:
    if there == here:
        return
    raise WorkerRefused(
        "version" if reason == "version" else "distributed-version",
        f"the fleet has {what} {there} and this machine {here}; install the same on both",
    )


def _found(argv: Sequence[str], on_progress: OnProgress) -> Found:
    words = read_words(argv)
    return find_words(words, words.catalog(), on_progress)


def _refuse(refusal: Refusal) -> int:
    stream.write(refusal.model_dump_json())
    return ExitCode.ERROR
