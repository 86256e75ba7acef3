"""
Quantizing in the worker: the library aborts on some damaged files, and a process can be ended.
"""

from __future__ import annotations

from harness.engine.library import Engine
from harness.engine.quantizer import planned_file, quantize
from harness.measure.jobs.quantize import (
    PlanFilesJob,
    PlannedFileEvent,
    QuantizedTensorEvent,
    QuantizeJob,
)
from harness.measure.protocol import Send


def plan_files_job(engine: Engine, job: PlanFilesJob, send: Send) -> None:
    """
    What each file type would give, each answer sent as soon as it is there.

    Raises:
        EngineFailed: The engine refuses the model.
    """
    for file_type in job.file_types:
        file = planned_file(engine, job.model_path, file_type)
        send(PlannedFileEvent(file=file))


def quantize_job(engine: Engine, job: QuantizeJob, send: Send) -> None:
    """
    The file that `job` asks for, each tensor told before it is begun.

    Raises:
        EngineFailed: The engine refuses the model, or the disk the file.
    """
    quantize(
        engine,
        job.model_path,
        job.target_path,
        job.file_type,
        n_threads=job.n_threads,
        keys=job.keys,
        allows_requantizing=job.allows_requantizing,
        on_tensor=lambda name: send(QuantizedTensorEvent(tensor=name)),
    )
