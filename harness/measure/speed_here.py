"""
How fast this machine is: as calibrated, by the class of its GPU, or by its memory as read now.

Calibrations lie in the cache folder, one file for each machine and device kind: beside the weights,
not the results, for they help predictions and measure no model.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from harness.analysis.speed.calibration import CALIBRATION_VERSION, Calibration, has_gpu, staleness
from harness.analysis.speed.calibration_fit import speed_of
from harness.analysis.speed.hardware_class import read_cpu_speed, speed_of_gpu
from harness.analysis.speed.known_bandwidth import KnownBandwidth
from harness.analysis.speed.predict import MachineSpeed
from harness.bounded import parsed_json, read_bounded
from harness.errors import HarnessError
from harness.files import atomic_write, cannot
from harness.measure.bandwidth_here import bandwidth_here
from harness.measure.corrections import corrected_here
from harness.measure.machine_files import candidates, path_of
from harness.records.rescue import rescued, unwritable
from harness.schema.experiment import EngineInfo
from harness.schema.machine import Machine

_KIND = "calibrations"


@dataclass(frozen=True)
class SpeedHere:
    """
    What is known of this machine's speed, if anything, and what is to be told beside it.

    `bandwidth` is the memory's, where the speed follows from that.
    """

    speed: MachineSpeed | None
    notes: tuple[str, ...] = ()
    bandwidth: KnownBandwidth | None = None


def speed_here(
    machine: Machine,
    engine: EngineInfo,
    n_threads: int,
    *,
    results: Path | None = None,
    folder: Path | None = None,
) -> SpeedHere:
    """
    The machine's speed, whatever it takes: of a CPU that nobody calibrated the best known speed of
    its memory gives a range; that is read for a second until it is known well.

    Args:
        machine: The one this runs on.
        engine: The engine that would measure.
        n_threads: The threads it would compute with.
        results: Where experiments lie; None corrects nothing.
        folder: Where calibrations lie; None is the cache folder.
    """
    known = known_speed(machine, engine, n_threads, results=results, folder=folder)
    if known.speed is not None or has_gpu(engine):
        return known
    try:
        here = bandwidth_here(machine, n_threads)
    except HarnessError as error:
        return SpeedHere(None, (*known.notes, f"Nothing is predicted of speed: {error}"))
    notes = (*known.notes, *here.notes, *here.known.warnings)
    return SpeedHere(read_cpu_speed(here.known), notes, here.known)


def known_speed(
    machine: Machine,
    engine: EngineInfo,
    n_threads: int,
    *,
    results: Path | None = None,
    folder: Path | None = None,
) -> SpeedHere:
    """
    The machine's speed as far as nothing has to be measured for it, and so every speed that gives
    more than a range: as calibrated, or where that is missing or stale, as its GPU's class has it,
    corrected by what was measured on it. The arguments are those of `speed_here`.
    """
    on_gpu = has_gpu(engine)
    fallback = speed_of_gpu(machine) if on_gpu else None
    calibration = load_calibration(machine, is_gpu=on_gpu, folder=folder)
    stale = staleness(calibration, machine, engine, n_threads) if calibration else None
    if calibration and not stale:
        calibrated = speed_of(calibration)
        if calibrated:
            return SpeedHere(calibrated)
    if fallback is not None and results is not None:
        fallback = corrected_here(fallback, results, machine, engine)
    if calibration is None or not stale:
        return SpeedHere(fallback)
    note = (
        f"The calibration of {calibration.measured_at[:10]} is not used: {stale}. "
        "Run `harness machine --calibrate` again."
    )
    return SpeedHere(fallback, (note,))


def calibration_path(machine: Machine, *, is_gpu: bool, folder: Path | None = None) -> Path:
    """Where this machine's calibration lies, or would."""
    return path_of(_KIND, machine.id, _purpose(is_gpu), folder)


def load_calibration(
    machine: Machine, *, is_gpu: bool, folder: Path | None = None
) -> Calibration | None:
    """The machine's last calibration, stale or not; None where there is none to read."""
    for path in candidates(_KIND, machine.id, _purpose(is_gpu), folder):
        with suppress(OSError, ValueError):
            calibration = Calibration.model_validate(parsed_json(read_bounded(path)))
            if calibration.version == CALIBRATION_VERSION and calibration.is_of(machine):
                return calibration
    return None


def _purpose(is_gpu: bool) -> str:
    return "gpu" if is_gpu else "cpu"


def save_calibration(
    calibration: Calibration, machine: Machine, folder: Path | None = None
) -> Path:
    """
    The file it was written to, whole.

    Raises:
        ResultsUnwritable: The cache folder cannot be written.
    """
    path = calibration_path(machine, is_gpu=calibration.has_gpu, folder=folder)
    data = calibration.model_dump_json(indent=1).encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as part:
            part.write_bytes(data)
    except OSError as error:
        advice = "set HARNESS_CACHE to a folder that can be"
        message = cannot("written", path, error, advice)
        raise unwritable(message, "the calibration is", rescued(path.name, data)) from error
    return path
