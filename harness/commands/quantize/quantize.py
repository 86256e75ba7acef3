"""What `harness quantize` is asked and makes: every file in its order, each of them or a reason."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from harness import units
from harness.commands.quantize.files import (
    PlannedQuantization,
    plan_quantizations,
    write_quantization,
)
from harness.errors import HarnessError
from harness.files import OnProgress, cannot, require_space
from harness.machine.probe import probe_machine
from harness.models.catalog.catalog import Catalog
from harness.models.quantization_sets import quantization_set_folder, quantized_at
from harness.models.quantizations import QuantizationSource, is_made_from, quantization_source
from harness.models.resolve import key_of_quantized

State = Literal["planned", "written", "kept", "source", "refused", "failed"]


@dataclass(frozen=True)
class QuantizeRequest:
    """
    What is to be made of `model`, in this order.

    `folder` None is the model's own in the cache; `n_threads` None takes all cores. With
    `is_list` nothing is written, with `is_forced` what is there is replaced.
    """

    model: str
    file_types: tuple[str, ...]
    folder: Path | None
    is_forced: bool
    is_list: bool
    n_threads: int | None


@dataclass(frozen=True)
class Made:
    """
    One file and what became of it; `message` says why where that is needed.

    `name` is what every command calls it; "" of a file in a folder of the user's own.
    """

    planned: PlannedQuantization
    state: State
    message: str = ""
    name: str = ""

    @property
    def is_failure(self) -> bool:
        """Whether something wanted is not there."""
        return self.state in ("refused", "failed")

    @property
    def is_here(self) -> bool:
        """Whether its file is there now."""
        return self.state in ("written", "kept")

    def path(self, source: QuantizationSource) -> Path | None:
        """Where it lies, or would."""
        if self.state == "source":
            return source.model.weights
        return None if self.is_failure else self.planned.path


@dataclass(frozen=True)
class QuantizeResult:
    """What was made of which file, and where."""

    source: QuantizationSource
    folder: Path
    made: tuple[Made, ...]

    @property
    def is_well(self) -> bool:
        """Whether all that was wanted is there."""
        return not any(each.is_failure for each in self.made)


def quantize(
    request: QuantizeRequest,
    catalog: Catalog,
    on_progress: OnProgress,
    warn: Callable[[str], None],
    tell: Callable[[str], None],
    held: Callable[[str], AbstractContextManager[None]],
) -> QuantizeResult:
    """
    The quantizations that are asked for, written or planned.

    Args:
        request: What is asked for.
        catalog: Where names of models are looked up.
        on_progress: Is told how far each file is.
        warn: Is told what to know of the files, and why one failed.
        tell: Is told what is about to be made.
        held: Holds the machine for what it is told, as long as something is written.

    Raises:
        HarnessError: There is nothing to make them from, or no place for them.
    """
    source = quantization_source(request.model, on_progress, catalog)
    folder = request.folder or quantization_set_folder(source.set_name)
    quantizations = plan_quantizations(source, request.file_types, folder)
    for warning in warnings(source, quantizations):
        warn(warning)
    if request.is_list:
        made = [
            Made(planned, "refused" if planned.refusal else "planned") for planned in quantizations
        ]
        return QuantizeResult(source, folder, tuple(made))
    with held(f"quantizing {source.model.key}"):
        made = _make(request, source, quantizations, folder, on_progress, warn, tell)
    named = (replace(it, name=_name(it, catalog)) for it in made)
    return QuantizeResult(source, folder, tuple(named))


def _name(made: Made, catalog: Catalog) -> str:
    quantized = quantized_at(made.planned.path) if made.is_here else None
    return key_of_quantized(quantized, catalog) if quantized else ""


def warnings(source: QuantizationSource, quantizations: Sequence[PlannedQuantization]) -> list[str]:
    """What is to be known of files that are made from a quantized source."""
    if not source.is_quantized:
        return []
    key = source.model.key
    found = [
        f"{key} is itself quantized: the errors of both quantizations add up, so none of these "
        "files is what its publisher's of that type would be"
    ]
    if source.better_keys:
        found[0] += f"; better: `harness pull {source.better_keys[0]}` first"
    larger = [
        planned.file_type
        for planned in quantizations
        if planned.bits_per_weight > source.bits_per_weight
        and planned.file_type != source.quantization
    ]
    if larger:
        found.append(f"{', '.join(larger)}: larger than {key}, and no more precise than it is")
    return found


def _make(
    request: QuantizeRequest,
    source: QuantizationSource,
    quantizations: Sequence[PlannedQuantization],
    folder: Path,
    on_progress: OnProgress,
    warn: Callable[[str], None],
    tell: Callable[[str], None],
) -> list[Made]:
    """Every file in its order; one that fails does not keep the others from being made."""
    known = {
        planned.file_type: _before(source, planned, request.is_forced) for planned in quantizations
    }
    wanted = [planned for planned in quantizations if known[planned.file_type] is None]
    if wanted:
        n_bytes = sum(planned.n_bytes for planned in wanted)
        _make_room(folder, n_bytes)
        tell(f"To be made: {_files(len(wanted))} of {units.file_size(n_bytes)} together.")
    n_threads = request.n_threads or probe_machine().n_cores_usable
    made = []
    for planned in quantizations:
        result = known[planned.file_type]
        if result is None:
            try:
                write_quantization(source, planned, n_threads, on_progress)
                result = Made(planned, "written")
            except HarnessError as error:
                result = Made(planned, "failed", str(error))
                warn(str(error))
        made.append(result)
    return made


def _before(
    source: QuantizationSource, planned: PlannedQuantization, is_forced: bool
) -> Made | None:
    """What is known of a file before any work: None if it has to be made."""
    if planned.refusal:
        return Made(planned, "refused", planned.refusal)
    if planned.file_type == source.quantization:
        return Made(planned, "source", f"{source.model.key} is that already")
    if is_forced or not planned.path.exists():
        return None
    if is_made_from(planned.path, source, planned.n_bytes):
        return Made(planned, "kept")
    return Made(planned, "failed", f"{planned.path} is another file; --force replaces it")


def _files(n: int) -> str:
    return f"{n} file" if n == 1 else f"{n} files"


def _make_room(folder: Path, n_bytes: int) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        advice = "choose another folder with --dir"
        raise HarnessError(cannot("made", folder, error, advice)) from error
    require_space(folder, n_bytes, "these quantizations", variable="--dir")
