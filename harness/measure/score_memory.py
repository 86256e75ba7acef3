"""Whether a model and its reference go into memory at once, and whether they can do without."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from harness.analysis.device_memory import SYSTEM, MemoryNeed, fits
from harness.errors import HarnessError
from harness.files import require_space
from harness.machine.memory import available_memory_bytes
from harness.measure.jobs.plan import ContextRequest, MemoryPlan, plan_memory
from harness.measure.jobs.score import ScoreSetup, Subject, n_chunks_of
from harness.measure.jobs.score_sums import spill_bytes
from harness.measure.memory import capacity_of, planned_need, together
from harness.models.digest import cache_dir
from harness.models.find import local_model
from harness.schema.figure import exact
from harness.schema.machine import Machine
from harness.units import file_size, memory_size


@dataclass(frozen=True)
class SpillPlace:
    """Where the reference's log-probabilities go meanwhile, and the sentence that says so."""

    folder: Path
    sentence: str


def spill_place(
    subject: Subject,
    reference: Subject,
    setup: ScoreSetup,
    machine: Machine,
    *,
    is_forced: bool = False,
) -> SpillPlace | None:
    """
    Where to spill to, its space checked; None where both models fit into memory.

    Args:
        subject: What is scored.
        reference: What it is set against.
        setup: On which text.
        machine: This one.
        is_forced: To spill wherever both would fit.

    Raises:
        HarnessError: There is no such folder, and none can be made.
        FetchFailed: Its disk has no space for it.
    """
    assert subject.tokenization is not None
    free_bytes = available_memory_bytes()
    if is_forced:
        why = "--spill"
    elif fits_together(subject, reference, setup, machine, free_bytes):
        return None
    else:
        why = f"both do not fit into the {memory_size(free_bytes)} of memory that are free"
    folder = cache_dir()
    with contextlib.suppress(OSError):  # what stands in the way is told by the check below
        folder.mkdir(parents=True, exist_ok=True)
    if not folder.is_dir():
        raise HarnessError(f"{folder} cannot be made; set HARNESS_CACHE to another folder")
    n_chunks = n_chunks_of(subject, setup)
    n_bytes = spill_bytes(setup.n_ctx, n_chunks, subject.tokenization.n_vocab)
    require_space(folder, n_bytes, f"keeping {n_chunks} chunks of the reference")
    return SpillPlace(
        folder,
        f"{subject.file.key} and {reference.file.key} one after the other ({why}): "
        f"{file_size(n_bytes)} of the reference's probabilities go to {folder} in half precision "
        "meanwhile",
    )


def fits_together(
    subject: Subject, reference: Subject, setup: ScoreSetup, machine: Machine, free_bytes: int
) -> bool:
    """
    Whether both models with their contexts go into the memory that is free.

    Args:
        subject: One model.
        reference: The other.
        setup: With which contexts.
        machine: This one.
        free_bytes: Of system memory.
    """
    assert subject.tokenization is not None
    assert subject.engine is not None
    n_vocab = subject.tokenization.n_vocab
    # The engine keeps the scored rows; of those a copy in doubles is worked on, piece by piece.
    logits = 2 * setup.n_ctx * n_vocab * 4
    weights = subject.file.weights_bytes + reference.file.weights_bytes
    has_gpu = any(device.is_gpu for device in subject.engine.devices)
    # Mapped weights may lie there twice, rearranged; the compute buffers are no larger than this.
    if not has_gpu and 2 * (weights + logits) < free_bytes / 2:
        return True
    plans = [_plan(each, setup) for each in (subject, reference)]
    if any(not plan.contexts or plan.contexts[0].n_ctx is None for plan in plans):
        return True  # the engine refuses one: scoring tells why
    scores = MemoryNeed(exact(logits, "bytes"), {SYSTEM: logits})
    needs = (planned_need(plan, plan.contexts[0]) for plan in plans)
    capacity = capacity_of(machine, free_bytes, plans[0].devices)
    return fits(together([*needs, scores]), capacity) == "yes"


def _plan(subject: Subject, setup: ScoreSetup) -> MemoryPlan:
    headers = local_model(subject.path, subject.file.key).headers
    return plan_memory(subject.path, headers, setup.settings, [ContextRequest(n_ctx=setup.n_ctx)])
