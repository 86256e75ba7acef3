from __future__ import annotations

import pytest
from make.records import make_machine

from harness.analysis.speed.chips import CHIPS
from harness.commands.claim.like import like
from harness.models.catalog.reference_machines import load_reference_machines

GIB = 1 << 30


@pytest.mark.parametrize(
    ("memory_gib", "chip", "name"),
    [
        (31.2, None, "laptop-32"),
        (24, None, "laptop-32"),
        (15.5, None, None),
        (64, None, None),
        (16, "M4 10c", "laptop-16"),
        (24, "M2 8c", None),
        (64, "M4 Max 40c", "macbook-64"),
        (192, "M3 Ultra 60c", "studio-192"),
        (128, "M3 Ultra 60c", "studio-96"),
        (64, "RTX 4090", "desktop-24"),
        (64, "RTX 3090", None),
        (128, "RTX 4090", None),
    ],
)
def test_a_machine_is_like_one_of_its_kind_with_about_its_memory(
    memory_gib: float, chip: str | None, name: str | None
) -> None:
    machine = make_machine(memory_bytes=int(memory_gib * GIB))
    found = like(
        machine,
        CHIPS[chip] if chip else None,
        load_reference_machines(),
        computes_on_gpu=chip is not None,
    )
    assert found == name


def test_a_gpu_that_is_in_no_table_is_like_nothing_and_an_unused_one_is_none() -> None:
    machine = make_machine(memory_bytes=32 * GIB)
    references = load_reference_machines()
    assert like(machine, None, references, computes_on_gpu=True) is None
    assert like(machine, CHIPS["RTX 4090"], references, computes_on_gpu=False) == "laptop-32"
