"""
Calibrations on disk: one file for each machine and device kind, in the cache folder.

Beside the weights, not the results: it is a help for predictions, not a measurement of a model.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from harness.analysis.speed.calibration import CALIBRATION_VERSION, Calibration, has_gpu, staleness
from harness.analysis.speed.calibration_fit import speed_of
from harness.analysis.speed.hardware_class import speed_of_machine
from harness.analysis.speed.predict import MachineSpeed
from harness.files import written_whole
from harness.measure.corrections import anchored
from harness.models.digest import cache_dir
from harness.schema.experiment import EngineInfo
from harness.schema.machine import Machine


@dataclass(frozen=True)
class SpeedHere:
    """What is known of this machine's speed, if anything, and what to tell of a calibration."""

    speed: MachineSpeed | None
    note: str | None = None


def speed_here(
    machine: Machine,
    engine: EngineInfo,
    n_threads: int,
    bandwidth_bytes_per_s: float | None = None,
    folder: Path | None = None,
    results: Path | None = None,
) -> SpeedHere:
    """
    The machine's speed: as calibrated, or where that is missing or stale, as its class has it; a
    GPU's class is corrected by what was measured on it.

    Args:
        machine: The one this runs on.
        engine: The engine that would measure.
        n_threads: The threads it would compute with.
        bandwidth_bytes_per_s: What plain reads of memory reached, if that was measured.
        folder: Where calibrations lie; None is the cache folder.
        results: Where experiments lie; None corrects nothing.
    """
    fallback = speed_of_machine(
        machine, has_gpu=has_gpu(engine), bandwidth_bytes_per_s=bandwidth_bytes_per_s
    )
    calibration = load_calibration(machine, is_gpu=has_gpu(engine), folder=folder)
    if calibration is None:
        return SpeedHere(_corrected(fallback, results, machine, engine))
    if stale := staleness(calibration, machine, engine, n_threads):
        return SpeedHere(
            _corrected(fallback, results, machine, engine),
            f"The calibration of {calibration.measured_at[:10]} is not used: {stale}. "
            "Run `harness machine --calibrate` again.",
        )
    limits = (machine.memory_bytes, machine.memory_limit_bytes)
    memory_bytes = fallback.memory_bytes if fallback else min(it for it in limits if it)
    return SpeedHere(speed_of(calibration, memory_bytes) or fallback)


def _corrected(
    by_class: MachineSpeed | None, results: Path | None, machine: Machine, engine: EngineInfo
) -> MachineSpeed | None:
    # CPUs of one class differ too much for one model's result to say much of another's.
    if by_class is None or results is None or not by_class.has_gpu:
        return by_class
    return anchored(by_class, results, machine.id, engine)


def calibration_path(machine: Machine, *, is_gpu: bool, folder: Path | None = None) -> Path:
    """Where this machine's calibration lies, or would."""
    folder = folder or cache_dir() / "calibrations"
    return folder / f"{machine.id}-{'gpu' if is_gpu else 'cpu'}.json"


def load_calibration(
    machine: Machine, *, is_gpu: bool, folder: Path | None = None
) -> Calibration | None:
    """The machine's last calibration, stale or not; None where there is none to read."""
    path = calibration_path(machine, is_gpu=is_gpu, folder=folder)
    with suppress(OSError, ValidationError):
        calibration = Calibration.model_validate_json(path.read_bytes())
        if calibration.version == CALIBRATION_VERSION:
            return calibration
    return None


def save_calibration(
    calibration: Calibration, machine: Machine, folder: Path | None = None
) -> Path:
    """
    The file it was written to, whole.

    Raises:
        OSError: The cache folder cannot be written.
    """
    path = calibration_path(machine, is_gpu=calibration.has_gpu, folder=folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as part:
        part.write_text(calibration.model_dump_json(indent=1), encoding="utf-8")
    return path
