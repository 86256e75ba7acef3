"""A server of this machine's devices for others, by llama.cpp's RPC, as long as it is wanted."""

from __future__ import annotations

import ipaddress
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.errors import HarnessError, UsageError
from harness.machine.probe import probe_machine
from harness.machine.rpc import RpcFailed, probe
from harness.machine.rpc_offer import RpcOffer, offered
from harness.measure.rpc import is_loopback
from harness.measure.runner import describe_engine
from harness.process_end import ending, log_tail
from harness.schema.machine import Device, RpcServer
from harness.scratch import own_folder
from harness.serving.process import Supervised
from harness.serving.program import server_environment

# -P: a folder of the user's that happens to hold a numpy.py must not be imported.
_SERVER = (sys.executable, "-P", "-m", "harness.engine.rpc_server")
_READY_S = 60.0
_PAUSE_S = 0.05


@dataclass(frozen=True)
class Serving:
    """A server that answers: what it offers, and the names of its devices, in the same order."""

    offer: RpcServer
    devices: tuple[Device, ...]
    n_threads: int
    _process: Supervised
    _log: Path

    @property
    def pid(self) -> int:
        """Of the process that computes."""
        return self._process.pid

    def wait(self) -> None:
        """
        Until somebody interrupts it.

        Raises:
            KeyboardInterrupt: By a signal.
            HarnessError: The server ended by itself.
        """
        while (exit_code := self._process.exit_code()) is None:
            time.sleep(_PAUSE_S)
        raise _ended(self.offer.address, exit_code, self._log)


def require_host(host: str, *, listens_insecurely: bool) -> str:
    """
    The address to listen at.

    Raises:
        UsageError: It is none, or one that others can reach, and that is not asked for.
    """
    host = "127.0.0.1" if host.lower() == "localhost" else host
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        raise UsageError(f"--host {host} is no IPv4 address; write 127.0.0.1") from None
    if not is_loopback(host) and not listens_insecurely:
        raise UsageError(
            f"--host {host} would let everybody in that network read and overwrite this machine's "
            "memory: the protocol has no password, no encryption and known holes; leave it away "
            "and use an ssh tunnel, or add --listen-insecurely"
        )
    return host


@contextmanager
def rpc_served(
    host: str, port: int, n_threads: int, memory_bytes: int | None = None
) -> Iterator[Serving]:
    """
    A server of this machine's devices that answers; gone after the block, and with this process.

    Args:
        host: An IPv4 address.
        port: Where it listens.
        n_threads: With which the CPU computes.
        memory_bytes: The most of each device that clients get; None: all.

    Raises:
        HarnessError: The port is in use, the engine was built without RPC, or it does not begin.
    """
    _require_free(host, port)
    address = f"{host}:{port}"
    devices = offered(describe_engine().devices)
    offer = RpcOffer(
        address=address,
        n_threads=n_threads,
        memory_bytes=memory_bytes,
        system_bytes=probe_machine().usable_bytes,
    )
    with own_folder("harness-rpc") as folder:
        log = folder / "rpc.log"
        command = (*_SERVER, offer.model_dump_json())
        with Supervised(command, server_environment(), log) as process:
            reached = "127.0.0.1" if host == "0.0.0.0" else host
            told = _ready(process, f"{reached}:{port}", log)
            told = told.model_copy(update={"address": address})
            yield Serving(told, devices, n_threads, process, log)


def _ready(process: Supervised, address: str, log: Path) -> RpcServer:
    deadline_s = time.monotonic() + _READY_S
    while (exit_code := process.exit_code()) is None:
        try:
            return probe(address, measures=False)
        except RpcFailed as error:
            if time.monotonic() > deadline_s:
                raise HarnessError(f"{error}; it was started just now") from None
            time.sleep(_PAUSE_S)
    raise _ended(address, exit_code, log)


def _ended(address: str, exit_code: int, log: Path) -> HarnessError:
    ended = ending(exit_code)
    tail = log_tail(log) if ended.kind in ("exited", "aborted") else ()
    last = f": {tail[-1].removeprefix('Error: ')}" if tail else ended.cause
    return HarnessError(f"the server at {address} ended by itself ({ended.words}){last}")


def _require_free(host: str, port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        # As the library does, or the port of one that has just ended would count as in use.
        if sys.platform != "win32":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            raise HarnessError(
                f"{host}:{port} cannot be listened at ({error.strerror}); take another --port"
            ) from None
