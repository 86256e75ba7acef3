"""
The files that `harness quantize` made of a model, and what they are called everywhere.

    <cache>/models/ladder-smollm2-135m/smollm2-135m-Q8_0-from-Q4_1.gguf

The name says what a file was made from where that was quantized already, and so does its metadata.
On the command line that file is smollm2-135m:Q8_0, or smollm2-135m:Q8_0-from-Q4_1 where the shorter
name means another.
"""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.bounded import open_regular
from harness.errors import HarnessError
from harness.models.digest import cache_dir
from harness.models.gguf.file_name import ENDING, model_name, quantization_of
from harness.models.gguf.header import Value, read_header
from harness.models.precision import precision_rank

QUANTIZED_BY = "general.quantized_by"
MADE_FROM = "harness.made_from"
SOURCE_SHA256 = "harness.source_sha256"
REQUANTIZED_FROM = "harness.requantized_from"
# Sets made by earlier versions lie in folders of this name.
SET_PREFIX = "ladder-"
_FROM = "-from-"


@dataclass(frozen=True)
class QuantizedFile:
    """
    A file that was made here, and what from; `requantized_from` None says: from full weights.

    `model` is what its source is called without a quantization, `file_type` what it was made to.
    """

    path: Path
    model: str
    file_type: str
    source_quantization: str | None
    source_sha256: str
    requantized_from: str | None

    @property
    def labels(self) -> tuple[str, str]:
        """What stands behind the model's name: its type, and the same with its source's."""
        origin = self.requantized_from or self.source_quantization or "full-weights"
        return self.file_type, f"{self.file_type}{_FROM}{origin}"


def set_name_of(model: str) -> str:
    """What the set of a model of the catalogue or of a repository of the hub is called."""
    owner, _, repo = model.rpartition("/")
    name = f"{owner}/{model_name(repo)}" if owner else model
    return re.sub(r"[^A-Za-z0-9._-]", "--", name)


def quantization_set_folder(name: str) -> Path:
    """Where the set lies if the user does not say where."""
    return cache_dir() / "models" / f"{SET_PREFIX}{name}"


def quantization_set_files(folder: Path) -> list[QuantizedFile]:
    """The files of a set, the most precise source first; what was not made here is left out."""
    if not folder.is_dir():
        return []
    found = [it for path in sorted(folder.glob(f"*{ENDING}")) if (it := _quantized(path))]
    return sorted(
        found,
        key=lambda it: (
            it.requantized_from is not None,
            precision_rank(it.requantized_from or ""),
            it.path.name,
        ),
    )


def quantized_file(model: str, label: str) -> QuantizedFile | None:
    """
    The file made of `model` (its name, or its set's) that `label` means, in any case.

    Of several of one type the type alone means the one of the most precise source.
    """
    made = quantization_set_files(quantization_set_folder(set_name_of(model)))
    wanted = label.lower()
    return next((it for it in made if wanted in map(str.lower, it.labels)), None)


def label_of(made: QuantizedFile, taken: Container[str]) -> str:
    """The shortest label that means this file, where `taken` are types of its publisher's."""
    short, long = made.labels
    others = quantization_set_files(made.path.parent)
    first = next((it for it in others if it.file_type == short), made)
    return short if first.path == made.path and short not in taken else long


def quantized_at(path: Path) -> QuantizedFile | None:
    """What was made here and lies at `path`; None if that lies in no set of the cache."""
    folder = path.absolute().parent
    if not folder.name.startswith(SET_PREFIX) or folder.parent != cache_dir() / "models":
        return None
    return _quantized(path)


def metadata_of(path: Path) -> Mapping[str, Value]:
    """The keys of a header; none of a file that cannot be read."""
    try:
        with open_regular(path) as file:
            return read_header(file, path.stat().st_size, str(path)).metadata
    except (OSError, HarnessError):
        return {}


def _quantized(path: Path) -> QuantizedFile | None:
    keys = metadata_of(path)
    source, origin, made_from = (
        value if isinstance(value := keys.get(key), str) else None
        for key in (SOURCE_SHA256, REQUANTIZED_FROM, MADE_FROM)
    )
    if source is None:
        return None
    set_name = path.absolute().parent.name.removeprefix(SET_PREFIX)
    model, _, quantization = (made_from or "").rpartition(":")
    if set_name_of(model) != set_name:
        model, quantization = set_name, quantization_of(made_from or "") or ""
    file_type = path.name.removesuffix(ENDING).removeprefix(f"{set_name}-").partition(_FROM)[0]
    return QuantizedFile(path, model, file_type, quantization or None, source, origin)
