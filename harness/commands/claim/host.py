"""The machine at hand as a host of models: its memory as it is now, its speed as predicted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import units
from harness.analysis.speed.calibration import has_gpu
from harness.analysis.speed.hardware_class import chip_of, read_cpu_speed
from harness.analysis.speed.known_bandwidth import KnownBandwidth
from harness.analysis.verdict_predicted import Host
from harness.commands.claim.conclusion import HERE
from harness.commands.claim.like import like
from harness.commands.claim.table import NamedHost
from harness.machine.probe import default_threads, probe_machine
from harness.measure.bandwidth_here import bandwidth_here
from harness.measure.memory import capacity_here
from harness.measure.runner import describe_engine
from harness.measure.speed_here import speed_here
from harness.models.catalog.reference_machines import ReferenceMachine
from harness.schema.machine import Machine


@dataclass(frozen=True)
class HostHere:
    """
    The machine at hand, what it gives a model, and what to tell of how that is known.

    `bandwidth` is its main memory's, where something is predicted by that.
    """

    machine: Machine
    host: NamedHost
    notes: tuple[str, ...]
    bandwidth: KnownBandwidth | None = None
    computes_on_gpu: bool = False

    def like(self, references: Sequence[ReferenceMachine]) -> str | None:
        """The reference machine that it is like, if any."""
        chip = chip_of(self.machine)
        return like(self.machine, chip, references, computes_on_gpu=self.computes_on_gpu)


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
    n_threads = default_threads(machine)
    speed = speed_here(machine, engine, n_threads, results=results)
    capacity = capacity_here(machine, engine.devices)
    title = f"{machine.cpu}; {units.memory_size(capacity.fast_bytes)} for a model now"
    host, notes, bandwidth = Host(capacity, speed.speed), speed.notes, speed.bandwidth
    if capacity.slow_bytes:
        # Beside a GPU, whose own memory its speed is of.
        slow = bandwidth_here(machine, n_threads)
        bandwidth = slow.known
        notes += (*slow.notes, *bandwidth.warnings)
        host = Host(capacity, speed.speed, bandwidth.highest_bytes_per_s, read_cpu_speed(bandwidth))
    named = NamedHost(HERE, title, None, host)
    return HostHere(machine, named, notes, bandwidth, has_gpu(engine))
