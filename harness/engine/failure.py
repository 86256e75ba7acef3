"""What the engine's refusal looks like to the rest of the worker."""

from __future__ import annotations

from harness.schema.outcome import Reason


class EngineFailed(Exception):
    """The engine refused. `reason` is for programs, the message for people."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason: Reason = reason
