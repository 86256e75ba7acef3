"""Where an experiment stands among those of a fleet: several machines measured by one plan."""

from __future__ import annotations

from pydantic import Field

from harness.schema.record import Record


class FleetPart(Record):
    """
    One machine's part in what a fleet measured.

    An experiment is of one machine, so a fleet's are as many, tied together by `id`: it is drawn
    when a plan is begun, and stays when that is gone on with. `host` is what the machine is called
    where the plan was begun.

    `plan_sha256` tells whether a plan is the same; None where that is not known.
    `clock_offset_ns` is how far the machine's clock was ahead of the one there.
    """

    id: str
    plan_sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    host: str
    clock_offset_ns: int | None = None
