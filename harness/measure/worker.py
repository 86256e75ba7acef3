"""
The measuring process: one model, one Settings, all workloads, then it is gone. It also plans.

Started by runner.py only. The job comes on stdin. Events go out on a private copy of fd 1, while
fd 1 itself leads to the log (fd 2), where nothing that a C library prints can harm them. When
stdin ends, the parent is dead, and so is this process at once.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import os
import queue
import sys
import threading
import traceback
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from time import perf_counter_ns

import numpy as np

from harness.analysis import disturbance as trust
from harness.engine.context import Context
from harness.engine.failure import EngineFailed
from harness.engine.library import Engine
from harness.engine.model import Model, load_model
from harness.machine import counters, memory, pagecache
from harness.machine.energy.meters import NO_METERS, Meters, find_meters
from harness.measure import protocol
from harness.measure.jobs.measure_worker import Bench
from harness.measure.jobs.plan_worker import plan
from harness.measure.jobs.quantize_worker import quantize_job
from harness.measure.jobs.score_worker import score_job, tokenize_job
from harness.measure.protocol import Job
from harness.schema.experiment import ContextFacts, Load, Trial
from harness.schema.machine import Device
from harness.schema.workload import Workload, parse_workload

_COLD_RATIO = 0.05
"""A file of which less than this is cached counts as cold; reading the header alone brings back
up to 2 MB through read-ahead, 2 % of a 98 MB file."""


class Line:
    """The line to the parent: events out, `go` back; an end of input ends the process."""

    def __init__(self) -> None:
        self._out = os.dup(1)
        os.dup2(2, 1)
        self._in: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        for text in sys.stdin:
            self._in.put(text)
        os._exit(1)  # the parent is gone: nobody is left to measure for

    def receive_job(self) -> Job:
        """The job, the first line the parent sends."""
        return Job.model_validate_json(self._in.get())

    def send(self, event: protocol.Event) -> None:
        """Tells the parent and waits until it has done what it does about it."""
        os.write(self._out, event.model_dump_json().encode() + b"\n")
        self._in.get()


def main() -> None:
    """Takes a job, measures it, tells everything to the parent."""
    faulthandler.enable()
    line = Line()
    job = line.receive_job()
    _volunteer_for_the_oom_killer()
    try:
        _work(job, line)
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


def _volunteer_for_the_oom_killer() -> None:
    # When memory runs out this process should go, not the user's editor. Linux only.
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def _work(job: Job, line: Line) -> None:
    engine = Engine(on_line=_log)
    line.send(protocol.HelloEvent(pid=os.getpid(), engine=engine.info()))
    if job.model_path is None:
        return
    if job.planning is not None:
        plan(engine, job, line.send)
        return
    if job.quantizing is not None:
        quantize_job(engine, job, line.send)
        return
    if job.tokenizing is not None:
        tokenize_job(engine, job, line.send)
        return
    if job.scoring is not None:
        score_job(engine, job, line.send)
        return
    line.send(protocol.MemoryEvent(memory=memory.read_memory("start")))
    meters, rest_ns = _rest(job, line)
    began_ns = job.started_ns + rest_ns  # the rest is no part of loading
    devices_before = engine.ggml.devices()
    cached_ratio = _bring_to_temperature(Path(job.model_path), is_cold=job.is_cold)
    started_ns = perf_counter_ns()
    model = load_model(engine, job.model_path, job.settings)
    model_ns = perf_counter_ns() - started_ns
    rng = np.random.default_rng(job.seed)
    is_first = True
    for workload in map(parse_workload, job.workloads):
        try:
            with _context(model, workload, job, line) as context:
                if is_first:
                    load = Load(
                        cached_ratio=cached_ratio,
                        is_cold=_is_cold(cached_ratio),
                        process_ns=started_ns - began_ns,
                        model_ns=model_ns,
                        total_ns=perf_counter_ns() - began_ns,
                    )
                    _tell_loaded(line, load, model, devices_before)
                    is_first = False
                _measure(Bench(model, context, workload, rng), job, line, meters)
        except EngineFailed as failure:
            line.send(
                protocol.FailedEvent(
                    workload=workload.name, reason=failure.reason, message=str(failure)
                )
            )
    line.send(protocol.MemoryEvent(memory=memory.read_memory("end")))
    model.close()


def _rest(job: Job, line: Line) -> tuple[Meters, int]:
    """The machine's energy meters, once they told what a rest takes; and the ns all that took."""
    if not job.reads_energy:
        return NO_METERS, 0
    started_ns = perf_counter_ns()
    meters = find_meters()
    idle = meters.rest()
    line.send(protocol.EnergyEvent(idle=idle, obstacles=meters.obstacles))
    return meters, perf_counter_ns() - started_ns


def _log(text: str) -> None:
    os.write(2, text.encode(errors="replace"))


def _bring_to_temperature(path: Path, *, is_cold: bool) -> float | None:
    """The share of the file in the page cache now, after evicting it where a cold load is due."""
    if is_cold:
        pagecache.evict(path)
    return pagecache.cached_ratio(path)


def _is_cold(cached_ratio: float | None) -> bool | None:
    return None if cached_ratio is None else cached_ratio < _COLD_RATIO


def _tell_loaded(line: Line, load: Load, model: Model, before: tuple[Device, ...]) -> None:
    line.send(
        protocol.LoadedEvent(
            load=load,
            weights=model.weights,
            devices_before=before,
            devices_loaded=model.engine.ggml.devices(),
        )
    )
    line.send(protocol.MemoryEvent(memory=memory.read_memory("loaded")))


@contextlib.contextmanager
def _context(model: Model, workload: Workload, job: Job, line: Line) -> Iterator[Context]:
    started_ns = perf_counter_ns()
    with model.context(_n_ctx(model, workload, job.settings.n_ctx)) as context:
        facts = ContextFacts(
            workload=workload.name,
            n_ctx=context.n_ctx,
            create_ns=perf_counter_ns() - started_ns,
            buffers=context.buffers,
        )
        line.send(protocol.ContextEvent(context=facts))
        yield context


def _n_ctx(model: Model, workload: Workload, asked: int | None) -> int:
    """
    The context for `workload`: what the user asked for, or just what it needs.

    Raises:
        EngineFailed: It needs more than was asked for, or more than the model was trained for.
    """
    trained = model.n_ctx_train
    # 0 is how a header says that nobody knows what the model was trained for.
    n_ctx = asked or min(workload.n_ctx, max(trained or workload.n_ctx, workload.n_ctx_min))
    if n_ctx > trained > 0:
        raise EngineFailed(
            "context-too-large",
            f"{n_ctx} positions are beyond the {trained} that the model was trained for",
        )
    if workload.n_ctx_min > n_ctx:
        raise EngineFailed(
            "context-too-large",
            f"{workload.name} needs {workload.n_ctx_min} positions, --ctx gives {n_ctx}",
        )
    return n_ctx


def _measure(bench: Bench, job: Job, line: Line, meters: Meters) -> None:
    """
    A warm-up, then trials until enough are clean, `n_trials_max` are made or time is up.

    At least one trial is made, however late it is: a slow model must answer too.
    """
    _trial(bench, line, meters, index=0, is_warm_up=True)
    is_sustained = bench.workload.kind == "sustain"
    n_wanted, n_most = (1, 1) if is_sustained else (job.n_trials, job.n_trials_max)
    n_clean = 0
    for index in range(n_most):
        trial = _trial(bench, line, meters, index=index, is_warm_up=False)
        disturbed = trust.is_contaminated(
            trial.counters,
            n_logical=job.n_cores_logical,
            n_threads=job.settings.n_threads,
            n_usable=job.n_cores_usable,
        )
        n_clean += not disturbed
        if n_clean >= n_wanted or perf_counter_ns() > job.deadline_ns:
            return


def _trial(bench: Bench, line: Line, meters: Meters, *, index: int, is_warm_up: bool) -> Trial:
    measure = bench.plan(is_warm_up=is_warm_up)
    bench.prepare()
    gc.disable()  # a collection inside a step would be ours, not the engine's
    meters.begin()
    before = counters.snapshot()
    timing = measure()
    after = counters.snapshot()
    energy = meters.end()
    gc.enable()
    trial = Trial(
        workload=bench.workload.name,
        index=index,
        is_warm_up=is_warm_up,
        counters=counters.between(before, after, counters.reference_loop_ns()),
        energy=energy,
        **asdict(timing),
    )
    line.send(protocol.TrialEvent(trial=trial))
    return trial


if __name__ == "__main__":
    main()
