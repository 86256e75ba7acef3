"""Which reference machine the machine at hand is like: what is said of that holds here too."""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness.analysis.speed.chips import Chip
from harness.models.catalog.reference_machines import ReferenceMachine
from harness.schema.machine import MachineFacts, installed_bytes

_GIB = 1 << 30
# Sizes that are sold lie a third or more apart (16, 24, 32, 48, 64): of two the nearer counts.
_MOST_APART = 1.34


def like(
    machine: MachineFacts,
    chip: Chip | None,
    references: Sequence[ReferenceMachine],
    *,
    computes_on_gpu: bool,
) -> str | None:
    """
    The name of the one that has the same kind of chip and about as much memory; None without one.

    Args:
        machine: The machine at hand.
        chip: Its GPU in the table of chips, if it is there.
        references: Those it may be like.
        computes_on_gpu: Whether the engine would use it.
    """
    if machine.memory_bytes is None or (computes_on_gpu and chip is None):
        return None
    kind = chip.kind if chip and computes_on_gpu else "cpu"
    memory_gib = installed_bytes(machine.memory_bytes) / _GIB
    found = [
        (abs(math.log(memory_gib / each.memory_gib)), each.name)
        for each in references
        if each.machine_class == kind and (kind != "nvidia" or (chip and chip.name == each.chip))
    ]
    near = [pair for pair in found if pair[0] <= math.log(_MOST_APART)]
    return min(near)[1] if near else None
