"""Whether a model and its reference go into memory at once, and whether they can do without."""

from __future__ import annotations

from pathlib import Path

from harness.files import require_space
from harness.measure.fits import room_of
from harness.measure.jobs.plan import MemoryPlan, plan_memory
from harness.measure.jobs.score import ScoreRequest, Subject, n_chunks_of
from harness.measure.jobs.score_sums import spill_bytes
from harness.models.headers import local_headers
from harness.schema.machine import Machine
from harness.schema.planned import SYSTEM, ContextWish, is_within, limits_of


def fits_together(
    subject: Subject, reference: Subject, request: ScoreRequest, machine: Machine, free_bytes: int
) -> bool:
    """
    Whether both models with their contexts go into the memory that is free.

    Args:
        subject: One model.
        reference: The other.
        request: With which contexts.
        machine: This one.
        free_bytes: Of system memory.
    """
    assert subject.tokenization is not None
    assert subject.engine is not None
    n_vocab = subject.tokenization.n_vocab
    # The engine keeps the scored rows; of those a copy in doubles is worked on, piece by piece.
    logits = 2 * request.n_ctx * n_vocab * 4
    weights = subject.file.weights_bytes + reference.file.weights_bytes
    has_gpu = any(device.is_gpu for device in subject.engine.devices)
    # Mapped weights may lie there twice, rearranged; the compute buffers are no larger than this.
    if not has_gpu and 2 * (weights + logits) < free_bytes / 2:
        return True
    plans = [_plan(each, request) for each in (subject, reference)]
    if any(not plan.contexts or plan.contexts[0].n_ctx is None for plan in plans):
        return True  # the engine refuses one: scoring tells why
    taken = {SYSTEM: logits}
    for plan in plans:
        for device, n_bytes in plan.taken(plan.contexts[0]).items():
            taken[device] = taken.get(device, 0) + n_bytes
    room = room_of(machine, free_bytes)
    limits = limits_of(plans[0].devices, room.free_bytes, room.gpu_limit_bytes)
    return is_within(taken, limits)


def _plan(subject: Subject, request: ScoreRequest) -> MemoryPlan:
    headers = local_headers(subject.path, subject.file.key).headers
    return plan_memory(subject.path, headers, request.settings, [ContextWish(n_ctx=request.n_ctx)])


def require_spill_space(subject: Subject, request: ScoreRequest, folder: Path) -> None:
    """
    Nothing, if the disk of `folder` can take what the reference gives.

    Raises:
        FetchFailed: It cannot.
    """
    assert subject.tokenization is not None
    n_chunks = n_chunks_of(subject, request)
    n_bytes = spill_bytes(request.n_ctx, n_chunks, subject.tokenization.n_vocab)
    require_space(folder, n_bytes, f"keeping {n_chunks} chunks of the reference")
