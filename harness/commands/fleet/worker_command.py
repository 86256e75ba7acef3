"""`harness fleet worker`: what a fleet starts on each machine."""

from __future__ import annotations

import os
from collections.abc import Sequence

import click

from harness import __version__, interrupts, scratch
from harness.commandline import stream
from harness.commandline.run_words import find_words, read_words
from harness.errors import ExitCode, HarnessError
from harness.files import OnProgress
from harness.fleet.dask_here import prepare_dask
from harness.fleet.order import (
    MOST_BYTES,
    Hello,
    Refusal,
    WorkerOrder,
    WorkerRefused,
    read_order,
)
from harness.fleet.plain_pickle import guard
from harness.fleet.workplace import Workplace
from harness.machine.probe import probe_machine
from harness.measure.found import Found
from harness.report.machine_names import machine_text


@click.command("worker")
@click.argument("where", metavar="-")
def worker_command(where: str) -> int:
    """
    Measure on this machine what a fleet asks for, until that is over.

    `harness fleet run` starts it: the order, which holds a key, is the first line of standard
    input, and the end of that ends the worker. It carries out no code that comes over the wire.
    """
    if where != "-":
        raise click.UsageError("The order of a worker is read from standard input: write -")
    try:
        order = _ordered()
        interrupts.end_with_input()
        _serve(order)
    except WorkerRefused as error:
        return _refuse(Refusal(reason=error.reason, message=str(error)))
    except HarnessError as error:
        return _refuse(Refusal(reason="other", message=str(error)))
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


def _serve(order: WorkerOrder) -> None:
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
        serve(order, machine, machine_text(machine), folder, _say)


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


def _say(hello: Hello) -> None:
    stream.write(hello.model_dump_json())


def _refuse(refusal: Refusal) -> int:
    stream.write(refusal.model_dump_json())
    return ExitCode.ERROR
