"""The machine at hand as a host of models: its memory as it is now, its speed as predicted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness import units
from harness.analysis.device_memory import MemoryCapacity
from harness.analysis.speed.hardware_class import cpu_speed
from harness.analysis.speed.predict import MachineSpeed
from harness.analysis.verdict_predicted import Host
from harness.commands.claim.conclusion import HERE
from harness.commands.claim.table import NamedHost
from harness.machine.probe import default_threads, probe_machine
from harness.measure.memory import capacity_here
from harness.measure.runner import describe_engine
from harness.measure.speed_here import memory_bytes_per_s, speed_here
from harness.schema.machine import Machine


@dataclass(frozen=True)
class HostHere:
    """The machine at hand, what it gives a model, and what to tell of its calibration."""

    machine: Machine
    host: NamedHost
    notes: tuple[str, ...]


def look_here(results: Path | None = None) -> HostHere:
    """
    The machine at hand, now. Takes about a second, and another one without a calibration.

    Args:
        results: Where experiments lie that tell of its speed; None learns nothing from them.

    Raises:
        HarnessError: The engine does not start, or memory beside a GPU cannot be measured.
    """
    machine = probe_machine()
    engine = describe_engine()
    speed = speed_here(machine, engine, default_threads(machine), results=results)
    capacity = capacity_here(machine, engine.devices)
    title = f"{machine.cpu}; {units.memory_size(capacity.fast_bytes)} for a model now"
    host = NamedHost(HERE, title, None, _host(machine, capacity, speed.speed))
    return HostHere(machine, host, speed.notes)


def _host(machine: Machine, capacity: MemoryCapacity, speed: MachineSpeed | None) -> Host:
    if not capacity.slow_bytes:
        return Host(capacity, speed)
    bandwidth = memory_bytes_per_s(machine, default_threads(machine))
    return Host(capacity, speed, bandwidth, cpu_speed(bandwidth))
