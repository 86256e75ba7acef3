"""The worker on this machine: by an order that came over standard input, or one of its own."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress

from harness import __version__, scratch
from harness.commandline.run_words import find_words, read_words
from harness.errors import HarnessError
from harness.files import OnProgress
from harness.fleet.dask_here import prepare_dask
from harness.fleet.order import (
    MOST_BYTES,
    SILENCE_NS,
    Certificate,
    Hello,
    WorkerOrder,
    WorkerRefused,
    read_order,
    require_same,
)
from harness.fleet.plain_pickle import guard
from harness.fleet.workplace import Workplace
from harness.machine.probe import probe_machine
from harness.measure.found import Found
from harness.report.machine_names import machine_text


def ordered() -> WorkerOrder:
    """
    The order on standard input, of which nothing behind its line is read.

    Raises:
        WorkerRefused: There is none, or one of another version.
    """
    line = b""
    with suppress(OSError):  # an input that is closed is as good as one that has ended
        while not line.endswith(b"\n") and len(line) < MOST_BYTES and (byte := os.read(0, 1)):
            line += byte
    return read_order(line)


def own_order(
    scheduler: str, name: str | None, certificate: Certificate, listen: tuple[str, int] | None
) -> WorkerOrder:
    """
    To join a scheduler that is there already.

    Args:
        scheduler: Its address, "tls://10.0.0.5:8786".
        name: What this machine is called there; None: its host name.
        certificate: Who this is to it.
        listen: Where it reaches this worker; None: at the address that leads to it, any port.

    Raises:
        HarnessError: The extra `fleet` is missing.
    """
    host, port = listen or (None, 0)
    return WorkerOrder(
        scheduler=scheduler,
        name=name or socket.gethostname(),
        listen_host=host,
        listen_port=port or None,
        ca_pem=certificate.ca_pem,
        certificate_pem=certificate.certificate_pem,
        key_pem=certificate.key_pem,
        harness_version=__version__,
        distributed_version=prepare_dask(),
        wait_ns=SILENCE_NS,
    )


def serve_order(order: WorkerOrder, say: Callable[[Hello], None]) -> None:
    """
    Does what the fleet asks for, until its scheduler is gone.

    Args:
        order: What this is to be.
        say: Told once, when it has joined.

    Raises:
        WorkerRefused: It cannot be.
        KeyboardInterrupt: A signal came, or the end of the input.
    """
    try:
        version = prepare_dask()
    except HarnessError as error:
        raise WorkerRefused("missing", str(error)) from error
    require_same(order.distributed_version, version, "distributed", "distributed-version")
    # Dask has been set up only now, and without the extra there is none.
    from harness.fleet.worker import serve

    try:
        machine = probe_machine()
    except HarnessError as error:
        raise WorkerRefused("machine", str(error)) from error
    with scratch.own_folder("harness-fleet") as folder:
        guard(Workplace(_found, folder).answer)
        serve(order, machine, machine_text(machine), folder, say)


def _found(argv: Sequence[str], on_progress: OnProgress) -> Found:
    words = read_words(argv)
    return find_words(words, words.catalog(), on_progress)
