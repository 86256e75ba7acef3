"""
The parent's side of a Run: starts one worker, listens, and turns whatever happens into facts.

The only module that starts the worker. While the worker measures, the parent blocks on a pipe.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import perf_counter_ns
from typing import IO, Self, TypeVar

from harness import interrupts, scratch
from harness.errors import HarnessError, ResultsUnwritable
from harness.files import cannot
from harness.measure import outcome
from harness.measure.conversation import Conversation, Report, Unreadable
from harness.measure.protocol import GO, Answer, DescribeJob, Event, HelloEvent, Job
from harness.measure.rpc import blamed, lost
from harness.measure.rpc_watch import LOST_AFTER_S, RpcWatch
from harness.measure.watchdog import Watchdog
from harness.process_end import log_tail
from harness.schema.experiment import EngineInfo

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


_NOTHING: Mapping[str, str] = {}
E = TypeVar("E", bound=Event)


class Worker:
    """
    One fresh process that does one job; a context manager, at whose end it is gone.

    It works only within `hear`. Between two calls it waits for its answer, asleep: its engine's
    threads do too (a waiting worker takes less than a thousandth of a core).

    Attributes:
        active_ns: How long it has worked so far, starting included.

    Args:
        job: What to do.
        log: File for everything that the process and its libraries print.
        silence_ns: A worker that says nothing for so long is ended.
        command: The worker's command line.
        environment: Variables that it has beside this process's.

    Raises:
        ResultsUnwritable: The log cannot be written.
        HarnessError: A path of the job is no text.
    """

    def __init__(
        self,
        job: Job,
        *,
        log: Path,
        silence_ns: int = SILENCE_NS,
        command: Sequence[str] = WORKER,
        environment: Mapping[str, str] = _NOTHING,
    ) -> None:
        self.active_ns = 0
        self._told = Conversation(job)
        self._message = job.line()
        self._log = log
        self._is_settled = False
        with _opened(log) as stream:
            self._process = _started(command, stream, environment)
        self._watchdog = Watchdog(self._process, silence_ns, learns=bool(job.servers))
        self._lost: str | None = None
        self._watch = RpcWatch(job.servers, self._lose)

    def hear(
        self,
        on_event: Callable[[Event], None] = lambda _: None,
        *,
        until: type[E] | None = None,
        answer: Answer = GO,
    ) -> E | None:
        """
        What it says next, and what that answers.

        Args:
            on_event: Called for each event while the worker waits.
            until: The event to return, before it is answered.
            answer: To the event that the last call returned.

        Returns:
            That event; None when the worker is over, however it ended. A signal to this process
            ends it too.
        """
        started_ns = perf_counter_ns()
        try:
            # Held, a signal must come where it is taken for the outcome.
            with interrupts.allowed():
                return self._hear(on_event, until, answer)
        except KeyboardInterrupt:
            self.interrupt()
        except Unreadable as error:
            self._told.fail(str(error))
            self._is_settled = True
            self._end()
        finally:
            self._watchdog.stop()
            self.active_ns += perf_counter_ns() - started_ns
        return None

    def _hear(
        self, on_event: Callable[[Event], None], until: type[E] | None, answer: Answer
    ) -> E | None:
        assert self._process.stdout
        if self._process.stdout.closed:
            return None
        _say(self._process, answer if self._told.events else self._message)
        self._watchdog.restart(self._told.place)
        for line in self._process.stdout:
            self._watchdog.stop()
            event = self._told.read(line)
            if isinstance(event, HelloEvent):
                self._watch.start()
            on_event(event)
            if until is not None and isinstance(event, until):
                return event
            self._watchdog.restart(self._told.place)
            _say(self._process, GO)
        self._process.wait()
        return None

    @property
    def is_interrupted(self) -> bool:
        """Whether the user ended it."""
        return self._told.outcome.reason == "interrupted"

    def interrupt(self) -> None:
        """Ends it as a signal to this process would have, unless it is over already."""
        if not self._is_settled and self._process.poll() is None:
            self._told.outcome = outcome.interrupted(self._told.activity)
            self._is_settled = True
        self._end()

    def report(self) -> Report:
        """What it told, once it is over."""
        told = self._told
        if self._is_settled:
            return told.report()
        self._is_settled = True
        self._watch.close()
        tail = log_tail(self._log)
        if self._lost is not None:
            told.outcome = lost(self._lost, LOST_AFTER_S, told.activity, tail)
            return told.report()
        if bitten := self._watchdog.bitten:
            told.outcome = outcome.hung(bitten, told.activity, tail)
        elif not told.is_over:
            told.outcome = outcome.of_exit(self._process.wait(), told.activity, tail)
        elif told.outcome.status == "failed":
            told.outcome = told.outcome.model_copy(update={"log_tail": tail})
        told.outcome = blamed(told.outcome, told.job.servers)
        return told.report()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._watchdog.stop()
        self._watch.close()
        self._end()

    def _lose(self, address: str) -> None:
        self._lost = address
        self._process.kill()

    def _end(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()


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

    The arguments are those of `Worker`, and that of its `hear`.

    Raises:
        ResultsUnwritable: The log cannot be written.
        HarnessError: A path of the job is no text.
    """
    with Worker(job, log=log, silence_ns=silence_ns, command=command) as worker:
        worker.hear(on_event)
        return worker.report()


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


def describe_engine(servers: Sequence[str] = ()) -> EngineInfo:
    """
    The engine this harness measures with, asked of a worker, with the devices of RPC servers.

    Raises:
        HarnessError: The engine cannot even be loaded, or has no RPC, or a server is gone.
    """
    report = run_unlogged(DescribeJob(rpc=tuple(servers)))
    report.raise_if_interrupted()
    if report.engine is None and servers:
        raise HarnessError(f"--rpc {','.join(servers)}: {report.outcome.message}")
    if report.engine is None and report.outcome.reason == "killed":
        raise HarnessError(f"the engine was not heard: {report.outcome.message}; try again")
    if report.engine is None:
        raise HarnessError(
            f"llama-cpp-python cannot be loaded: {report.outcome.message}; install it again "
            "(`make clean setup`)"
        )
    return report.engine


def _say(process: subprocess.Popen[bytes], text: str) -> None:
    assert process.stdin
    # A worker that is gone already is noticed by the end of its output.
    with contextlib.suppress(BrokenPipeError, OSError):
        process.stdin.write(text.encode() + b"\n")
        process.stdin.flush()


def _started(
    command: Sequence[str], log: IO[bytes], environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """The running worker. Ctrl-C does not reach it directly."""
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        env={**os.environ, **_ENVIRONMENT, **environment},
        start_new_session=True,
        creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
    )
