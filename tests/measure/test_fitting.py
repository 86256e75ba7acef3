"""Fits, limits and hints, on plans made by hand; the planner itself is tested in test_planning."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from make.records import CPU, GPU, make_machine

from harness.analysis.device_memory import (
    Limit,
    MemoryCapacity,
    device_of,
    is_within,
    limits_of,
    weights_by_device,
)
from harness.measure import fitting
from harness.measure.fitting import context_lengths, fit_model
from harness.measure.hints import hints
from harness.measure.jobs.plan import ContextRequest, MemoryPlan, PlannedContext
from harness.measure.memory import ModelFit, capacity_of, judged
from harness.models.find import find, local_model
from harness.models.model import Model
from harness.schema.experiment import EngineInfo
from harness.schema.machine import Device
from harness.schema.outcome import Outcome
from harness.schema.planned import PlannedBuffer
from harness.schema.settings import Settings

GB = 1_000_000_000
SETTINGS = Settings(n_threads=2)


# ------------------------------------------------------------------ devices and limits


@pytest.mark.parametrize(
    ("buffer", "device"),
    [
        ("CPU", "CPU"),
        ("CPU_Mapped", "CPU"),
        ("CPU_REPACK", "CPU"),
        ("AMX", "CPU"),
        ("CUDA0", "CUDA0"),
        ("CUDA1", "CUDA1"),
        ("CUDA10", "CUDA10"),
        ("CUDA_Host", "CPU"),
        ("MTL0_Mapped", "MTL0"),
    ],
)
def test_a_buffer_lies_on_the_device_it_is_named_after(buffer: str, device: str) -> None:
    assert device_of(buffer, ["CPU", "CUDA0", "CUDA1", "CUDA10", "MTL0"]) == device


def test_a_card_of_its_own_is_limited_apart_from_system_memory() -> None:
    limits = limits_of([CPU, GPU], 20 * GB)
    assert limits == (
        Limit(devices=("CPU",), n_bytes=20 * GB),
        Limit(devices=("CUDA0",), n_bytes=GPU.free_bytes),
    )


def test_on_a_mac_both_share_the_memory_and_the_gpu_has_its_working_set() -> None:
    metal = GPU.model_copy(update={"name": "MTL0"})
    limits = limits_of([metal, CPU], 30 * GB, gpu_limit_bytes=24 * GB)
    assert limits == (
        Limit(devices=("CPU", "MTL0"), n_bytes=30 * GB),
        Limit(devices=("MTL0",), n_bytes=24 * GB),
    )
    assert not is_within({"MTL0": 25 * GB}, limits)
    assert not is_within({"MTL0": 20 * GB, "CPU": 11 * GB}, limits)
    assert is_within({"MTL0": 20 * GB, "CPU": 10 * GB}, limits)


def test_an_integrated_gpu_takes_from_system_memory() -> None:
    shared = GPU.model_copy(update={"name": "Vulkan0", "kind": "igpu"})
    assert limits_of([shared, CPU], 10 * GB) == (
        Limit(devices=("CPU", "Vulkan0"), n_bytes=10 * GB),
    )


def test_a_tensor_in_two_buffers_is_counted_in_both() -> None:
    places = {"CPU": ("token_embd.weight",), "CUDA0": ("token_embd.weight", "blk.0.x.weight")}
    sizes = {"token_embd.weight": 100, "blk.0.x.weight": 10}
    assert weights_by_device(places, sizes, ["CPU", "CUDA0"]) == {"CPU": 100, "CUDA0": 110}
    assert weights_by_device({}, sizes, ["CPU", "CUDA0"]) == {"CPU": 110}


def test_room_respects_a_container() -> None:
    room = capacity_of(make_machine(memory_limit_bytes=2 * GB), 5 * GB)
    assert (room.free_bytes, room.total_bytes) == (2 * GB, 2 * GB)


@pytest.mark.parametrize(
    ("trained", "asked", "expected"),
    [
        (131_072, (), (4096, 8192, 32_768, 131_072)),
        (40_960, (), (4096, 8192, 32_768)),
        (2048, (), (2048,)),
        (None, (), (4096, 8192, 32_768, 131_072)),
        (2048, (512, 9000), (512, 9000)),
    ],
)
def test_contexts_go_up_to_what_the_model_was_trained_for(
    trained: int | None, asked: Sequence[int], expected: Sequence[int]
) -> None:
    assert context_lengths(trained, asked) == tuple(expected)


@given(
    st.dictionaries(st.sampled_from(["CPU", "CUDA0"]), st.integers(0, 1 << 40)),
    st.integers(0, 1 << 40),
    st.integers(0, 1 << 40),
)
def test_what_fits_into_some_memory_fits_into_more(
    taken: dict[str, int], limit: int, more: int
) -> None:
    if is_within(taken, limits_of([CPU], limit)):
        assert is_within(taken, limits_of([CPU], limit + more))


# ------------------------------------------------------------------ what would help


def context(n_ctx: int, n_bytes: int, device: str = "CPU", cache: str = "f16") -> PlannedContext:
    request = ContextRequest(n_ctx=n_ctx, type_k=cache, type_v=cache)
    buffers = (PlannedBuffer(device=device, kind="kv", n_bytes=n_bytes),)
    return PlannedContext(request=request, n_ctx=n_ctx, buffers=buffers)


def largest(n_ctx: int | None, cache: str = "f16") -> PlannedContext:
    request = ContextRequest(n_ctx=131_072, type_k=cache, type_v=cache)
    return PlannedContext(request=request, is_largest=True, n_ctx=n_ctx)


def engine(*devices: Device) -> EngineInfo:
    return EngineInfo(
        binding="llama-cpp-python",
        binding_version="0.3.36",
        library_version="",
        library_commit="",
        system_info="",
        supports_gpu_offload=len(devices) > 1,
        devices=devices,
    )


@pytest.fixture
def found(tiny_model: Path) -> Model:
    return local_model(tiny_model, "tiny")


def fitted(
    monkeypatch: pytest.MonkeyPatch,
    found: Model,
    plan: MemoryPlan | Callable[[Settings], MemoryPlan],
    room: MemoryCapacity,
) -> ModelFit:
    """The fit of a model of which `plan` is the plan, whatever the settings or by them."""

    def planned(_path: Path, _headers: object, settings: Settings, *_: object, **__: object) -> Any:
        return plan(settings) if callable(plan) else plan

    monkeypatch.setattr(fitting, "plan_memory", planned)
    return fit_model(found, SETTINGS, room, lengths=[512])


def test_what_fits_needs_no_hint(monkeypatch: pytest.MonkeyPatch, found: Model) -> None:
    plan = MemoryPlan(
        Outcome(status="ok"),
        engine(CPU),
        {"CPU": 4 * GB},
        4 * GB,
        (context(512, GB),),
        (largest(8192), largest(8192, "q8_0")),
    )
    fit = fitted(monkeypatch, found, plan, MemoryCapacity(8 * GB, 16 * GB))
    assert [each.fits for each in fit.contexts] == ["yes"]
    assert (fit.hints, len(fit.largest)) == ((), 1)


def test_a_rearranged_copy_that_does_not_fit_beside_the_file_is_told(
    monkeypatch: pytest.MonkeyPatch, found: Model
) -> None:
    plan = MemoryPlan(
        Outcome(status="ok"),
        engine(CPU),
        {"CPU": 4 * GB},
        7 * GB,
        (context(512, GB),),
        (largest(8192), largest(8192, "q8_0")),
    )
    (hint,) = fitted(monkeypatch, found, plan, MemoryCapacity(7 * GB, 16 * GB)).hints
    assert hint.startswith("--load-mode none: mapped, 3.0 GB of weights are in memory twice")


def test_a_model_that_is_too_large_is_told_to_take_a_compact_cache_or_wait(
    monkeypatch: pytest.MonkeyPatch, found: Model
) -> None:
    plan = MemoryPlan(
        Outcome(status="ok"),
        engine(CPU),
        {"CPU": 4 * GB},
        4 * GB,
        (context(512, 5 * GB),),
        (largest(256), largest(4096, "q8_0")),
    )
    fit = fitted(monkeypatch, found, plan, MemoryCapacity(8 * GB, 16 * GB))
    assert [each.fits for each in fit.contexts] == ["when-freed"]
    assert "close other programs" in fit.hints[0]
    assert "-ctk q8_0 -ctv q8_0" in fit.hints[1]
    assert "4096 positions" in fit.hints[1]


def on_card(
    settings: Settings, n_layer: int, layer: int, experts: int, card_bytes: int = 3 * GB
) -> MemoryPlan:
    """`n_layer` layers of `layer` bytes, `experts` of them of experts, and 1 GB of cache."""
    n_gpu = n_layer if settings.n_gpu_layers == -1 else min(settings.n_gpu_layers, n_layer)
    # As the engine: layers go to the GPU from the last one on, experts leave it from the first on.
    n_moved = max(0, settings.n_cpu_moe - (n_layer - n_gpu))
    on_gpu = n_gpu * layer - n_moved * experts
    card = GPU.model_copy(update={"free_bytes": card_bytes, "total_bytes": card_bytes})
    return MemoryPlan(
        Outcome(status="ok"),
        engine(card, CPU),
        {"CUDA0": on_gpu, "CPU": n_layer * layer - on_gpu + GB},
        n_layer * layer + GB,
        (context(512, GB, "CUDA0"),),
        (largest(None), largest(None, "q8_0")),
    )


def test_a_card_that_is_too_small_is_given_as_many_layers_as_the_planner_finds_to_fit(
    monkeypatch: pytest.MonkeyPatch, found: Model
) -> None:
    # 5 GB are wanted where 3 GB are, and 1 GB of it stays whatever is moved.
    n_layer = found.file.n_layer
    assert n_layer == 4

    def plan(settings: Settings) -> MemoryPlan:
        return on_card(settings, 4, GB, 0)

    fit = fitted(monkeypatch, found, plan, MemoryCapacity(30 * GB, 32 * GB))
    assert [each.fits for each in fit.contexts] == ["split"]
    assert fit.hints[0] == "2 of 4 layers on the GPU, the rest in system memory: -ngl 2"


def test_no_layers_are_moved_to_a_system_memory_that_has_no_room_for_them(
    monkeypatch: pytest.MonkeyPatch, found: Model
) -> None:
    fit = fitted(monkeypatch, found, lambda s: on_card(s, 4, GB, 0), MemoryCapacity(2 * GB, 2 * GB))
    assert not any("-ngl" in hint for hint in fit.hints)


GPT_OSS = find("gpt-oss-20b", asks_hub=False)
EXPERTS = sum(
    tensor.n_bytes
    for header in GPT_OSS.headers
    for tensor in header.tensors
    if tensor.name.startswith("blk.0.") and "_exps." in tensor.name
)


@given(st.integers(GB, 16 * GB), st.integers(0, EXPERTS))
def test_experts_that_are_moved_are_as_few_as_it_takes(card_bytes: int, beside: int) -> None:
    n_layer = GPT_OSS.file.n_layer
    assert n_layer == 24

    def plan_of(settings: Settings, _: object = None) -> MemoryPlan:
        return on_card(settings, n_layer, EXPERTS + beside, EXPERTS, card_bytes)

    plan = plan_of(SETTINGS)
    room = MemoryCapacity(64 * GB, 64 * GB, devices=plan.devices)
    contexts = tuple(judged(each, plan, room) for each in plan.contexts)
    told = [*hints(ModelFit(GPT_OSS, SETTINGS, room, plan, contexts, ()), None, plan_of), ""][0]
    excess = GB + n_layer * (EXPERTS + beside) - card_bytes
    n_least = -(-excess // EXPERTS)
    if 0 < n_least <= n_layer:
        assert told == (f"the experts of {n_least} of 24 layers in system memory: -ncmoe {n_least}")
    else:
        assert "-ncmoe" not in told


def test_the_smaller_variant_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    found = find("gemma-3-4b-it:Q4_K_M", asks_hub=False)
    n_bytes = found.file.weights_bytes
    plan = MemoryPlan(
        Outcome(status="ok"),
        engine(CPU),
        {"CPU": 50 * n_bytes},
        50 * n_bytes,
        (context(512, GB),),
        (largest(None), largest(None, "q8_0")),
    )
    fit = fitted(monkeypatch, found, plan, MemoryCapacity(6 * GB, 6 * GB))
    assert [each.fits for each in fit.contexts] == ["no"]
    assert fit.hints == ("the smaller variant gemma-3-4b-it:Q4_0",)
    hopeless = fitted(monkeypatch, found, plan, MemoryCapacity(GB, GB))
    assert hopeless.hints == (
        "no variant of it in the catalogue is small enough for the memory that is free",
    )


def test_a_context_beyond_what_the_model_was_trained_for_is_refused_and_not_planned(
    found: Model,
) -> None:
    fit = fit_model(
        found, SETTINGS, MemoryCapacity(8 * GB, 8 * GB), lengths=[8193, 512, 4_000_000_000]
    )
    told = [(each.context.request.n_ctx, each.fits, each.context.reason) for each in fit.contexts]
    assert told == [
        (8193, None, "context-too-large"),
        (512, "yes", None),
        (4_000_000_000, None, "context-too-large"),
    ]
    assert "8192 positions" in (fit.contexts[0].context.message or "")
