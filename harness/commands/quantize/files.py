"""
The files that `harness quantize` makes of a model.

What the engine's quantizer would make is known to the byte before anything is written, and so is
whether there is space for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import HarnessError
from harness.files import FetchProgress, OnProgress, atomic_write, cannot, free_bytes
from harness.measure.jobs.quantize import QuantizeJob, plan_files, quantize
from harness.models.gguf.header import read_header
from harness.models.gguf.quantized_size import weights_bytes, written_bytes
from harness.models.quantizations import QuantizationSource
from harness.schema.planned import PlannedFile
from harness.units import file_size


@dataclass(frozen=True)
class PlannedQuantization:
    """
    One file as it is going to be; with a `refusal` the engine would not make it.

    `n_bytes` is the whole file's, `n_fallback` counts tensors that get another type than the rules
    want, since their rows are no multiple of its block.
    """

    file_type: str
    path: Path
    types: Mapping[str, str]
    n_bytes: int
    bits_per_weight: float
    n_fallback: int = 0
    refusal: str | None = None


def plan_quantizations(
    source: QuantizationSource, file_types: Sequence[str], folder: Path
) -> list[PlannedQuantization]:
    """
    What quantizing would give, in the order of `file_types`; about half a second.

    Raises:
        HarnessError: The engine refuses the source.
    """
    files = plan_files(source.model.weights, source.model.key, file_types)
    return [_quantization(source, planned, folder) for planned in files]


def _quantization(
    source: QuantizationSource, file: PlannedFile, folder: Path
) -> PlannedQuantization:
    tensors = [tensor for header in source.model.headers for tensor in header.tensors]
    return PlannedQuantization(
        file_type=file.file_type,
        path=folder / source.file_name(file.file_type),
        types=file.types,
        n_bytes=written_bytes(source.model.parts, file.types, source.keys),
        bits_per_weight=weights_bytes(tensors, file.types) * 8 / source.model.file.n_params,
        n_fallback=file.n_fallback,
        refusal=file.refusal,
    )


def write_quantization(
    source: QuantizationSource, planned: PlannedQuantization, n_threads: int, report: OnProgress
) -> None:
    """
    The file of `planned` in its place, whole or not at all.

    Raises:
        HarnessError: The engine failed, the disk is full, or what came is not what was planned.
        KeyboardInterrupt: Nothing is left of it.
    """
    sizes = {
        tensor.name: tensor.n_bytes for header in source.model.headers for tensor in header.tensors
    }
    n_done, n_all = 0, sum(sizes.values())

    def hear(tensor: str) -> None:
        nonlocal n_done
        report(FetchProgress(planned.path.name, "quantizing", n_done, n_all))
        n_done += sizes.get(tensor, 0)

    try:
        with atomic_write(planned.path) as part:
            job = QuantizeJob(
                model_path=str(source.model.weights),
                file_type=planned.file_type,
                target_path=str(part),
                keys=source.keys,
                n_threads=n_threads,
                allows_requantizing=source.is_quantized,
            )
            outcome = quantize(job, hear)
            if outcome.status == "failed":
                raise HarnessError(_explained(outcome.message, planned, part))
            _check(planned, part)
    except OSError as error:
        advice = "make room or mend the permissions, or choose another folder with --dir"
        raise HarnessError(cannot("written", planned.path, error, advice)) from error
    finally:
        report(FetchProgress(planned.path.name, "done", n_all, n_all))


def _explained(message: str | None, planned: PlannedQuantization, part: Path) -> str:
    what = f"{planned.file_type} could not be made: {message or 'the engine gave no reason'}"
    n_here = part.stat().st_size if part.exists() else 0
    free = free_bytes(planned.path.parent)
    if n_here < planned.n_bytes and free < planned.n_bytes - n_here:
        return (
            f"{what}; {planned.path.parent} has {file_size(free)} free and "
            f"{file_size(planned.n_bytes)} are needed: make room, or choose another folder with "
            "--dir"
        )
    return what


def _check(planned: PlannedQuantization, part: Path) -> None:
    """
    Nothing, if the file is whole and holds what was planned.

    The engine writes through a stream that may lose the last bytes on a full disk without a word.
    """
    size = part.stat().st_size
    with part.open("rb") as file:
        header = read_header(file, size, str(part))  # refuses what is cut short
    types = {tensor.name: tensor.type_name for tensor in header.tensors}
    if types != planned.types:
        odd = next(name for name in planned.types if types.get(name) != planned.types[name])
        raise HarnessError(
            f"{planned.file_type} came out otherwise than planned: {odd} is {types.get(odd)} "
            f"instead of {planned.types[odd]}; it was thrown away, please report this"
        )
