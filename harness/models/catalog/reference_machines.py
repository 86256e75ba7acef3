"""The machines that `harness claim` judges models for, from data/reference_machines.yaml."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from harness.errors import UsageError
from harness.models.catalog.file import parse_record, read_catalog_text
from harness.models.catalog.names import REFERENCE_MACHINES
from harness.models.catalog.spec import refuse_repeats
from harness.schema.record import Record

_GIB = 1 << 30


class ReferenceMachine(Record):
    """
    A machine that is not here.

    `usable_gib` is what a model can have in the memory whose nominal speed is
    `bandwidth_gb_per_s` (decimal). Beside a graphics card `system_usable_gib` more lie behind
    `system_bandwidth_gb_per_s`. `chip`, `machine_class` and `family` are
    the predictor's words (analysis/speed/chips.py); a CPU has only the class.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    title: Annotated[str, Field(min_length=1)]
    machine_class: Literal["apple-base", "apple-max", "apple-ultra", "nvidia", "cpu"]
    family: Literal["apple", "ada"] | None = None
    chip: Annotated[str, Field(min_length=1)] | None = None
    is_consumer: bool
    memory_gib: PositiveInt
    usable_gib: PositiveFloat
    bandwidth_gb_per_s: PositiveFloat
    fp32_tflops: PositiveFloat | None = None
    system_usable_gib: PositiveFloat | None = None
    system_bandwidth_gb_per_s: PositiveFloat | None = None
    sources: Annotated[tuple[str, ...], Field(min_length=1)]

    @property
    def usable_bytes(self) -> int:
        """What a model can have at full speed."""
        return int(self.usable_gib * _GIB)

    @property
    def system_usable_bytes(self) -> int:
        """What more it can have in slower memory; 0 where all memory is one."""
        return int((self.system_usable_gib or 0) * _GIB)

    @model_validator(mode="after")
    def _memory_adds_up(self) -> Self:
        if (self.system_usable_gib is None) != (self.system_bandwidth_gb_per_s is None):
            raise ValueError("system_usable_gib and system_bandwidth_gb_per_s belong together")
        if max(self.usable_gib, self.system_usable_gib or 0) > self.memory_gib:
            raise ValueError("more is usable than there is")
        of_gpu = (self.family, self.chip, self.fp32_tflops)
        if (None in of_gpu) if self.machine_class != "cpu" else of_gpu != (None, None, None):
            raise ValueError("a GPU, and only a GPU, has family, chip and fp32_tflops")
        return self


class _Machines(Record):
    schema_version: Annotated[Literal[1], Field(alias="schema")]
    machines: Annotated[tuple[ReferenceMachine, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        refuse_repeats([machine.name for machine in self.machines])
        return self


def load_reference_machines() -> tuple[ReferenceMachine, ...]:
    """
    All of them, in the order of the file.

    Raises:
        HarnessError: The file is missing or wrong; the message names line and key.
    """
    text = read_catalog_text(REFERENCE_MACHINES, "install harness again")
    return parse_record(_Machines, text, str(REFERENCE_MACHINES)).machines


def chosen(
    machines: Sequence[ReferenceMachine], names: Sequence[str]
) -> tuple[ReferenceMachine, ...]:
    """
    Those of `machines` that `names` name, in their own order; all of them without names.

    Raises:
        UsageError: No such machine; the message offers the nearest.
    """
    known = [machine.name for machine in machines]
    for name in names:
        if name.lower() not in known:
            near = difflib.get_close_matches(name.lower(), known, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise UsageError(f"no machine is called {name!r}: {hint}Known: {', '.join(known)}")
    wanted = {name.lower() for name in names} or set(known)
    return tuple(machine for machine in machines if machine.name in wanted)
