"""
A process in which all that the commands import is there already, and the catalogue that comes with
them is read; it forks one for each command.

Most of what a short command takes is the start of Python and its imports: a second and more on a
busy machine, hundreds of times. A fork is a process of its own like any other, with arguments,
environment, folder, both streams and an exit code; only that its modules were imported before.
That each command also finds them by itself is tested in test_help.py.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict, dataclass

import click

from harness import cli
from harness.models.catalog.catalog import shipped_catalog

CAN_FORK = sys.platform == "linux"  # Apple's libraries do not stand a fork, Windows has none


@dataclass(frozen=True)
class Task:
    """A command as a shell would start it; SIGALRM ends it after `limit_s`, 0 is never."""

    arguments: tuple[str, ...]
    folder: str
    environment: dict[str, str]
    stdout: str
    stderr: str
    limit_s: int = 0


@dataclass(frozen=True)
class Ended:
    """How a command ended; a negative exit code is the signal that ended it."""

    exit_code: int
    peak_kib: int


class Prepared:
    """The process, started when first asked; it ends with the one that asks."""

    def __init__(self) -> None:
        self._server: subprocess.Popen[str] | None = None

    def run(self, task: Task) -> int:
        """The exit code of the command; a negative one is the signal that ended it."""
        return self.measured(task).exit_code

    def measured(self, task: Task) -> Ended:
        """The exit code of the command, and what memory it had at its most."""
        if self._server is None:
            self._server = subprocess.Popen(
                [sys.executable, __file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                # Threads do not survive a fork.
                env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
            )
        pid = int(self._ask(json.dumps(asdict(task))))
        try:
            return Ended(*map(int, self._ask("").split()))
        except BaseException:  # the test's time is over
            os.kill(pid, signal.SIGKILL)
            self._server.kill()
            self._server.communicate()
            self._server = None
            raise

    def close(self) -> None:
        """Ends it."""
        if self._server is not None:
            self._server.communicate()  # which closes what it reads from
            self._server = None

    def _ask(self, line: str) -> str:
        assert self._server is not None
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(line + "\n")
        self._server.stdin.flush()
        return self._server.stdout.readline()


def _serve() -> None:
    """Forks for each task on stdin; the answers are its process and, when asked, its end."""
    answers = os.dup(1)
    os.dup2(2, 1)
    context = click.Context(cli.group)
    for verb in cli.group.list_commands(context):
        cli.group.get_command(context, verb)
    shipped_catalog()
    # At its end each fork would go through all that was imported: half a second, of pages to copy.
    gc.collect()
    gc.freeze()
    for line in iter(sys.stdin.readline, ""):
        pid = os.fork()
        if pid == 0:
            os.close(answers)
            _become(Task(**json.loads(line)))
            cli.main()
        os.write(answers, f"{pid}\n".encode())
        sys.stdin.readline()
        _, status, usage = os.wait4(pid, 0)
        exit_code = os.waitstatus_to_exitcode(status)
        os.write(answers, f"{exit_code} {usage.ru_maxrss}\n".encode())


def _become(task: Task) -> None:
    """Makes this fork what a shell would have started."""
    for descriptor, path in enumerate((os.devnull, task.stdout, task.stderr)):
        opened = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(opened, descriptor)
        os.close(opened)
    # Those of the server think that they lead where its own do.
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False, buffering=1)
    os.chdir(task.folder)
    os.environ.clear()
    os.environ.update(task.environment)
    sys.argv = ["harness", *task.arguments]
    signal.alarm(task.limit_s)


if __name__ == "__main__":
    _serve()
