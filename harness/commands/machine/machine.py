"""What this machine is, how it stands now, and what its speed is calibrated by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harness.analysis.speed.calibration import Calibration, has_gpu, joined, staleness
from harness.analysis.speed.known_bandwidth import KnownBandwidth
from harness.errors import MachineBusy
from harness.machine.conditions import read_conditions
from harness.machine.energy.meters import Idle, read_idle
from harness.machine.probe import default_threads, probe_machine
from harness.measure.bandwidth_here import read_now
from harness.measure.calibrate import calibrate
from harness.measure.lock import machine_held
from harness.measure.runner import describe_engine
from harness.measure.speed_here import load_calibration, save_calibration
from harness.schema.experiment import EngineInfo
from harness.schema.machine import BandwidthSample, Conditions, Machine


@dataclass(frozen=True)
class MachineRequest:
    """`is_forced` calibrates although other programs use the machine."""

    is_calibrating: bool
    is_forced: bool


@dataclass(frozen=True)
class MachineResult:
    """
    The machine at hand, now.

    Attributes:
        machine: Hardware, the same from one look to the next.
        conditions: What may differ: power, memory available, load, warnings.
        bandwidth: Read speed of main memory, sampled now.
        engine: The build that measures here, with its devices.
        default_threads: As many as are measured with unless others are asked for.
        calibration: What --calibrate measured; null if there is none.
        stale: Why the calibration is not used; null where it is.
        energy: Which sources tell of energy, what they counted in a short rest, and why others
            tell nothing.
        known_bandwidth: The best reading of main memory so far, by which speeds are predicted where
            nothing is calibrated.
        notes: What surprises in the new reading, or files of readings that cannot be read.
    """

    machine: Machine
    conditions: Conditions
    bandwidth: BandwidthSample
    engine: EngineInfo
    default_threads: int
    calibration: Calibration | None
    stale: str | None
    energy: Idle
    known_bandwidth: KnownBandwidth
    notes: tuple[str, ...] = ()


Tell = Callable[[str], None]


def look(request: MachineRequest, tell: Tell, warn: Tell) -> MachineResult:
    """
    The machine as it is now, calibrated first if that is asked for.

    Args:
        request: What is asked for.
        tell: Is told how far it is.
        warn: Is told what happened to an earlier calibration or reading of the memory.

    Raises:
        MachineBusy: It is to be calibrated, and something uses it.
    """
    machine = probe_machine()
    conditions = read_conditions(machine)
    n_threads = default_threads(machine)
    engine = describe_engine()
    energy = read_idle()
    if request.is_calibrating:
        if conditions.warnings and not request.is_forced:
            raise MachineBusy(
                "This is no moment to calibrate: "
                f"{' '.join(conditions.warnings)} Or calibrate as it is with --force."
            )
        _calibrate(machine, engine, n_threads, tell, warn)
    bandwidth, here = read_now(machine, n_threads)
    for note in here.notes:
        warn(note)
    calibration = load_calibration(machine, is_gpu=has_gpu(engine))
    stale = staleness(calibration, machine, engine, n_threads) if calibration else None
    return MachineResult(
        machine=machine,
        conditions=conditions,
        bandwidth=bandwidth,
        engine=engine,
        default_threads=n_threads,
        calibration=calibration,
        stale=stale,
        energy=energy,
        known_bandwidth=here.known,
        notes=here.notes,
    )


def _calibrate(
    machine: Machine, engine: EngineInfo, n_threads: int, tell: Tell, warn: Tell
) -> None:
    def on_model(n_done: int, n_total: int, name: str) -> None:
        tell(f"calibrating: {n_done + 1} of {n_total} · {name}")

    last = load_calibration(machine, is_gpu=has_gpu(engine))
    with machine_held("calibration"):
        made = calibrate(machine, engine, n_threads, on_model)
    if last and not staleness(last, machine, engine, n_threads):
        made = joined(made, last)
        if not made.earlier:
            warn(
                f"The calibration of {last.measured_at[:10]} is dropped: models decoded at quite "
                "another speed then (battery, heat, a busy host)."
            )
    save_calibration(made, machine)
