"""What `harness quantize` is asked and makes: every file in its order, each of them or a reason."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.commands.quantize.files import Rung, plan_rungs, write_rung
from harness.errors import HarnessError
from harness.files import OnProgress, cannot, require_space
from harness.machine.probe import probe_machine
from harness.models.catalog.catalog import Catalog
from harness.models.quantizations import LadderSource, is_made_from, ladder_folder, ladder_source

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
    """One file and what became of it; `message` says why where that is needed."""

    rung: Rung
    state: State
    message: str = ""

    @property
    def is_failure(self) -> bool:
        """Whether something wanted is not there."""
        return self.state in ("refused", "failed")

    @property
    def is_here(self) -> bool:
        """Whether its file is there now."""
        return self.state in ("written", "kept")

    def path(self, source: LadderSource) -> Path | None:
        """Where it lies, or would."""
        if self.state == "source":
            return source.model.weights
        return None if self.is_failure else self.rung.path


@dataclass(frozen=True)
class QuantizeResult:
    """What was made of which file, and where."""

    source: LadderSource
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
    held: Callable[[str], AbstractContextManager[None]],
) -> QuantizeResult:
    """
    The quantizations that are asked for, written or planned.

    Args:
        request: What is asked for.
        catalog: Where names of models are looked up.
        on_progress: Is told how far each file is.
        warn: Is told what to know of the files, and why one failed.
        held: Holds the machine for what it is told, as long as something is written.

    Raises:
        HarnessError: There is nothing to make them from, or no place for them.
    """
    source = ladder_source(request.model, on_progress, catalog)
    folder = request.folder or ladder_folder(source.ladder)
    rungs = plan_rungs(source, request.file_types, folder)
    for warning in warnings(source, rungs):
        warn(warning)
    if request.is_list:
        made = [Made(rung, "refused" if rung.refusal else "planned") for rung in rungs]
        return QuantizeResult(source, folder, tuple(made))
    with held(f"quantizing {source.model.key}"):
        return QuantizeResult(
            source, folder, tuple(_make(request, source, rungs, folder, on_progress, warn))
        )


def warnings(source: LadderSource, rungs: Sequence[Rung]) -> list[str]:
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
        rung.file_type
        for rung in rungs
        if rung.bits_per_weight > source.bits_per_weight and rung.file_type != source.quantization
    ]
    if larger:
        found.append(f"{', '.join(larger)}: larger than {key}, and no more precise than it is")
    return found


def _make(
    request: QuantizeRequest,
    source: LadderSource,
    rungs: Sequence[Rung],
    folder: Path,
    on_progress: OnProgress,
    warn: Callable[[str], None],
) -> list[Made]:
    """Every file in its order; one that fails does not keep the others from being made."""
    known = {rung.file_type: _before(source, rung, request.is_forced) for rung in rungs}
    wanted = [rung for rung in rungs if known[rung.file_type] is None]
    if wanted:
        _make_room(folder, sum(rung.n_bytes for rung in wanted))
    n_threads = request.n_threads or probe_machine().n_cores_usable
    made = []
    for rung in rungs:
        result = known[rung.file_type]
        if result is None:
            try:
                write_rung(source, rung, n_threads, on_progress)
                result = Made(rung, "written")
            except HarnessError as error:
                result = Made(rung, "failed", str(error))
                warn(str(error))
        made.append(result)
    return made


def _before(source: LadderSource, rung: Rung, is_forced: bool) -> Made | None:
    """What is known of a file before any work: None if it has to be made."""
    if rung.refusal:
        return Made(rung, "refused", rung.refusal)
    if rung.file_type == source.quantization:
        return Made(rung, "source", f"{source.model.key} is that already")
    if is_forced or not rung.path.exists():
        return None
    if is_made_from(rung.path, source, rung.n_bytes):
        return Made(rung, "kept")
    return Made(rung, "failed", f"{rung.path} is another file; --force replaces it")


def _make_room(folder: Path, n_bytes: int) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        advice = "choose another folder with --dir"
        raise HarnessError(cannot("made", folder, error, advice)) from error
    require_space(folder, n_bytes, "this ladder", variable="--dir")
