"""A llama-server of the harness's own: started for one file, asked until it is ready, ended."""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter_ns

import psutil

from harness import interrupts
from harness.process_end import ending, log_tail
from harness.serving.process import ServerFailed, Supervised
from harness.serving.program import HOST, ServerProgram, ServerSetup, server_environment
from harness.units import duration

READY_NS = 15 * 60 * 1_000_000_000
"""How long a server may load: 100 GB from a slow disk."""

_N_PORTS = 3
_ASK_S = 1.0
_GONE_NS = 2_000_000_000
# How often it is asked, and so how exactly it is known when it was ready.
_PAUSE_S = 0.01
# "0.00.019.795 E llama_model_load: error loading model: ..." (llama.cpp's common/log.cpp).
_LEVEL = re.compile(r"[\d.]+ ([A-Z]) (.*)")


@dataclass(frozen=True)
class RunningServer:
    """
    A server that answers at `port` of the loopback.

    `pid` is its process, `ready_ns` how long it took from its start until it had loaded the model
    and answered, known to 10 ms.
    """

    port: int
    pid: int
    ready_ns: int
    program: ServerProgram
    log: Path
    _process: Supervised

    @property
    def url(self) -> str:
        """Where it is asked."""
        return f"http://{HOST}:{self.port}"

    def failure(self) -> ServerFailed | None:
        """What befell it; None while it answers."""
        deadline_ns = perf_counter_ns() + _GONE_NS
        # One that has died answers no more a moment before it is known how.
        while (exit_code := self._process.exit_code()) is None:
            if _is_healthy(self.port) or perf_counter_ns() > deadline_ns:
                return None
            time.sleep(_PAUSE_S)
        return _ended(self.program, exit_code, "while it served", self.log)


@contextmanager
def serve(
    program: ServerProgram, setup: ServerSetup, *, log: Path, limit_ns: int = READY_NS
) -> Iterator[RunningServer]:
    """
    A server of one file on a free port of the loopback, ready; gone after the block.

    It is gone too when this process ends in any way.

    Args:
        program: The server to start.
        setup: What it serves, and how.
        log: File for everything that it prints, anew each time.
        limit_ns: A server that is not ready after so long is given up.

    Raises:
        UsageError: The program does not know one of the settings.
        ServerFailed: It ended, or was not ready in time; the message has the cause.
        ResultsUnwritable: The log cannot be written.
        KeyboardInterrupt: A signal came before it was ready, also one that was held.
    """
    with contextlib.suppress(OSError):
        log.unlink(missing_ok=True)
    for is_last in (*(False,) * (_N_PORTS - 1), True):
        port = _free_port()
        command = program.command(setup, port)
        with Supervised(command, server_environment(), log) as process:
            ready_ns = _await_ready(program, process, port, log, limit_ns, is_last=is_last)
            if ready_ns is not None:
                yield RunningServer(port, process.pid, ready_ns, program, log, process)
                return


def _await_ready(
    program: ServerProgram,
    process: Supervised,
    port: int,
    log: Path,
    limit_ns: int,
    *,
    is_last: bool,
) -> int | None:
    """How long it took; None where another program has taken the port meanwhile."""
    while (exit_code := process.exit_code()) is None:
        if _is_healthy(port):
            ready_ns = perf_counter_ns() - process.started_ns
            if _listens(process.pid, port):
                return ready_ns
        if perf_counter_ns() - process.started_ns > limit_ns:
            raise ServerFailed(
                f"{program.name} was not ready after {duration(limit_ns)}{_last_words(log)}",
                log_tail=log_tail(log),
            )
        with interrupts.allowed():
            time.sleep(_PAUSE_S)
    if not is_last and _is_taken(port):
        return None
    raise _ended(program, exit_code, "before it was ready", log)


def _ended(program: ServerProgram, exit_code: int, when: str, log: Path) -> ServerFailed:
    ended = ending(exit_code)
    # Of what others did to it, its log knows nothing.
    is_killed = ended.kind == "killed"
    how = f"was {ended.words}" if is_killed else ended.words
    why = "" if is_killed else _last_words(log)
    message = f"{program.name} {how} {when}{ended.cause}{why}"
    return ServerFailed(message, exit_code, log_tail(log))


def _last_words(log: Path) -> str:
    """The line of the log that tells most: the first that llama.cpp calls an error, or the last."""
    leveled = [(_LEVEL.match(line), line) for line in log_tail(log)]
    errors = [found[2] for found, _ in leveled if found and found[1] == "E"]
    plain = [line for found, line in leveled if not found]
    telling = errors or [it for it in plain if "error" in it.lower() or "GGML_ASSERT" in it]
    if telling or plain:
        return f": {(telling or plain[-1:])[0].strip()}"
    return f"; its log {log.name} does not say why"  # what it writes last may be lost


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _is_taken(port: int) -> bool:
    # By asking, not by binding: the ports of connections that have ended are kept for a while.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(_ASK_S)
        return probe.connect_ex((HOST, port)) == 0


def _is_healthy(port: int) -> bool:
    """Whether what listens there has loaded its model; llama-server says 503 until then."""
    connection = http.client.HTTPConnection(HOST, port, timeout=_ASK_S)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _listens(pid: int, port: int) -> bool:
    """Whether it is that process, and no other, that answers at the port."""
    try:
        found = psutil.Process(pid).net_connections("tcp")
    except psutil.NoSuchProcess:
        return False
    except psutil.Error:
        return True  # the system does not let us know
    return any(it.status == psutil.CONN_LISTEN and it.laddr.port == port for it in found)
