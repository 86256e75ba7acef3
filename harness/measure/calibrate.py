"""
Calibrating: small models are written, measured by the same worker as every model, and removed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from time import perf_counter_ns

from harness import scratch
from harness.analysis import disturbance
from harness.analysis.speed.calibration import Calibration, CalibrationSample, has_gpu
from harness.errors import HarnessError, MachineBusy
from harness.files import require_space
from harness.machine.memory import available_memory_bytes
from harness.measure.jobs.measure import MeasureJob, measure
from harness.models.digest import cache_dir
from harness.models.gguf.header import read_header
from harness.models.gguf.work import work_of
from harness.models.twin.calibration_models import (
    CalibrationModel,
    calibration_models,
    gpu_calibration_models,
    write_calibration_model,
)
from harness.schema.experiment import EngineInfo, Trial
from harness.schema.machine import Machine
from harness.schema.settings import Settings
from harness.schema.work import Work
from harness.units import memory_size

# Clean trials of each workload, and how often at most it is tried. A median of three forgives one.
_N_TRIALS = 3
_N_TRIALS_MAX = 9
# A model is measured anew where none of its trials was clean: something ran for a few seconds.
_N_ATTEMPTS = 3
# Steps of a few ms each: some tenths of a second, far above a tick of the counters.
_USUAL = ("tg32", "pp256")
# The same time for types of few bits, of which the same bytes are twice the arithmetic.
_LARGE = ("tg32", "pp128")
_LARGE_PARAMS = 250_000_000
# The shapes with many blocks also tell what a deep cache costs whose rows are narrow, the wide one
# what one with wide rows does, twice, at the beginning and at the end: on a shared host one such
# sample was 2.3 times too slow and made all models slow at depth. A prompt's second length tells
# what comes with each micro-batch rather than with each token.
_DEEP = ("tg32", "pp256", "tg16@d1536", "pp128@d1536")
_WIDE = ("tg32", "pp64", "pp512", "tg32@d1536")
_MIXED = ("tg64", "pp512")
# A GPU is done with those before the counters tick, and its kernels want a whole micro-batch.
_GPU = ("tg128", "pp512")
_GPU_DEEP = (*_GPU, "tg64@d4096", "pp512@d4096")
_GPU_WIDE = (*_GPU, "pp128", "tg64@d4096")
# A worker loads the weights once more, repacked, beside the file's pages.
_COPIES = 3
_SILENCE_NS = 120_000_000_000
# The first model is measured again at the end. A guest on a shared host was seen to differ from
# itself by 19 % within two minutes, which the intervals allow for; about twice that is no machine
# to calibrate.
_DRIFT_LIMIT = 0.35


OnProgress = Callable[[int, int, str], None]


def calibrate(
    machine: Machine,
    engine: EngineInfo,
    n_threads: int,
    on_progress: OnProgress | None = None,
    models: Sequence[CalibrationModel] | None = None,
) -> Calibration:
    """
    What small models do on this machine, now. Takes about two minutes; hold the machine's lock.

    Args:
        machine: This one.
        engine: What it measures with.
        n_threads: Threads of the engine.
        on_progress: Told how many models are done, of how many, and which comes next.
        models: Measured in this order; None takes those that fit the machine.

    Raises:
        MachineBusy: Other programs took the machine meanwhile; nothing was learned.
        FetchFailed: The cache folder has no room for a model.
        HarnessError: A model could not be measured.
    """
    on_gpu = has_gpu(engine)
    models = models or _models(machine, engine)
    _check_memory(models)
    settings = Settings(n_threads=n_threads)
    started_ns = perf_counter_ns()
    samples: list[CalibrationSample] = []
    folder = cache_dir()
    folder.mkdir(parents=True, exist_ok=True)
    require_space(folder, max(model.n_bytes for model in models), "calibrating")
    with scratch.own_folder("calibrating", folder) as place:
        for index, model in enumerate(models):
            if on_progress:
                on_progress(index, len(models), model.name)
            asked = _gpu_workloads(model) if on_gpu else _workloads(model)
            samples += _measure_patiently(model, asked, place, settings, machine)
    _check_drift(samples)
    return Calibration(
        machine_id=machine.id,
        machine=machine,
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
        engine_version=engine.library_version,
        engine_commit=engine.library_commit,
        n_threads=n_threads,
        has_gpu=on_gpu,
        duration_ns=perf_counter_ns() - started_ns,
        samples=tuple(samples),
    )


def _check_memory(models: Sequence[CalibrationModel]) -> None:
    need_bytes = _COPIES * max(model.n_bytes for model in models)
    free_bytes = available_memory_bytes()
    if free_bytes < need_bytes:
        raise HarnessError(
            f"Calibrating takes {memory_size(need_bytes)} of memory and "
            f"{memory_size(free_bytes)} are free; close programs and try again"
        )


def _models(machine: Machine, engine: EngineInfo) -> tuple[CalibrationModel, ...]:
    """What fits this machine: its GPU, where the engine computes on one, or its last cache."""
    if has_gpu(engine):
        cards = [device for device in engine.devices if device.is_gpu]
        return gpu_calibration_models(min(card.total_bytes for card in cards))
    return calibration_models(machine.last_level_cache_bytes)


def _measure_patiently(
    model: CalibrationModel,
    workloads: tuple[str, ...],
    place: Path,
    settings: Settings,
    machine: Machine,
) -> list[CalibrationSample]:
    """What `_measure` says, asked again where something short came between."""
    for _ in range(_N_ATTEMPTS - 1):
        with suppress(MachineBusy):
            return _measure(model, workloads, place, settings, machine)
    return _measure(model, workloads, place, settings, machine)


def _measure(
    model: CalibrationModel,
    workloads: tuple[str, ...],
    place: Path,
    settings: Settings,
    machine: Machine,
) -> list[CalibrationSample]:
    path = place / "model.gguf"
    try:
        write_calibration_model(model, path)
        with path.open("rb") as file:
            work = work_of([read_header(file, path.stat().st_size, model.name)], model.name)
        report = measure(
            _job(path, workloads, settings, machine),
            log=place / "worker.log",
            silence_ns=_SILENCE_NS,
        )
    finally:
        path.unlink(missing_ok=True)
    if report.outcome.reason == "interrupted":
        raise KeyboardInterrupt
    if report.outcome.status == "failed":
        raise HarnessError(
            f"The calibration model {model.name} could not be measured: {report.outcome.message}; "
            "see `harness machine` for the engine, and report this"
        )
    return [
        _sample(model, work, workload, report.trials, settings, machine) for workload in workloads
    ]


def _workloads(model: CalibrationModel) -> tuple[str, ...]:
    if model.n_expert:
        return _MIXED
    if model.name.endswith("deep"):
        return _DEEP
    if model.name.endswith(("wide", "again")):
        return _WIDE
    return _LARGE if model.n_params > _LARGE_PARAMS else _USUAL


def _gpu_workloads(model: CalibrationModel) -> tuple[str, ...]:
    if model.name.endswith(("wide", "again")):
        return _GPU_WIDE
    return _GPU_DEEP if model.name.endswith("deep") else _GPU


def _job(
    path: Path, workloads: tuple[str, ...], settings: Settings, machine: Machine
) -> MeasureJob:
    started_ns = perf_counter_ns()
    return MeasureJob(
        model_path=str(path),
        settings=settings,
        workloads=workloads,
        n_trials=_N_TRIALS,
        n_trials_max=_N_TRIALS_MAX,
        seed=1,
        n_cores_logical=machine.n_cores_logical,
        n_cores_usable=machine.n_cores_usable,
        started_ns=started_ns,
        deadline_ns=started_ns + _SILENCE_NS,
    )


def _sample(
    model: CalibrationModel,
    work: Work,
    workload: str,
    trials: Sequence[Trial],
    settings: Settings,
    machine: Machine,
) -> CalibrationSample:
    mine = [trial for trial in trials if trial.workload == workload and not trial.is_warm_up]
    reasons = [
        disturbance.why_disturbed(
            trial.counters,
            n_logical=machine.n_cores_logical,
            n_threads=settings.n_threads,
            n_usable=machine.n_cores_usable,
        )
        for trial in mine
    ]
    clean = [trial for trial, reason in zip(mine, reasons, strict=True) if reason is None]
    if not clean:
        reason = next((reason for reason in reasons if reason), "no trial was made")
        raise MachineBusy(
            f"The machine is too busy to be calibrated: {reason} while {model.name} was measured. "
            "Stop other programs or wait for them to end."
        )
    return CalibrationSample(
        name=model.name,
        work=work,
        workload=workload,
        tok_per_s=median(trial.n_tokens / trial.total_ns * 1e9 for trial in clean),
        n_trials=len(clean),
        n_ubatch=settings.n_ubatch,
    )


def _check_drift(samples: Sequence[CalibrationSample]) -> None:
    """MachineBusy if the first model ran at quite another speed when it came again."""
    decodes = [
        sample
        for sample in samples
        if sample.workload in (_USUAL[0], _GPU[0]) and " " in sample.name
    ]
    first = [sample.tok_per_s for sample in decodes if sample.name.endswith("wide")]
    again = [sample.tok_per_s for sample in decodes if sample.name.endswith("again")]
    if first and again and abs(again[0] / first[0] - 1) > _DRIFT_LIMIT:
        raise MachineBusy(
            f"The same model ran at {first[0]:.1f} tok/s and a minute later at {again[0]:.1f}: "
            "the machine changed while it was calibrated (heat, power, a busy host). "
            "Wait and try again."
        )
