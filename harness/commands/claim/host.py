"""The machine at hand as a place for models: its memory as it is now, its speed as predicted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness import units
from harness.analysis.speed.hardware_class import cpu_speed
from harness.analysis.verdict_predicted import Place
from harness.commands.claim.conclusion import HERE
from harness.commands.claim.table import Site
from harness.machine.memory import available_memory_bytes
from harness.machine.probe import default_threads, probe_machine
from harness.measure.runner import describe_engine
from harness.measure.speed_here import SpeedHere, memory_bytes_per_s, speed_here
from harness.schema.experiment import EngineInfo
from harness.schema.machine import Machine


@dataclass(frozen=True)
class Here:
    """The machine at hand, what it gives a model, and what to tell of its calibration."""

    machine: Machine
    site: Site
    notes: tuple[str, ...]


def look_here(results: Path | None = None) -> Here:
    """
    The machine at hand, now. Takes about a second, and another one without a calibration.

    Args:
        results: Where experiments lie that tell of its speed; None learns nothing from them.

    Raises:
        HarnessError: The engine does not start, or memory beside a GPU cannot be measured.
    """
    machine = probe_machine()
    engine = describe_engine()
    available_bytes = available_memory_bytes()
    speed = speed_here(machine, engine, default_threads(machine), results=results)
    place = _place(machine, engine, speed, available_bytes)
    title = f"{machine.cpu}; {units.memory_size(place.usable_bytes)} for a model now"
    return Here(machine, Site(HERE, title, None, place), speed.notes)


def _place(machine: Machine, engine: EngineInfo, speed: SpeedHere, available_bytes: int) -> Place:
    gpus = [device for device in engine.devices if device.is_gpu]
    if not gpus:
        return Place(available_bytes, speed.speed)
    # One GPU's memory, however many there are: what splitting costs nobody has predicted.
    gpu = max(gpus, key=lambda device: device.free_bytes)
    if gpu.kind == "igpu" or machine.gpu_limit_bytes is not None:
        # Its memory is the system's.
        limit = machine.gpu_limit_bytes or gpu.free_bytes
        return Place(min(available_bytes, limit), speed.speed)
    bandwidth = memory_bytes_per_s(machine, default_threads(machine))
    return Place(gpu.free_bytes, speed.speed, available_bytes, bandwidth, cpu_speed(bandwidth))
