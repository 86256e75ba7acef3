"""
The parent's side of a Run: starts one worker, listens, and turns whatever happens into facts.

The only module that starts the worker. While the worker measures, the parent blocks on a pipe.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TypeVar

from pydantic import ValidationError

from harness import interrupts, scratch
from harness.errors import HarnessError, ResultsUnwritable
from harness.files import cannot
from harness.measure import outcome, protocol
from harness.measure.protocol import (
    GO,
    DescribeJob,
    DoneEvent,
    Event,
    FailedEvent,
    FailureEvent,
    HelloEvent,
    Job,
)
from harness.schema.experiment import EngineInfo, Outcome

# -P: a folder of the user's that happens to hold a numpy.py must not be imported.
WORKER = (sys.executable, "-P", "-m", "harness.measure.worker")

SILENCE_NS = 20 * 60 * 1_000_000_000
"""How long a worker may say nothing. A trial is one event; the slowest sane one, a 4096-token
prefill at 5 tokens per second, takes 14 minutes."""

_ENVIRONMENT = {
    # Else an abort starts a debugger, which prints pages and may hang.
    "GGML_NO_BACKTRACE": "1",
    # numpy's BLAS would keep threads of its own spinning beside the engine's.
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
}


E = TypeVar("E", bound=Event)


@dataclass(frozen=True)
class Report:
    """What one worker told, however it ended."""

    outcome: Outcome
    engine: EngineInfo | None = None
    events: tuple[Event, ...] = ()

    def told(self, kind: type[E]) -> tuple[E, ...]:
        """The events of that kind, in their order."""
        return tuple(event for event in self.events if isinstance(event, kind))

    def raise_if_interrupted(self) -> None:
        """KeyboardInterrupt, if that is what ended it."""
        if self.outcome.reason == "interrupted":
            raise KeyboardInterrupt


@dataclass
class _Conversation:
    """What has been told so far, and by it what the worker is doing and how it will have ended."""

    outcome: Outcome = field(default_factory=lambda: Outcome(status="ok"))
    engine: EngineInfo | None = None
    events: list[Event] = field(default_factory=list)
    activity: str = "while starting"
    is_over: bool = False

    def take(self, event: Event) -> None:
        """Adds what `event` tells."""
        self.events.append(event)
        self.activity = event.activity or self.activity
        if isinstance(event, HelloEvent):
            self.engine = event.engine
        # The first failure is the one that the others follow from.
        if isinstance(event, FailureEvent) and self.outcome.status == "ok":
            self.outcome = Outcome(status="failed", reason=event.reason, message=event.message)
        self.is_over = isinstance(event, (DoneEvent, FailedEvent))

    def fail(self, message: str) -> None:
        """It cannot go on, and that is neither the engine's fault nor the model's."""
        self.outcome = Outcome(status="failed", reason="worker-error", message=message)

    def report(self) -> Report:
        """All of it."""
        return Report(self.outcome, self.engine, tuple(self.events))


class _OtherVersion(Exception):
    """The worker speaks another version of the protocol."""


def run_worker(
    job: Job,
    *,
    log: Path,
    on_event: Callable[[Event], None] = lambda _: None,
    silence_ns: int = SILENCE_NS,
    command: Sequence[str] = WORKER,
) -> Report:
    """
    What one fresh worker process told, however it ended.

    Args:
        job: What to do.
        log: File for everything that the process and its libraries print.
        on_event: Called for each event while the worker waits.
        silence_ns: A worker that says nothing for so long is ended.
        command: The worker's command line.

    Raises:
        ResultsUnwritable: The log cannot be written.
        HarnessError: A path of the job is no text.
    """
    told, message = _Conversation(), job.line()
    with _opened(log) as stream, _process(command, stream) as process:
        watchdog = _Watchdog(process, silence_ns)
        try:
            # Held, a signal must come where it is taken for the outcome.
            with interrupts.allowed():
                _converse(process, job, message, told, watchdog, on_event)
                exit_code = process.wait()
        except KeyboardInterrupt:
            told.outcome = outcome.interrupted(told.activity)
            return told.report()
        except ValidationError as error:
            told.fail(f"the worker's message could not be read: {error.errors()[0]['msg']}")
            return told.report()
        except _OtherVersion as error:
            told.fail(str(error))
            return told.report()
        finally:
            watchdog.stop()
    tail = outcome.log_tail(log)
    if watchdog.has_bitten:
        told.outcome = outcome.hung(silence_ns, told.activity, tail)
    elif not told.is_over:
        told.outcome = outcome.of_exit(exit_code, told.activity, tail)
    elif told.outcome.status == "failed":
        told.outcome = told.outcome.model_copy(update={"log_tail": tail})
    return told.report()


def _opened(log: Path) -> IO[bytes]:
    try:
        return log.open("wb")
    except OSError as error:
        advice = "choose a folder that stays with --results DIR"
        raise ResultsUnwritable(cannot("written", log, error, advice)) from error


def run_unlogged(
    job: Job,
    *,
    on_event: Callable[[Event], None] = lambda _: None,
    silence_ns: int = SILENCE_NS,
) -> Report:
    """As `run_worker`, where the last lines of the log, which the outcome has, are enough."""
    with scratch.own_folder(f"harness-{job.job}") as folder:
        log = folder / "worker.log"
        return run_worker(job, log=log, on_event=on_event, silence_ns=silence_ns)


def describe_engine() -> EngineInfo:
    """
    The engine this harness measures with, asked of a worker.

    Raises:
        HarnessError: The engine cannot even be loaded.
    """
    report = run_unlogged(DescribeJob())
    report.raise_if_interrupted()
    if report.engine is None and report.outcome.reason == "killed":
        raise HarnessError(f"the engine was not heard: {report.outcome.message}; try again")
    if report.engine is None:
        raise HarnessError(
            f"llama-cpp-python cannot be loaded: {report.outcome.message}; install it again "
            "(`make clean setup`)"
        )
    return report.engine


class _Watchdog:
    """Ends a process that has not been heard of for `silence_ns`."""

    def __init__(self, process: subprocess.Popen[bytes], silence_ns: int) -> None:
        self._process = process
        self._seconds = silence_ns / 1e9
        self.has_bitten = False
        self._timer: threading.Timer | None = None

    def restart(self) -> None:
        """It was heard of just now."""
        self.stop()
        self._timer = threading.Timer(self._seconds, self._bite)
        self._timer.daemon = True
        self._timer.start()

    def stop(self) -> None:
        """No more watching."""
        if self._timer:
            self._timer.cancel()

    def _bite(self) -> None:
        self.has_bitten = True
        self._process.kill()


def _converse(
    process: subprocess.Popen[bytes],
    job: Job,
    message: str,
    told: _Conversation,
    watchdog: _Watchdog,
    on_event: Callable[[Event], None],
) -> None:
    assert process.stdout
    _say(process, message)
    watchdog.restart()
    for line in process.stdout:
        watchdog.stop()
        event = _read(line, job, is_first=not told.events)
        told.take(event)
        on_event(event)
        watchdog.restart()
        _say(process, GO)


def _read(line: bytes, job: Job, *, is_first: bool) -> Event:
    # Before anything else of it is read: what else a hello holds is up to its version.
    if is_first and (version := protocol.version_of(line)) not in (None, protocol.VERSION):
        raise _OtherVersion(
            f"the worker speaks version {version} of the protocol and this harness version "
            f"{protocol.VERSION}: its Python environment holds another harness; install the same "
            "version in both"
        )
    event: Event = job.EVENTS.validate_json(line)
    return event


def _say(process: subprocess.Popen[bytes], text: str) -> None:
    assert process.stdin
    # A worker that is gone already is noticed by the end of its output.
    with contextlib.suppress(BrokenPipeError, OSError):
        process.stdin.write(text.encode() + b"\n")
        process.stdin.flush()


@contextlib.contextmanager
def _process(command: Sequence[str], log: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """The running worker; ended at the end whatever happened. Ctrl-C does not reach it directly."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        env=os.environ | _ENVIRONMENT,
        start_new_session=True,
        creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
