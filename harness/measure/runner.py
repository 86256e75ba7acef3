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
from time import perf_counter_ns
from typing import IO

from pydantic import ValidationError

from harness.errors import HarnessError
from harness.measure import outcome, protocol
from harness.measure.protocol import EVENT, GO, Event, Job
from harness.schema.experiment import (
    Buffer,
    CaseFailure,
    ContextFacts,
    EngineInfo,
    Load,
    Outcome,
    Trial,
)
from harness.schema.machine import Device, Energy, MemoryMark
from harness.schema.planned import PlannedContext
from harness.schema.quality import ChunkScores, Tokenization
from harness.schema.quantized import PlannedFile
from harness.schema.settings import Settings

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


@dataclass
class Report:
    """Everything one worker told, in the terms of `schema.Run`."""

    outcome: Outcome = field(default_factory=lambda: Outcome(status="ok"))
    case_failures: list[CaseFailure] = field(default_factory=list)
    engine: EngineInfo | None = None
    load: Load | None = None
    weights: tuple[Buffer, ...] = ()
    contexts: list[ContextFacts] = field(default_factory=list)
    memory: list[MemoryMark] = field(default_factory=list)
    devices_before: tuple[Device, ...] = ()
    devices_loaded: tuple[Device, ...] = ()
    idle_energy: tuple[Energy, ...] = ()
    energy_obstacles: dict[str, str] = field(default_factory=dict)
    trials: list[Trial] = field(default_factory=list)
    planned_model: protocol.PlannedModelEvent | None = None
    planned_contexts: list[PlannedContext] = field(default_factory=list)
    planned_files: list[PlannedFile] = field(default_factory=list)
    quantized_tensor: str | None = None
    tokenization: Tokenization | None = None
    n_spilled: int = 0
    chunks: list[ChunkScores] = field(default_factory=list)
    is_done: bool = False

    @property
    def where(self) -> str:
        """What the worker was doing when it was last heard of: "during tg128"."""
        if self.contexts:
            return f"during {self.contexts[-1].workload}"
        if self.planned_model:
            return "while planning a context"
        if self.quantized_tensor:
            return f"while quantizing {self.quantized_tensor}"
        if self.chunks or self.n_spilled:
            what = "chunk" if self.chunks else "the reference's chunk"
            return f"after {what} {len(self.chunks) or self.n_spilled}"
        return "while loading the model" if self.engine else "while starting"

    def take(self, event: Event) -> None:
        """Adds what `event` tells."""
        match event:
            case protocol.HelloEvent():
                self.engine = event.engine
            case protocol.LoadedEvent():
                self.load, self.weights = event.load, event.weights
                self.devices_before = event.devices_before
                self.devices_loaded = event.devices_loaded
            case protocol.ContextEvent():
                self.contexts.append(event.context)
            case protocol.TrialEvent():
                self.trials.append(event.trial)
            case protocol.EnergyEvent():
                self.idle_energy, self.energy_obstacles = event.idle, event.obstacles
            case protocol.MemoryEvent():
                self.memory.append(event.memory)
            case protocol.FailedEvent():
                self._take_failure(event)
            case protocol.DoneEvent():
                self.is_done = True
            case protocol.TokenizedEvent() | protocol.SpilledEvent() | protocol.ChunkEvent():
                self._take_text(event)
            case _:
                self._take_plan(event)

    def _take_text(
        self, event: protocol.TokenizedEvent | protocol.SpilledEvent | protocol.ChunkEvent
    ) -> None:
        match event:
            case protocol.TokenizedEvent():
                self.tokenization = event.tokenization
            case protocol.SpilledEvent():
                self.n_spilled += 1
            case protocol.ChunkEvent():
                self.chunks.append(event.chunk)

    def _take_plan(
        self,
        event: protocol.PlannedModelEvent
        | protocol.PlannedContextEvent
        | protocol.PlannedFileEvent
        | protocol.QuantizedTensorEvent,
    ) -> None:
        match event:
            case protocol.PlannedModelEvent():
                self.planned_model = event
            case protocol.PlannedContextEvent():
                self.planned_contexts.append(event.context)
            case protocol.PlannedFileEvent():
                self.planned_files.append(event.file)
            case protocol.QuantizedTensorEvent():
                self.quantized_tensor = event.tensor

    def _take_failure(self, event: protocol.FailedEvent) -> None:
        if event.workload is None:
            self.is_done = True
        else:
            self.case_failures.append(
                CaseFailure(workload=event.workload, reason=event.reason, message=event.message)
            )
        if self.outcome.status == "ok":
            self.outcome = Outcome(status="failed", reason=event.reason, message=event.message)


def run_worker(
    job: Job,
    *,
    log: Path,
    on_event: Callable[[Event], None],
    silence_ns: int = SILENCE_NS,
    command: Sequence[str] = WORKER,
) -> Report:
    """
    What one fresh worker process measured, however it ended.

    Args:
        job: What to measure.
        log: File for everything that the process and its libraries print.
        on_event: Called for each event while the worker waits.
        silence_ns: A worker that says nothing for so long is ended.
        command: The worker's command line.
    """
    report = Report()
    with log.open("wb") as stream, _process(command, stream) as process:
        watchdog = _Watchdog(process, silence_ns)
        try:
            _converse(process, job, report, watchdog, on_event)
        except KeyboardInterrupt:
            report.outcome = outcome.interrupted(report.where)
            return report
        except ValidationError as error:
            process.kill()
            message = f"the worker's message could not be read: {error.errors()[0]['msg']}"
            report.outcome = Outcome(status="failed", reason="worker-error", message=message)
            return report
        finally:
            watchdog.stop()
        exit_code = process.wait()
    tail = outcome.log_tail(log)
    if watchdog.has_bitten:
        report.outcome = outcome.hung(silence_ns, report.where, tail)
    elif not report.is_done:
        report.outcome = outcome.of_exit(exit_code, report.where, tail)
    elif report.outcome.status == "failed":
        report.outcome = report.outcome.model_copy(update={"log_tail": tail})
    return report


def describe_engine(log: Path) -> EngineInfo:
    """
    The engine this harness measures with, asked of a worker.

    Raises:
        HarnessError: The engine cannot even be loaded.
    """
    job = Job(settings=Settings(n_threads=1), started_ns=perf_counter_ns(), deadline_ns=0)
    report = run_worker(job, log=log, on_event=lambda _: None)
    if report.outcome.reason == "interrupted":
        raise KeyboardInterrupt
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
    report: Report,
    watchdog: _Watchdog,
    on_event: Callable[[Event], None],
) -> None:
    assert process.stdout
    _say(process, job.model_dump_json())
    watchdog.restart()
    for line in process.stdout:
        watchdog.stop()
        event = EVENT.validate_json(line)
        report.take(event)
        on_event(event)
        watchdog.restart()
        _say(process, GO)


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
