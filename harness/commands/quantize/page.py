"""What a ladder came to, as text and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tabulate import tabulate

from harness import units
from harness.commands.quantize.quantize import Rung
from harness.models.quantizations import LadderSource
from harness.report.text import harmless, wrapped

State = Literal["planned", "written", "kept", "source", "refused", "failed"]
_WORDS: dict[State, str] = {
    "planned": "would be written",
    "kept": "kept: it was there",
    "source": "the source itself",
}


@dataclass(frozen=True)
class Made:
    """One rung and what became of it; `message` says why where that is needed."""

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
            return source.local.path
        return None if self.is_failure else self.rung.path


def made_text(source: LadderSource, made: Sequence[Made]) -> str:
    """
    A table in 80 columns, then what to know of it, then the files.

    Lines of paths are as long as they have to be, so that they can be copied whole.
    """
    file = source.found.file
    head = (
        f"{source.local.key} · {source.quantization} · {units.file_size(file.n_bytes)} · "
        f"{units.significant(source.bits_per_weight)} bits per weight"
    )
    rows = [_row(source, each) for each in made]
    table = tabulate(
        rows,
        ["type", "size", "bits/weight", ""],
        tablefmt="simple",
        disable_numparse=True,
        colalign=("left", "right", "right", "left"),
    )
    lines = [*wrapped(harmless(head)), "", *(line.rstrip() for line in table.splitlines())]
    notes = [line for each in made for line in _notes(each)]
    if notes:
        lines += ["", *notes]
    paths = [each.path(source) for each in made if each.is_here]
    if paths:
        lines += ["", *(harmless(str(path)) for path in paths)]
    return "\n".join(lines)


def _row(source: LadderSource, made: Made) -> list[str]:
    word = _WORDS.get(made.state, made.state)
    if made.is_failure:
        return [made.rung.file_type, "", "", word]
    if made.state == "source":
        file = source.found.file
        bits = units.significant(source.bits_per_weight)
        return [made.rung.file_type, units.file_size(file.n_bytes), bits, word]
    rung = made.rung
    return [
        rung.file_type,
        units.file_size(rung.n_bytes),
        units.significant(rung.bits_per_weight),
        word,
    ]


def _notes(made: Made) -> list[str]:
    rung = made.rung
    if made.is_failure:
        return wrapped(harmless(f"{rung.file_type}: {made.message}"))
    if made.state != "source" and rung.n_fallback:
        return wrapped(
            f"{rung.file_type}: {rung.n_fallback} of {len(rung.types)} tensors got another type "
            "than the mix wants, since their rows are no multiple of its block."
        )
    return []


def made_document(source: LadderSource, folder: Path, made: Sequence[Made]) -> dict[str, Any]:
    """The JSON document of `harness quantize`."""
    file = source.found.file
    return {
        "schema": 1,
        "source": {
            "model": source.local.key,
            "path": str(source.local.path),
            "quantization": source.quantization,
            "n_bytes": file.n_bytes,
            "bits_per_weight": source.bits_per_weight,
            "is_quantized": source.is_quantized,
            "sha256": source.sha256,
        },
        "folder": str(folder),
        "files": [_entry(source, each) for each in made],
    }


def _entry(source: LadderSource, made: Made) -> dict[str, Any]:
    rung, path = made.rung, made.path(source)
    is_source = made.state == "source"
    return {
        "quantization": rung.file_type,
        "state": made.state,
        "message": made.message or None,
        "path": str(path) if path else None,
        "n_bytes": path.stat().st_size if path and (made.is_here or is_source) else None,
        "n_bytes_planned": rung.n_bytes,
        "bits_per_weight": source.bits_per_weight if is_source else rung.bits_per_weight,
        "n_tensors": len(rung.types),
        "n_tensors_fallback": rung.n_fallback,
        "requantized_from": source.quantization if source.is_quantized and not is_source else None,
    }
