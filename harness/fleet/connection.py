"""One worker process on a host: started over ssh or here, told its order, ended with its input."""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from harness.errors import HarnessError
from harness.files import system_reason
from harness.fleet.order import MOST_BYTES, Hello, Refusal, WorkerOrder, read_answer
from harness.fleet.ssh import Failure, Tunnel, failure_of, ssh_command

LOCAL = "local"
"""The name of this machine among the hosts: its worker is started without ssh."""

HARNESS = "harness"
"""What starts the harness on a host that has said nothing else."""

_WORKER = "fleet worker -"
_ANSWER = b'{"kind":'
# A slow machine takes this long to import all that a worker needs, from a cold disk.
_HELLO_S = 90.0
_END_S = 5.0
_N_LINES = 20
_NO_EXTRA = "the extra `fleet` is not installed there: pip install 'inference-harness[fleet]'"
_N_DRAWS = 5
_CHUNK_BYTES = 65_536

MakeOrder = Callable[[Tunnel | None], WorkerOrder]
"""An order for a worker at the other end of a tunnel, or with a way of its own."""


@dataclass(frozen=True)
class Reach:
    """
    How a host is reached.

    Attributes:
        host: A name of ssh's, or LOCAL.
        command: What starts the harness there.
        config: Of ssh, instead of the user's.
        scheduler_port: Of the scheduler here, for a tunnel; None where the worker goes straight
            to it.
    """

    host: str
    command: str = HARNESS
    config: Path | None = None
    scheduler_port: int | None = None


class HostUnusable(HarnessError):
    """A host from which nothing can be had now; `failure` says whether that may pass."""

    def __init__(self, host: str, failure: Failure) -> None:
        super().__init__(f"{host}: {failure.reason}")
        self.host = host
        self.failure = failure


class Connection:
    """A worker process, which has its order; `wait` is for its end, `close` ends it."""

    def __init__(self, reach: Reach, process: subprocess.Popen[bytes], order: WorkerOrder) -> None:
        self._reach = reach
        self._process = process
        self._said: deque[str] = deque(maxlen=_N_LINES)
        self._answers: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._threads = [self._reading(self._read_errors), self._reading(self._read_answer)]
        self._has_joined = False
        self._send(order)

    def hello(self) -> Hello:
        """
        What it says when it has joined.

        Raises:
            HostUnusable: It says something else, or ends; or nothing comes in a long time.
        """
        try:
            line = self._answers.get(timeout=_HELLO_S)
        except queue.Empty:
            why = f"its worker said nothing for {_HELLO_S:.0f} s"
            raise HostUnusable(self._reach.host, Failure(why, may_pass=True)) from None
        if not line:
            self.close()
            raise HostUnusable(self._reach.host, self._why_silent())
        try:
            answer = read_answer(line)
        except HarnessError as error:
            raise HostUnusable(self._reach.host, Failure(str(error))) from None
        if isinstance(answer, Refusal):
            raise HostUnusable(self._reach.host, _refused(answer))
        self._has_joined = True
        # Greetings and warnings of the way here are not why it ends one day.
        self._said.clear()
        return answer

    def wait(self) -> Failure:
        """Why it ended, as soon as it has."""
        exit_code = self._process.wait()
        for thread in self._threads:
            thread.join(_END_S)
        return failure_of(self._reach.host, self._reach.command, exit_code, self._said)

    def _why_silent(self) -> Failure:
        """Why it ended before it had said what it is."""
        failure = self.wait()
        if self._process.returncode:
            return failure
        what = f"`{self._reach.command}` there"
        return Failure(f"{what} did not say what it is; see that it is a harness")

    def end_input(self) -> None:
        """Tells the worker to end, and waits for nothing."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()

    def end(self) -> None:
        """The same, and does not let it join any more."""
        self.end_input()
        if not self._has_joined:
            # While it connects, ssh reads nothing; and its end is that of what it has begun.
            self._process.terminate()

    def close(self) -> None:
        """Ends it: by the end of its input, and where that is not enough, from outside."""
        self.end_input()
        for end in (self._process.terminate, self._process.kill, None):
            try:
                self._process.wait(_END_S)
            except subprocess.TimeoutExpired:
                if end is not None:
                    end()
            else:
                break
        for thread in self._threads:
            thread.join(_END_S)

    def _reading(self, read: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=read, daemon=True)
        thread.start()
        return thread

    def _send(self, order: WorkerOrder) -> None:
        stdin = self._process.stdin
        assert stdin is not None
        # A process that ended before it read says why on stderr.
        with contextlib.suppress(OSError):
            stdin.write(order.model_dump_json().encode() + b"\n")
            stdin.flush()

    def _read_answer(self) -> None:
        with _stream(self._process.stdout) as stream:
            line = stream.readline(MOST_BYTES)
            # What a shell's start-up file prints comes before, a prompt in the same line.
            while line and _ANSWER not in line:
                line = stream.readline(MOST_BYTES)
            self._answers.put(line[max(0, line.find(_ANSWER)) :])
            while stream.read(_CHUNK_BYTES):
                pass

    def _read_errors(self) -> None:
        with _stream(self._process.stderr) as stream:
            while line := stream.readline(MOST_BYTES):
                self._said.append(line.decode(errors="replace").rstrip())


def connect(
    reach: Reach, make_order: MakeOrder, on_start: Callable[[Connection], None]
) -> tuple[Connection, Hello]:
    """
    A worker on the host, which has joined.

    Args:
        reach: The host.
        make_order: What it is told.
        on_start: Is handed each process as soon as there is one, so that it can be ended from
            another thread.

    Raises:
        HostUnusable: None can be had; ports that were taken have been tried again.
    """
    for n_left in reversed(range(_N_DRAWS)):
        connection = _started(reach, make_order)
        on_start(connection)
        try:
            return connection, connection.hello()
        except HostUnusable as error:
            connection.close()
            if not (error.failure.is_port_taken and n_left):
                raise
    raise AssertionError("the last attempt returns or raises")


def _started(reach: Reach, make_order: MakeOrder) -> Connection:
    tunnel = None
    if reach.scheduler_port is not None and reach.host != LOCAL:
        tunnel = Tunnel.drawn(reach.scheduler_port)
    if reach.host == LOCAL:
        command = [sys.executable, "-m", "harness", *_WORKER.split()]
    else:
        command = ssh_command(reach.host, f"{reach.command} {_WORKER}", tunnel, reach.config)
    order = make_order(tunnel)
    return Connection(reach, _process(reach.host, command), order)


def _process(host: str, command: Sequence[str]) -> subprocess.Popen[bytes]:
    pipe = subprocess.PIPE
    try:
        # Ctrl-C is for the submitter, which ends its workers when their Runs are kept.
        return subprocess.Popen(
            command,
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            start_new_session=os.name != "nt",
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
    except FileNotFoundError:
        why = f"there is no {command[0]} here: install OpenSSH's client"
        raise HostUnusable(host, Failure(why)) from None
    except OSError as error:
        # Too many files or processes, of which some may end.
        why = f"{command[0]} cannot be started here: {system_reason(error)}"
        raise HostUnusable(host, Failure(why, may_pass=True)) from error


def _refused(answer: Refusal) -> Failure:
    is_missing = answer.reason == "missing"  # which says "here", as for whoever starts it by hand
    return Failure(
        _NO_EXTRA if is_missing else answer.message,
        is_port_taken=answer.reason == "port-in-use",
        may_pass=answer.reason in ("unreachable", "registered"),
    )


def _stream(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None
    return stream
