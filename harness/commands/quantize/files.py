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
from harness.models.quantizations import LadderSource
from harness.schema.planned import PlannedFile
from harness.units import file_size


@dataclass(frozen=True)
class Rung:
    """
    One file of a ladder, as it is going to be; with a `refusal` the engine would not make it.

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


def plan_rungs(source: LadderSource, file_types: Sequence[str], folder: Path) -> list[Rung]:
    """
    What quantizing would give, in the order of `file_types`; about half a second.

    Raises:
        HarnessError: The engine refuses the source.
    """
    files = plan_files(source.model.weights, source.model.key, file_types)
    return [_rung(source, planned, folder) for planned in files]


def _rung(source: LadderSource, planned: PlannedFile, folder: Path) -> Rung:
    tensors = [tensor for header in source.model.headers for tensor in header.tensors]
    return Rung(
        file_type=planned.file_type,
        path=folder / source.file_name(planned.file_type),
        types=planned.types,
        n_bytes=written_bytes(source.model.parts, planned.types, source.keys),
        bits_per_weight=weights_bytes(tensors, planned.types) * 8 / source.model.file.n_params,
        n_fallback=planned.n_fallback,
        refusal=planned.refusal,
    )


def write_rung(source: LadderSource, rung: Rung, n_threads: int, report: OnProgress) -> None:
    """
    The file of `rung` in its place, whole or not at all.

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
        report(FetchProgress(rung.path.name, "quantizing", n_done, n_all))
        n_done += sizes.get(tensor, 0)

    try:
        with atomic_write(rung.path) as part:
            job = QuantizeJob(
                model_path=str(source.model.weights),
                file_type=rung.file_type,
                target_path=str(part),
                keys=source.keys,
                n_threads=n_threads,
                allows_requantizing=source.is_quantized,
            )
            outcome = quantize(job, hear)
            if outcome.status == "failed":
                raise HarnessError(_explained(outcome.message, rung, part))
            _check(rung, part)
    except OSError as error:
        advice = "make room or mend the permissions, or choose another folder with --dir"
        raise HarnessError(cannot("written", rung.path, error, advice)) from error
    finally:
        report(FetchProgress(rung.path.name, "done", n_all, n_all))


def _explained(message: str | None, rung: Rung, part: Path) -> str:
    what = f"{rung.file_type} could not be made: {message or 'the engine gave no reason'}"
    n_here = part.stat().st_size if part.exists() else 0
    free = free_bytes(rung.path.parent)
    if n_here < rung.n_bytes and free < rung.n_bytes - n_here:
        return (
            f"{what}; {rung.path.parent} has {file_size(free)} free and {file_size(rung.n_bytes)} "
            "are needed: make room, or choose another folder with --dir"
        )
    return what


def _check(rung: Rung, part: Path) -> None:
    """
    Nothing, if the file is whole and holds what was planned.

    The engine writes through a stream that may lose the last bytes on a full disk without a word.
    """
    size = part.stat().st_size
    with part.open("rb") as file:
        header = read_header(file, size, str(part))  # refuses what is cut short
    types = {tensor.name: tensor.type_name for tensor in header.tensors}
    if types != rung.types:
        odd = next(name for name in rung.types if types.get(name) != rung.types[name])
        raise HarnessError(
            f"{rung.file_type} came out otherwise than planned: {odd} is {types.get(odd)} instead "
            f"of {rung.types[odd]}; it was thrown away, please report this"
        )
