"""Whether what a model needs goes into what a machine has."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from make.records import CPU, GPU

from harness.analysis.device_memory import Fits, MemoryCapacity, MemoryNeed, fits
from harness.schema.figure import exact

GB = 1_000_000_000
CARD = GPU.model_copy(update={"free_bytes": 7 * GB, "total_bytes": 8 * GB})
METAL = GPU.model_copy(update={"name": "MTL0"})
SHARED = GPU.model_copy(update={"name": "Vulkan0", "kind": "igpu"})

PLAIN = MemoryCapacity(8 * GB, 16 * GB)
MACHINES = {
    "plain": PLAIN,
    "card": replace(PLAIN, devices=(CARD, CPU)),
    "two cards": replace(PLAIN, devices=(CARD, CARD.model_copy(update={"name": "CUDA1"}), CPU)),
    "mac": MemoryCapacity(30 * GB, 32 * GB, 24 * GB, (METAL, CPU)),
    "shared": replace(PLAIN, devices=(SHARED, CPU)),
}
BYTES = st.integers(0, 64 * GB)


def need(n_bytes: int, device: str | None = None) -> MemoryNeed:
    return MemoryNeed(exact(n_bytes, "bytes"), {device: n_bytes} if device else {})


@pytest.mark.parametrize(
    ("machine", "fast", "slow"),
    [("plain", 8, 0), ("card", 7, 8), ("two cards", 14, 8), ("mac", 24, 6), ("shared", 8, 0)],
)
def test_what_a_model_can_have_is_the_gpus_and_beside_it_the_systems(
    machine: str, fast: int, slow: int
) -> None:
    capacity = MACHINES[machine]
    assert (capacity.fast_bytes, capacity.slow_bytes) == (fast * GB, slow * GB)


@pytest.mark.parametrize(
    ("machine", "n_gb", "device", "expected"),
    [
        ("plain", 8, "CPU", "yes"),
        ("plain", 9, "CPU", "when-freed"),
        ("plain", 17, "CPU", "no"),
        ("card", 7, "CUDA0", "yes"),
        ("card", 8, "CUDA0", "when-freed"),
        ("card", 15, "CUDA0", "split"),
        ("card", 16, "CUDA0", "no"),
        ("card", 16, "CPU", "when-freed"),
        ("mac", 24, "MTL0", "yes"),
        ("mac", 30, "MTL0", "split"),
        ("shared", 8, "Vulkan0", "yes"),
        ("shared", 16, "Vulkan0", "when-freed"),
    ],
)
def test_it_fits_now_or_when_freed_or_in_part_or_not_at_all(
    machine: str, n_gb: int, device: str, expected: Fits
) -> None:
    assert fits(need(n_gb * GB, device), MACHINES[machine]) == expected


@pytest.mark.parametrize(
    ("machine", "device"),
    [("plain", "CPU"), ("card", "CUDA0"), ("mac", "MTL0"), ("shared", "Vulkan0")],
)
@given(n_bytes=BYTES)
def test_an_estimate_is_judged_as_if_it_lay_where_the_engine_puts_a_model(
    machine: str, device: str, n_bytes: int
) -> None:
    capacity = MACHINES[machine]
    assert fits(need(n_bytes), capacity) == fits(need(n_bytes, device), capacity)


@given(st.sampled_from(sorted(MACHINES)), BYTES, BYTES)
def test_what_needs_less_never_fits_worse(machine: str, one: int, other: int) -> None:
    order = ("yes", "when-freed", "split", "no")
    less, more = sorted((one, other))
    capacity = MACHINES[machine]
    assert order.index(fits(need(less), capacity)) <= order.index(fits(need(more), capacity))
