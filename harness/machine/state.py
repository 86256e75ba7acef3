"""What an operating system tells about its present state, before it is judged as a whole."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class SystemState:
    """
    Power, heat and the warnings only that system can give.

    `unknown` maps a field of `Conditions` to the reason why it is None.
    """

    power_source: Literal["mains", "battery"] | None
    battery_percent: float | None
    power_mode: str | None
    thermal_pressure: str | None
    gpu_busy_percent: int | None
    warnings: tuple[str, ...] = ()
    unknown: dict[str, str] = field(default_factory=dict)
