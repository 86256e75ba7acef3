"""
The system's OpenSSH as the way to a worker: its command line, and what its words mean.

The user's own configuration, keys, agent and jump hosts are used, and nothing is asked of a person.
What goes over the command line is plain words, which cmd.exe and every shell read alike; the rest,
keys among it, goes over standard input.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from harness.errors import UsageError
from harness.fleet.order import HostName, as_told

ANSWER_S = 15
"""A connection over which nothing comes for so long is taken for dead."""

_ALIVE_INTERVAL_S = 5
_CONNECT_S = 10
_OPTIONS = (
    "BatchMode=yes",
    f"ServerAliveInterval={_ALIVE_INTERVAL_S}",
    f"ServerAliveCountMax={ANSWER_S // _ALIVE_INTERVAL_S}",
    "ExitOnForwardFailure=yes",
    f"ConnectTimeout={_CONNECT_S}",
    # A connection that is shared keeps its tunnels when ours ends, and ends when another one does.
    "ControlMaster=no",
    "ControlPath=none",
    "RemoteCommand=none",
    # What it says is all that tells why it failed.
    "LogLevel=INFO",
)
_LOOPBACK = "127.0.0.1"
# Below what Linux, macOS and Windows hand out by themselves, from 32768 or 49152 on.
_PORTS = range(20_000, 32_768)

_HOST_NAME: TypeAdapter[str] = TypeAdapter(HostName)
_SSH_FAILED = 255
_NOT_EXECUTABLE, _NOT_FOUND = 126, 127


@dataclass(frozen=True)
class Tunnel:
    """
    The ports of a connection: where the far side finds the scheduler, which listens here at
    `scheduler_port`; and where the scheduler finds the worker, which listens there.

    All but the scheduler's are drawn anew for each connection. The session of one that broke may
    hold its own for minutes.
    """

    scheduler_port: int
    scheduler_port_there: int
    worker_port: int
    worker_port_here: int

    @classmethod
    def drawn(cls, scheduler_port: int) -> Tunnel:
        """One by chance; that a port is taken shows when it is opened."""
        there, worker = secrets.SystemRandom().sample(_PORTS, 2)
        return cls(scheduler_port, there, worker, secrets.choice(_PORTS))

    @property
    def scheduler_there(self) -> str:
        """The scheduler as the worker sees it."""
        return f"tls://{_LOOPBACK}:{self.scheduler_port_there}"

    @property
    def contact(self) -> str:
        """The worker as the scheduler sees it."""
        return f"tls://{_LOOPBACK}:{self.worker_port_here}"

    @property
    def options(self) -> tuple[str, ...]:
        """
        As ssh takes it. Addresses are written out: of `localhost` one of two families would do,
        and ssh is content where the other one's port is somebody else's.
        """
        there = f"{_LOOPBACK}:{self.scheduler_port_there}:{_LOOPBACK}:{self.scheduler_port}"
        here = f"{_LOOPBACK}:{self.worker_port_here}:{_LOOPBACK}:{self.worker_port}"
        return ("-R", there, "-L", here)


def require_host(name: str) -> str:
    """
    The name, if ssh would take it for one.

    Raises:
        UsageError: It is empty, an option, or has blanks or no letters in it.
    """
    try:
        _HOST_NAME.validate_python(name)
    except ValidationError:
        is_name = False
    else:
        # ssh would take the first for options, and has a user or a machine of no name for none.
        is_name = not name.startswith(("-", "@")) and any(map(str.isalnum, name.split("@")[-1]))
    if not is_name:
        raise UsageError(f"{name!r} is no host; write a name of ~/.ssh/config, or user@host")
    return name


def ssh_command(
    host: str, command: str, tunnel: Tunnel | None = None, config: Path | None = None
) -> list[str]:
    """
    What runs `command` on `host`.

    Args:
        host: As `require_host` lets it pass.
        command: As the shell over there reads it.
        tunnel: Opened for as long as it runs.
        config: Read instead of the user's and the system's configuration of ssh.
    """
    of_file = ("-F", str(config)) if config else ()
    options = [word for each in _OPTIONS for word in ("-o", each)]
    tunnels = tunnel.options if tunnel else ()
    # No terminal, no agent and no display for the far side.
    return ["ssh", "-T", "-a", "-x", *of_file, *options, *tunnels, "--", host, command]


@dataclass(frozen=True)
class Failure:
    """
    Why a connection came to nothing, in a sentence without its end.

    `is_port_taken`: other ports may do. `may_pass`: the same again may do later.
    """

    reason: str
    is_port_taken: bool = False
    may_pass: bool = False


# What ssh says, to what it means and what helps; the first that is found.
_SAID: tuple[tuple[str, str], ...] = (
    ("could not resolve hostname", "there is no such host: check the name, or ~/.ssh/config"),
    (
        "host key verification failed",
        "its key is not known here, or has changed: connect once by hand (`ssh {host}`)",
    ),
    (
        "permission denied",
        "it lets nobody in from here without a password: `ssh-copy-id {host}`, or load the key "
        "into ssh-agent",
    ),
    ("too many authentication failures", "it wants one of too many keys: IdentitiesOnly yes"),
    ("no matching", "its ssh and the one here have no method in common"),
    ("bad configuration option", "the configuration of ssh is wrong: {line}"),
    ("administratively prohibited", "its ssh server allows no tunnels (AllowTcpForwarding)"),
)
_SILENT = "it does not answer: see that it is on, awake and in this network"
_MAY_PASS: tuple[tuple[str, str], ...] = (
    ("connection refused", "no ssh server answers there"),
    ("not responding", f"no answer for {ANSWER_S} s"),
    ("timed out", _SILENT),
    ("no route to host", _SILENT),
    ("network is unreachable", "there is no network from here to it"),
    ("connection reset", "the connection was cut"),
    ("connection closed", "the connection was cut"),
    ("closed by remote host", "the connection was cut"),
    ("broken pipe", "the connection was cut"),
)
_PORT_TAKEN = (
    "remote port forwarding failed",
    "cannot listen to port",
    "could not request local forwarding",
)
# Of ssh, on keys that it has not seen before or that a quantum computer could tell.
_REMARKS = ("Warning: Permanently added", "**")
_NO_PROGRAM = ("not found", "no such file", "not recognized", "permission denied", "cannot find")


def failure_of(host: str, command: str, exit_code: int, said: Sequence[str]) -> Failure:
    """
    Why ssh, or what it ran on `host`, ended.

    Args:
        host: Its name.
        command: What was run there.
        exit_code: As subprocess tells it.
        said: Its lines on stderr.
    """
    told = [as_told(line) for line in said if not line.startswith(_REMARKS)]
    lines = [line for line in told if line]
    text = "\n".join(lines).lower()
    last = lines[-1].removeprefix("Error: ") if lines else ""
    if exit_code == _SSH_FAILED:
        return _of_ssh(host, lines, last)
    if "no such command 'fleet'" in text:
        return Failure("its harness is older and knows no fleet; install this version there")
    if "traceback (most recent call last)" in text or "syntaxerror" in text:
        return Failure(f"its Python cannot run the harness ({last}); set it up there anew")
    is_missing = any(words in text for words in _NO_PROGRAM)
    if exit_code in (_NOT_EXECUTABLE, _NOT_FOUND) or (is_missing and "error: " not in text):
        program = command.split(" fleet ")[0]
        return Failure(
            f"`{program}` is not found there; a shell that ssh starts has little of your PATH: "
            "name the program with --harness or in the plan, as ~/harness/.venv/bin/harness"
        )
    if exit_code in (0, 130, 143):
        return Failure("its worker ended", may_pass=True)
    if exit_code < 0 or exit_code > 128:
        return Failure("its worker was killed", may_pass=True)
    if not last:
        return Failure(f"its worker ended with exit code {exit_code} and no word", may_pass=True)
    return Failure(last)


def _of_ssh(host: str, lines: Sequence[str], last: str) -> Failure:
    text = "\n".join(lines).lower()
    if any(words in text for words in _PORT_TAKEN):
        # Of several the first names the port, which may be one of the user's own tunnels.
        told = [line for line in lines if "in use" in line or "forwarding failed" in line]
        said = (told or [last])[0].removeprefix("Error: ")
        return Failure(
            "its ssh server allows no tunnel (AllowTcpForwarding), or a port is taken "
            f"({said}); --direct does without",
            is_port_taken=True,
        )
    for words, meaning in _SAID:
        if words in text:
            return Failure(meaning.format(host=host, line=last))
    for words, meaning in _MAY_PASS:
        if words in text:
            return Failure(meaning, may_pass=True)
    # A command that a signal ended is nothing that ssh would say a word about.
    return Failure(last or "its worker was killed", may_pass=True)
