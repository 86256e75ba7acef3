"""A server's process, held by a supervisor of its own: gone when this process is, however."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from harness.errors import HarnessError, ResultsUnwritable
from harness.files import cannot
from harness.process_end import EndingKind, ending

# -P: a folder of the user's that happens to hold a json.py must not be imported.
_SUPERVISOR = (sys.executable, "-P", "-m", "harness.serving.supervisor")
_GONE_S = 10.0


class ServerFailed(HarnessError):
    """
    A server that the harness started does not come up, or is gone.

    Attributes:
        exit_code_of_server: As subprocess gives it; None where it runs and does not answer.
        log_tail: The last lines of its log.
    """

    def __init__(
        self,
        message: str,
        exit_code_of_server: int | None = None,
        log_tail: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message)
        self.exit_code_of_server = exit_code_of_server
        self.log_tail = log_tail

    @property
    def kind(self) -> EndingKind | None:
        """How the server ended; None where it did not."""
        code = self.exit_code_of_server
        return None if code is None else ending(code).kind


class Supervised:
    """
    A program that runs; a context manager, at whose end it does not.

    Attributes:
        pid: Of the program itself.
        started_ns: When it was started, by this machine's monotonic clock.

    Args:
        command: Its command line.
        environment: All of its variables.
        log: File for everything that it prints.

    Raises:
        ServerFailed: It cannot be started.
        ResultsUnwritable: The log cannot be written.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        try:
            stream = log.open("ab")
        except OSError as error:
            advice = "choose a folder that stays with --results DIR"
            raise ResultsUnwritable(cannot("written", log, error, advice)) from error
        with stream:
            # Ctrl-C does not reach either of them directly.
            self._process = subprocess.Popen(
                [*_SUPERVISOR, *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stream,
                env=environment,
                start_new_session=True,
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )
        try:
            told = self._told()
            if "pid" not in told:
                reason = told.get("error", "its supervisor ended")
                raise ServerFailed(f"{command[0]} cannot be started: {reason}")
        except BaseException:
            self._end()
            raise
        self.pid = int(told["pid"])
        self.started_ns = int(told["started_ns"])
        self._exit_code: int | None = None

    def exit_code(self) -> int | None:
        """What it ended with, as subprocess gives it; None while it runs."""
        if self._exit_code is None and (own := self._process.poll()) is not None:
            # A supervisor that was killed says nothing, and has taken the program with it.
            self._exit_code = int(self._told().get("exit_code", own))
        return self._exit_code

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def _told(self) -> dict[str, Any]:
        """What the supervisor says next; nothing where it ended."""
        assert self._process.stdout
        line = self._process.stdout.readline()
        return dict(json.loads(line)) if line else {}

    def _end(self) -> None:
        assert self._process.stdin
        assert self._process.stdout
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(_GONE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
