"""What models need of this machine's memory, and why it does not suffice."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from make.records import CPU, GPU, make_machine

from harness.analysis.device_memory import MemoryCapacity, MemoryNeed
from harness.measure import memory
from harness.measure.jobs.plan import ContextRequest, PlannedContext
from harness.measure.memory import ContextFit, ModelFit, capacity_of, plan_workloads, shortage
from harness.models.find import local_model
from harness.schema.figure import exact
from harness.schema.settings import Settings

GIB = 1 << 30
CARD = GPU.model_copy(update={"free_bytes": 7 * GIB, "total_bytes": 8 * GIB})


def need(**by_device: int) -> MemoryNeed:
    taken = {name: n * GIB for name, n in by_device.items()}
    return MemoryNeed(exact(sum(taken.values()), "bytes"), taken)


def test_a_machine_gives_no_more_than_its_container_may_have() -> None:
    capacity = capacity_of(make_machine(memory_limit_bytes=2 * GIB), 5 * GIB)
    assert (capacity.free_bytes, capacity.total_bytes) == (2 * GIB, 2 * GIB)


@pytest.mark.parametrize(
    ("taken", "why"),
    [
        ({"CPU": 8}, None),
        ({"CUDA0": 7, "CPU": 8}, None),
        ({"CPU": 9}, "it needs 9.00 GiB of memory and 8.00 GiB are free"),
        (
            {"CUDA0": 9, "CPU": 1},
            "it needs 9.00 GiB of memory on CUDA0 and 7.00 GiB are free",
        ),
    ],
)
def test_what_is_short_is_said_with_where(taken: dict[str, int], why: str | None) -> None:
    capacity = MemoryCapacity(8 * GIB, 16 * GIB, devices=(CARD, CPU))
    assert shortage(need(**taken), capacity) == why


def test_an_estimate_is_short_of_the_fastest_memory() -> None:
    capacity = MemoryCapacity(8 * GIB, 16 * GIB, devices=(CARD, CPU))
    estimate = MemoryNeed(exact(9 * GIB, "bytes"))
    assert shortage(estimate, capacity) == "it needs 9.00 GiB of memory and 7.00 GiB are free"


@pytest.mark.parametrize(
    ("n_positions", "needed"), [(0, None), (512, None), (4096, 9), (8192, 20), (100_000, 20)]
)
def test_a_workload_is_short_of_memory_by_the_context_that_holds_it(
    n_positions: int, needed: int | None
) -> None:
    contexts = tuple(
        ContextFit(
            PlannedContext(request=ContextRequest(n_ctx=n_ctx, type_k="f16"), n_ctx=n_ctx),
            need(CPU=n_gib),
            None,
        )
        for n_ctx, n_gib in ((8192, 20), (512, 4), (4096, 9))
    )
    capacity = MemoryCapacity(8 * GIB, 16 * GIB)
    fitted: Any = SimpleNamespace(contexts=contexts, capacity=capacity)
    why = ModelFit.shortage_at(fitted, n_positions)
    assert (why is None) == (needed is None)
    assert why is None or why.startswith(f"it needs {needed}.")


@pytest.mark.parametrize("n_ctx", [None, 1024])
def test_a_plan_is_of_the_contexts_that_the_worker_will_make(
    monkeypatch: pytest.MonkeyPatch, tiny_model: Path, n_ctx: int | None
) -> None:
    planned: list[int] = []
    monkeypatch.setattr(
        memory, "plan_memory", lambda *given: planned.extend(it.n_ctx for it in given[3])
    )
    settings = Settings(n_threads=2, n_ctx=n_ctx)
    model = local_model(tiny_model, "tiny")
    plan_workloads(tiny_model, model, settings, ("pp512", "tg128", "chat", "tg16@d496"))
    assert planned == ([1024] if n_ctx else [128, 512, 2048])


def test_workloads_of_as_many_sequences_share_a_planned_context(
    monkeypatch: pytest.MonkeyPatch, tiny_model: Path
) -> None:
    planned: list[tuple[int, int]] = []
    monkeypatch.setattr(
        memory,
        "plan_memory",
        lambda *given: planned.extend((it.n_sequences, it.n_ctx) for it in given[3]),
    )
    names = ("tg128x2", "pp200x2", "tg128x4", "pp1024", "tg128x4@d256")
    plan_workloads(tiny_model, local_model(tiny_model, "tiny"), Settings(n_threads=2), names)
    assert planned == [(1, 1024), (2, 512), (4, 1024), (4, 2048)]
