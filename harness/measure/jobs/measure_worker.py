"""
Measuring in the worker: one model, one Settings, all workloads, each in a context of its own.

What one trial of a workload is, inside the clock and outside of it, is up to trial_worker.py.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from time import perf_counter_ns

import numpy as np

from harness.analysis.impossible import impossible_context
from harness.engine.context import Context
from harness.engine.failure import EngineFailed
from harness.engine.library import Engine
from harness.engine.model import Model, load_model
from harness.machine import counters, memory, pagecache
from harness.machine.energy.meters import Meters
from harness.measure.jobs.draft_worker import Draft, load_draft
from harness.measure.jobs.measure import (
    ContextEvent,
    CountersEvent,
    LoadedEvent,
    MeasureJob,
    MemoryEvent,
    TurnEvent,
    WorkloadFailedEvent,
)
from harness.measure.jobs.repetition_worker import repeat, rest, watched
from harness.measure.jobs.task_worker import TaskBench
from harness.measure.jobs.trial_worker import Bench
from harness.measure.jobs.turns_worker import TurnsBench
from harness.measure.protocol import Send
from harness.schema.experiment import ContextFacts, Load, Trial
from harness.schema.machine import Device
from harness.schema.workload import parse_workload
from harness.schema.workload_kind import Workload
from harness.schema.workload_tasks import TextTask
from harness.schema.workload_turns import Turns

_COLD_RATIO = 0.05
"""A file of which less than this is cached counts as cold; reading the header alone brings back
up to 2 MB through read-ahead, 2 % of a 98 MB file."""


def measure_job(engine: Engine, job: MeasureJob, send: Send) -> None:
    """
    The trials of every workload of `job`, each sent as soon as it is complete.

    A workload that the engine refuses is told, and the next one measured.

    Raises:
        EngineFailed: The model cannot be loaded.
    """
    send(MemoryEvent(memory=memory.read_memory("start")))
    before = counters.snapshot()
    meters, rest_ns = rest(job, send)
    began_ns = job.started_ns + rest_ns  # the rest is no part of loading
    devices_before = engine.ggml.devices()
    if job.draft_path is not None:
        _bring_to_temperature(Path(job.draft_path), is_cold=job.is_cold)
    cached_ratio = _bring_to_temperature(Path(job.model_path), is_cold=job.is_cold)
    started_ns = perf_counter_ns()
    model = load_model(engine, job.model_path, job.settings, kind=job.kind)
    draft_model = load_draft(engine, job)
    model_ns = perf_counter_ns() - started_ns
    rng = np.random.default_rng(job.seed)
    is_first = True
    for workload in map(parse_workload, job.workloads):
        try:
            with _context(model, draft_model, workload, job, send) as (context, draft):
                if is_first:
                    load = Load(
                        cached_ratio=cached_ratio,
                        is_cold=_is_cold(cached_ratio),
                        process_ns=started_ns - began_ns,
                        model_ns=model_ns,
                        total_ns=perf_counter_ns() - began_ns,
                    )
                    _tell_loaded(send, load, model, draft_model, devices_before)
                    is_first = False
                bench = _bench(model, context, workload, rng, draft, send)
                repeat(workload, partial(_trial, bench, job, meters), job, send)
        except EngineFailed as failure:
            why = {"reason": failure.reason, "message": str(failure)}
            send(WorkloadFailedEvent(workload=workload.name, **why))
    after = counters.snapshot()
    if not job.is_in_turns:  # else what the system did meanwhile was the other worker's, too
        whole = counters.between(before, after, counters.reference_loop_ns())
        send(CountersEvent(counters=whole))
    send(MemoryEvent(memory=memory.read_memory("end")))
    model.close()
    if draft_model is not None:
        draft_model.close()


def _bring_to_temperature(path: Path, *, is_cold: bool) -> float | None:
    """The share of the file in the page cache now, after evicting it where a cold load is due."""
    if is_cold:
        pagecache.evict(path)
    return pagecache.cached_ratio(path)


def _is_cold(cached_ratio: float | None) -> bool | None:
    return None if cached_ratio is None else cached_ratio < _COLD_RATIO


def _tell_loaded(
    send: Send, load: Load, model: Model, draft: Model | None, before: tuple[Device, ...]
) -> None:
    send(
        LoadedEvent(
            load=load,
            weights=model.weights + (draft.weights if draft else ()),
            devices_before=before,
            devices_loaded=model.engine.ggml.devices(),
        )
    )
    send(MemoryEvent(memory=memory.read_memory("loaded")))


@contextlib.contextmanager
def _context(
    model: Model, draft_model: Model | None, workload: Workload, job: MeasureJob, send: Send
) -> Iterator[tuple[Context, Draft | None]]:
    """The context of a workload, and where tokens are guessed in it, what guesses."""
    started_ns = perf_counter_ns()
    n_ctx = _n_ctx(model, workload, job.settings.n_ctx)
    with contextlib.ExitStack() as stack:
        own = model.context(
            n_ctx, n_sequences=workload.n_sequences, is_shared=workload.shares_context
        )
        context = stack.enter_context(own)
        buffers, draft = context.buffers, None
        if job.settings.draft_max and workload.takes_draft:
            draft = Draft(job.settings.draft_max, draft_model)
            if draft_model is not None:
                draft.context = stack.enter_context(draft_model.context(n_ctx, beside=context))
                buffers += draft.context.buffers
        facts = ContextFacts(
            workload=workload.name,
            n_ctx=context.n_ctx,
            create_ns=perf_counter_ns() - started_ns,
            buffers=buffers,
        )
        send(ContextEvent(context=facts))
        yield context, draft


def _n_ctx(model: Model, workload: Workload, asked: int | None) -> int:
    """
    The context for `workload`: what the user asked for, or just what it needs.

    Raises:
        EngineFailed: It needs more than was asked for, or more than the model was trained for.
    """
    trained = model.n_ctx_train  # 0 where the header does not say
    if why := impossible_context(workload, trained, asked):
        raise EngineFailed("context-too-large", why)
    return workload.context_length(trained, asked)


def _bench(
    model: Model,
    context: Context,
    workload: Workload,
    rng: np.random.Generator,
    draft: Draft | None,
    send: Send,
) -> Bench | TaskBench | TurnsBench:
    """What makes the trials of a workload."""
    if isinstance(workload, TextTask):
        return TaskBench(model, context, workload, draft)
    if isinstance(workload, Turns):
        about = partial(TurnEvent, workload=workload.name, n_turns=workload.n_turns)
        return TurnsBench(model, context, workload, lambda turn: send(about(number=turn)))
    return Bench(model, context, workload, rng)


def _trial(
    bench: Bench | TaskBench | TurnsBench,
    job: MeasureJob,
    meters: Meters,
    index: int,
    *,
    is_warm_up: bool,
) -> Trial:
    measure = bench.plan(is_warm_up=is_warm_up)
    # Behind another worker's trial the caches hold what is not ours.
    bench.prepare(is_settled=job.is_in_turns)
    timing, counted, energy = watched(measure, meters)
    return Trial(
        workload=bench.workload.name,
        index=index,
        is_warm_up=is_warm_up,
        counters=counted,
        energy=energy,
        **vars(timing),
    )
