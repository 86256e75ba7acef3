"""
The worker: one process for one job, then it is gone.

Started by runner.py only. The job comes on stdin. Events go out on a private copy of fd 1, while
fd 1 itself leads to the log (fd 2), where nothing that a C library prints can harm them. When
stdin ends, the parent is dead, and so is this process at once.
"""

from __future__ import annotations

import gc

gc.disable()  # what is imported is no garbage, and looking for some takes a sixth of the time

import contextlib
import faulthandler
import json
import os
import queue
import threading
import traceback
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter

from harness.engine.failure import EngineFailed
from harness.engine.library import Engine
from harness.measure import protocol
from harness.measure.jobs.draft import VocabulariesJob
from harness.measure.jobs.draft_worker import vocabularies_job
from harness.measure.jobs.measure import MeasureJob
from harness.measure.jobs.measure_worker import measure_job
from harness.measure.jobs.plan import PlanJob
from harness.measure.jobs.plan_each import PlanEachJob
from harness.measure.jobs.plan_worker import plan_each_job, plan_job
from harness.measure.jobs.quantize import PlanFilesJob, QuantizeJob
from harness.measure.jobs.quantize_worker import plan_files_job, quantize_job
from harness.measure.jobs.request import RequestJob
from harness.measure.jobs.score import ScoreJob, TokenizeJob
from harness.measure.jobs.score_worker import score_job, tokenize_job
from harness.measure.protocol import ENOUGH, GO, Answer, DescribeJob, Event, Send

_Job = Annotated[
    DescribeJob
    | MeasureJob
    | RequestJob
    | PlanJob
    | PlanEachJob
    | PlanFilesJob
    | QuantizeJob
    | TokenizeJob
    | VocabulariesJob
    | ScoreJob,
    Field(discriminator="job"),
]
_JOB: TypeAdapter[_Job] = TypeAdapter(_Job)
"""Reads and validates everything that a worker can be told to do."""

gc.enable()


class Line:
    """The line to the parent: events out, answers back; an end of input ends the process."""

    def __init__(self) -> None:
        self._out = os.dup(1)
        os.dup2(2, 1)
        self._in: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        # Bytes: sys.stdin would take what the parent writes for text of this system's code page. A
        # stream of its own: an interpreter that ends waits a second for the lock of sys.stdin's.
        with os.fdopen(os.dup(0), "rb") as stream:
            for line in stream:
                self._in.put(line.decode("utf-8"))
        os._exit(1)  # the parent is gone: nobody is left to measure for

    def receive_job(self) -> _Job:
        """The job, the first line the parent sends. One of another version is not read."""
        text = self._in.get()
        if protocol.version_of(text) != protocol.VERSION:
            # All that any version can read of a hello; the parent says what to do about it.
            self._write(json.dumps({"event": "hello", "protocol": protocol.VERSION}))
        return _JOB.validate_json(text)

    def send(self, event: Event) -> Answer:
        """Tells the parent and waits until it has done what it does about it."""
        self._write(event.model_dump_json())
        return ENOUGH if self._in.get().strip() == ENOUGH else GO

    def _write(self, text: str) -> None:
        os.write(self._out, text.encode() + b"\n")


def main() -> None:
    """Takes a job, does it, tells everything to the parent."""
    gc.freeze()  # as above, also for when it ends
    faulthandler.enable()
    line = Line()
    job = line.receive_job()
    _volunteer_for_the_oom_killer()
    try:
        if isinstance(job, RequestJob):
            line.send(_asked(job, line.send))
        else:
            engine = Engine(on_line=_log)
            engine.rpc.add_servers(job.servers)
            line.send(protocol.HelloEvent(pid=os.getpid(), engine=engine.info()))
            _do(job, engine, line.send)
            line.send(protocol.DoneEvent())
    except EngineFailed as failure:
        line.send(protocol.FailedEvent(reason=failure.reason, message=str(failure)))
    except MemoryError:
        line.send(protocol.FailedEvent(reason="out-of-memory", message="Python ran out of memory"))
    except Exception as error:
        # The one place for it: whatever went wrong becomes a Run with a reason.
        traceback.print_exc()
        message = f"{type(error).__name__}: {error}"
        line.send(protocol.FailedEvent(reason="worker-error", message=message))


def _asked(job: RequestJob, send: Send) -> Event:
    """What ends the job of a client; the engine is not begun for it."""
    # Imported here: an HTTP client takes part of a worker's start, which is part of loading.
    from harness.endpoint.failure import RequestFailed
    from harness.measure.jobs.request_worker import request_job

    send(protocol.HelloEvent(pid=os.getpid()))
    try:
        request_job(job, send)
    except RequestFailed as error:
        why = error.failure
        return protocol.FailedEvent(reason=why.reason, message=why.message)
    return protocol.DoneEvent()


def _do(job: _Job, engine: Engine, send: Send) -> None:
    match job:
        case DescribeJob():
            pass  # the hello has told it
        case MeasureJob():
            measure_job(engine, job, send)
        case PlanJob():
            plan_job(engine, job, send)
        case PlanEachJob():
            plan_each_job(engine, job, send)
        case PlanFilesJob():
            plan_files_job(engine, job, send)
        case QuantizeJob():
            quantize_job(engine, job, send)
        case TokenizeJob():
            tokenize_job(engine, job, send)
        case VocabulariesJob():
            vocabularies_job(engine, job, send)
        case ScoreJob():
            score_job(engine, job, send)


def _volunteer_for_the_oom_killer() -> None:
    # When memory runs out this process should go, not the user's editor. Linux only.
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def _log(text: str) -> None:
    os.write(2, text.encode(errors="replace"))


if __name__ == "__main__":
    main()
