"""How a Run ended, and why: a failed measurement is a result, with a reason and a sentence."""

from __future__ import annotations

from typing import Literal

from harness.schema.record import Record
from harness.schema.request import RequestReason
from harness.schema.workload import WorkloadName

EngineReason = Literal[
    "aborted",
    "crashed",
    "killed",
    "hung",
    "interrupted",
    "model-invalid",
    "architecture-unknown",
    "context-too-large",
    "context-failed",
    "out-of-memory",
    "decode-failed",
    "settings-invalid",
    "worker-error",
]
"""Why the engine, or the process it is in, did not do what it was to do."""

Reason = EngineReason | RequestReason
"""The same of whoever was asked: the engine, or a server."""


class Outcome(Record):
    """How a Run ended. A failure has a reason, and a sentence a person understands."""

    status: Literal["ok", "failed"]
    reason: Reason | None = None
    message: str | None = None
    exit_code: int | None = None
    log_tail: tuple[str, ...] = ()


class CaseFailure(Record):
    """A workload that could not be measured in a Run that otherwise went on."""

    workload: WorkloadName
    reason: Reason
    message: str
