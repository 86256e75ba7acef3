from __future__ import annotations

from typing import Any

import pytest
from make.records import make_machine

from harness.schema.machine import Accelerator, Machine, MachineFacts


def test_a_containers_limit_binds_what_programs_may_take() -> None:
    assert make_machine(memory_bytes=8 << 30).usable_bytes == 8 << 30
    assert make_machine(memory_bytes=8 << 30, memory_limit_bytes=2 << 30).usable_bytes == 2 << 30
    assert make_machine(memory_bytes=8 << 30, memory_limit_bytes=9 << 30).usable_bytes == 8 << 30
    assert MachineFacts(id="a", cpu="b").usable_bytes is None


BLIND = {
    "id": "bbbbbbbbbb",
    "model": None,
    "n_cores_physical": None,
    "core_levels": (),
    "last_level_cache_bytes": None,
}
CARD = Accelerator(name="RTX 4090", vendor="NVIDIA", memory_bytes=24 << 30)


def agree(one: Machine, other: Machine) -> bool:
    """The same answer, whichever is asked."""
    assert one.is_same_as(other) == other.is_same_as(one)
    return one.is_same_as(other)


def test_a_machine_that_is_told_less_of_is_still_the_same() -> None:
    full = make_machine(model="ASUS Zenbook", accelerators=(CARD,))
    assert agree(full, make_machine(**BLIND))
    assert agree(full, make_machine(**BLIND, accelerators=(CARD,)))
    # A kernel's update changes how much of the memory is told.
    assert agree(full, make_machine(**BLIND, memory_bytes=full.memory_bytes - (100 << 20)))
    assert full.untold_beside(make_machine(**BLIND)) == (
        "model",
        "number of physical cores",
        "last level cache",
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"memory_bytes": 48_000 << 20},
        {"cpu": "AMD EPYC 9654"},
        {"arch": "aarch64"},
        {"n_cores_logical": 4},
        {"accelerators": (CARD,)},
    ],
)
def test_what_every_kernel_shows_tells_machines_apart(changes: dict[str, Any]) -> None:
    assert not agree(make_machine(), make_machine(**BLIND | changes))


def test_of_what_both_are_told_all_must_agree() -> None:
    blind = make_machine(**BLIND | {"model": "ASUS Zenbook"})
    assert agree(make_machine(), blind)
    assert not agree(make_machine(model="Dell XPS"), blind)


def test_where_nothing_is_untold_the_id_decides() -> None:
    assert not agree(make_machine(), make_machine(id="aaaaaaaaaa"))
    other = MachineFacts(id="3f2a91c04d", cpu="of another program")
    assert make_machine().is_same_as(other)
    assert not make_machine(id="a").is_same_as(other)
