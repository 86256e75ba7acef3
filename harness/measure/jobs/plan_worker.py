"""
Planning in the worker: the engine lays out contexts on a model whose weights it never reads.

The library aborts on some damaged files, so this too happens in a process of its own.
"""

from __future__ import annotations

from harness.analysis.device_memory import added, is_within, limits_of, weights_by_device
from harness.engine.failure import EngineFailed
from harness.engine.library import Engine
from harness.engine.model import Model, load_model
from harness.measure.jobs.plan import (
    ContextRequest,
    PlanJob,
    PlannedContext,
    PlannedContextEvent,
    PlannedModelEvent,
)
from harness.measure.jobs.plan_each import NextPlanEvent, PlanEachJob, PlanRefusedEvent
from harness.measure.protocol import Send

_STEP = 256  # llama-context.cpp makes every context a multiple of it


def plan_job(engine: Engine, job: PlanJob, send: Send) -> None:
    """
    Everything that `job` asks for, each answer sent as soon as it is there.

    Raises:
        EngineFailed: Damaged file, unknown architecture, no such device.
    """
    model = load_model(engine, job.model_path, job.settings, kind=job.kind, only_plans=True)
    tensors = dict(model.tensors_by_buffer())
    send(PlannedModelEvent(tensors=tensors, n_ctx_train=model.n_ctx_train))
    planner = _Planner(model, job)
    for request in job.contexts:
        send(PlannedContextEvent(context=planner.planned(request)))
    for request in job.largest:
        send(PlannedContextEvent(context=planner.largest(request)))
    model.close()


def plan_each_job(engine: Engine, job: PlanEachJob, send: Send) -> None:
    """The same of each of several models; one that the engine refuses is told, and passed over."""
    for each in job.plans:
        send(NextPlanEvent())
        try:
            plan_job(engine, each, send)
        except EngineFailed as failure:
            send(PlanRefusedEvent(reason=failure.reason, message=str(failure)))


class _Planner:
    """Contexts of one model, one after the other."""

    def __init__(self, model: Model, job: PlanJob) -> None:
        self._model = model
        self._settings = job.settings
        devices = model.engine.ggml.devices()
        self._devices = [device.name for device in devices]
        self._limits = limits_of(devices, job.system_bytes, job.gpu_limit_bytes)
        tensors = model.tensors_by_buffer()
        self._weights = weights_by_device(tensors, job.tensor_bytes, self._devices)

    def planned(self, request: ContextRequest) -> PlannedContext:
        """The context that `request` asks for, or why the engine refuses it."""
        settings = self._settings.model_copy(
            update={"type_k": request.type_k, "type_v": request.type_v}
        )
        try:
            with self._model.context(
                request.n_ctx,
                settings,
                n_sequences=request.n_sequences,
                is_shared=request.is_shared,
            ) as context:
                return PlannedContext(
                    request=request,
                    n_ctx=context.n_ctx,
                    buffers=self._model.engine.planned_buffers(),
                )
        except EngineFailed as failure:
            return PlannedContext(
                request=request, n_ctx=None, reason=failure.reason, message=str(failure)
            )

    def largest(self, request: ContextRequest) -> PlannedContext:
        """
        The largest context within the limits, of the types and up to the length of `request`.

        Bisection, for memory only grows with a context.
        """
        if not is_within(self._weights, self._limits):
            return PlannedContext(request=request, is_largest=True, n_ctx=None)
        best = self.planned(request)
        if best.n_ctx is None or self._is_within(best):
            return best.model_copy(update={"is_largest": True})
        best = PlannedContext(request=request, n_ctx=None)
        fitting, failing = 0, -(-request.n_ctx // _STEP)
        while failing - fitting > 1:
            middle = (fitting + failing) // 2
            tried = self.planned(request.model_copy(update={"n_ctx": middle * _STEP}))
            if tried.n_ctx is not None and self._is_within(tried):
                fitting, best = middle, tried
            else:
                failing = middle
        return best.model_copy(update={"request": request, "is_largest": True})

    def _is_within(self, context: PlannedContext) -> bool:
        taken = added(self._weights, context.buffers, self._devices)
        return is_within(taken, self._limits)
