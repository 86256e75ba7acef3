"""The harness as its user meets it: a process with arguments, and what comes out of it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from cli.prepared import CAN_FORK, Prepared, Task
from harness.measure.lock import LOCK_NAME

# Quick and still whole: a worker, the engine, one workload. One thread, because two that wait for
# each other at every step are fifty times slower when other tests want the CPU too.
ONE_THREAD = ("--threads", "1")
QUICK = ("--runs", "1", "--trials", "1", "-w", "tg8", *ONE_THREAD)

# What the shell of whoever runs the tests may have set, and what would change the answers.
_IGNORED = ("HARNESS_", "COLUMNS", "LINES", "FORCE_COLOR", "NO_COLOR", "TTY_", "PIP_")
# Longer than the tests' own limit (pyproject.toml) for those that raise it.
_PATIENCE_S = 300
_NOTHING: Mapping[str, str] = {}
_PREPARED = Prepared()


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def document(self) -> dict[str, Any]:
        """The one JSON document on stdout; anything beside it fails the test."""
        document = json.loads(self.stdout)
        assert isinstance(document, dict)
        return document

    def error(self) -> str:
        """The one line of a refused command, which must be all that it said."""
        assert self.stdout == ""
        assert "Traceback" not in self.stderr
        line, rest = self.stderr.split("\n", 1)
        assert rest == "", self.stderr
        assert line.startswith("Error: ")
        return line.removeprefix("Error: ")


class Home:
    """A user's folder with results of its own, and a temporary folder: so a lock of its own."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self.folder = folder
        self.cache = cache
        self.results = folder / "results"
        self.temporary = folder / "tmp"
        self.temporary.mkdir(parents=True)
        self.lock = self.temporary / LOCK_NAME

    def environment(self, **more: str) -> dict[str, str]:
        """What the command sees of the environment."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(_IGNORED)}
        temporary = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(self.temporary))
        own = {"HARNESS_CACHE": str(self.cache), "HARNESS_CONFIG": str(self.folder / "config")}
        return kept | temporary | own | more

    def on(self, terminal: str, *arguments: str | Path, **environment: str) -> int:
        """`harness ARGUMENTS` with both streams on that terminal; the exit code."""
        seen = self.environment(**environment)
        task = Task(tuple(map(str, arguments)), str(self.folder), seen, terminal, terminal)
        return _PREPARED.run(task)

    def harness(self, *arguments: str | Path, **environment: str) -> Done:
        """`harness ARGUMENTS`, until it ends."""
        # huggingface_hub reads its variables when it is imported.
        if not CAN_FORK or any(name.startswith("HF_") for name in environment):
            with self.started(*arguments, environment=environment) as started:
                return started.done()
        out_path, err_path = self._streams()
        task = Task(
            tuple(map(str, arguments)),
            str(self.folder),
            self.environment(**environment),
            str(out_path),
            str(err_path),
        )
        exit_code = _PREPARED.run(task)
        return Done(exit_code, out_path.read_text("utf-8"), err_path.read_text("utf-8"))

    @contextlib.contextmanager
    def started(
        self,
        *arguments: str | Path,
        stdout: int | None = None,
        environment: Mapping[str, str] = _NOTHING,
    ) -> Iterator[Started]:
        """`harness ARGUMENTS`, under way; killed at the end if it is still there."""
        out_path, err_path = self._streams()
        with out_path.open("w") as out, err_path.open("w") as err:
            process = subprocess.Popen(
                _command(arguments),
                cwd=self.folder,
                env=self.environment(**environment),
                stdin=subprocess.DEVNULL,
                stdout=out if stdout is None else stdout,
                stderr=err,
                start_new_session=True,  # Ctrl-C goes to it and its children, not to pytest
            )
        try:
            yield Started(process, self.results, out_path, err_path)
        finally:
            process.kill()
            process.wait()

    def _streams(self) -> tuple[Path, Path]:
        """New files for what one command says on stdout and on stderr."""
        name = uuid.uuid4().hex
        streams = self.folder.with_name(f"{self.folder.name}-streams")
        streams.mkdir(exist_ok=True)
        return streams / f"{name}.out", streams / f"{name}.err"

    def record(self) -> Path:
        """The one experiment file there is."""
        (path,) = self.results.glob("*.jsonl")
        return path

    def lines(self) -> list[dict[str, Any]]:
        """The lines of the one experiment file there is."""
        return [json.loads(line) for line in self.record().read_text("utf-8").splitlines()]

    def runs(self) -> list[dict[str, Any]]:
        """The Runs in the one experiment file there is."""
        return [line for line in self.lines() if line["kind"] == "run"]


class Started:
    """A command under way."""

    def __init__(
        self, process: subprocess.Popen[bytes], results: Path, stdout: Path, stderr: Path
    ) -> None:
        self.pid = process.pid
        self._process = process
        self._results = results
        self._stdout = stdout
        self._stderr = stderr

    def said(self, text: str) -> None:
        """Waits until stderr holds `text`."""
        self._until(lambda: text in self._stderr.read_text("utf-8"), f"{text!r} on stderr")

    def worker_of_run(self, number: int) -> psutil.Process:
        """The worker that measures Run `number`, once its engine has begun to talk."""
        found: list[psutil.Process] = []

        def is_there() -> bool:
            logs = self._results.glob(f"*-logs/run-{number:03}.log")
            if any(log.stat().st_size for log in logs):
                found.extend(workers(self.pid))
            return bool(found)

        self._until(is_there, f"the worker of Run {number}")
        return found[0]

    def interrupt(self) -> None:
        """Ctrl-C, as a terminal sends it: to the whole process group."""
        os.killpg(self.pid, signal.SIGINT)

    def signal(self, number: int) -> None:
        """Any other signal, to the parent alone."""
        self._process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL, to the parent alone."""
        self._process.kill()
        self._process.wait()

    def done(self) -> Done:
        """Waits for the end."""
        exit_code = self._process.wait(_PATIENCE_S)
        return Done(exit_code, self._stdout.read_text("utf-8"), self._stderr.read_text("utf-8"))

    def _until(self, is_true: Callable[[], bool], what: str) -> None:
        def is_over() -> bool:
            return is_true() or self._process.poll() is not None

        wait_until(is_over, what)
        assert is_true(), f"ended before {what}: {self._stderr.read_text('utf-8')}"


def closed_pipe() -> int:
    """The writing end of a pipe that nobody reads any more."""
    reader, writer = os.pipe()
    os.close(reader)
    return writer


def wait_until(is_true: Callable[[], bool], what: str) -> None:
    """Returns as soon as `is_true`; fails the test when that takes too long."""
    deadline_s = time.monotonic() + _PATIENCE_S
    while not is_true():
        assert time.monotonic() < deadline_s, f"waited in vain for {what}"
        time.sleep(0.02)


def workers(parent_pid: int) -> list[psutil.Process]:
    """The measuring processes that `parent_pid` has started."""
    try:
        children = psutil.Process(parent_pid).children()
        return [child for child in children if "harness.measure.worker" in child.cmdline()]
    except psutil.NoSuchProcess:
        return []


def is_gone(process: psutil.Process) -> bool:
    """Whether it has ended; a zombie has."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE or not process.is_running()
    except psutil.NoSuchProcess:
        return True


def _command(arguments: tuple[str | Path, ...]) -> list[str]:
    return [sys.executable, "-m", "harness", *map(str, arguments)]
