"""
Quantizing in the worker: the library aborts on some damaged files, and a process can be ended.
"""

from __future__ import annotations

from collections.abc import Callable

from harness.engine.library import Engine
from harness.engine.quantizer import planned_file, quantize
from harness.measure import protocol
from harness.measure.protocol import Event, Job


def quantize_job(engine: Engine, job: Job, send: Callable[[Event], None]) -> None:
    """
    Everything that `job.quantizing` asks for: plans, or one file.

    Raises:
        EngineFailed: The engine refuses the model, or the disk the file.
    """
    wanted = job.quantizing
    assert wanted is not None
    assert job.model_path is not None
    if wanted.target_path is None:
        for file_type in wanted.file_types:
            file = planned_file(engine, job.model_path, file_type)
            send(protocol.PlannedFileEvent(file=file))
        return
    quantize(
        engine,
        job.model_path,
        wanted.target_path,
        wanted.file_types[0],
        n_threads=wanted.n_threads,
        keys=wanted.keys,
        allows_requantizing=wanted.allows_requantizing,
        on_tensor=lambda name: send(protocol.QuantizedTensorEvent(tensor=name)),
    )
