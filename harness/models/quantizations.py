"""
A model's quantization set: files made here from the most precise one at hand.

    <cache>/models/ladder-smollm2-135m/smollm2-135m-Q8_0-from-Q4_1.gguf

The name says what a file was made from where that was quantized already, and so does its metadata.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.bounded import open_regular
from harness.errors import HarnessError
from harness.files import OnProgress
from harness.models.catalog.catalog import Catalog, Entry
from harness.models.digest import cache_dir, sha256_of_parts
from harness.models.download import local_path
from harness.models.find import find, local_model
from harness.models.gguf.file_name import quantization_of
from harness.models.gguf.header import Value, read_header
from harness.models.gguf.shards import shard_name, shard_paths
from harness.models.hub.files import HubReference
from harness.models.model import Model
from harness.models.precision import is_quantized, precision_rank
from harness.models.resolve import resolve
from harness.models.stores import find_local

QUANTIZED_BY = "general.quantized_by"
MADE_FROM = "harness.made_from"
SOURCE_SHA256 = "harness.source_sha256"
REQUANTIZED_FROM = "harness.requantized_from"
_MAKER = "inference-harness"
_MOST_TEXT_BYTES = 127  # what the engine takes as the value of a key
_SHA_DIGITS = 8


@dataclass(frozen=True)
class QuantizationSource:
    """
    What a quantization set is made from.

    `set_name` names the set; `quantization` is the source's own. `better_keys` are variants of
    the catalogue that would be more precise sources, and are not here.
    """

    set_name: str
    model: Model
    sha256: str
    better_keys: tuple[str, ...] = ()

    @property
    def quantization(self) -> str:
        """As its header or the catalogue has it."""
        return self.model.file.quantization

    @property
    def is_quantized(self) -> bool:
        """Whether quantizing it again adds errors to errors."""
        return is_quantized(self.model.file.tensor_bytes)

    @property
    def bits_per_weight(self) -> float:
        """Of its weights, over all tensors."""
        return self.model.file.weights_bytes * 8 / self.model.file.n_params

    @property
    def keys(self) -> dict[str, str]:
        """What is added to the metadata of files made from it."""
        made_from = self.model.key.encode()[:_MOST_TEXT_BYTES].decode(errors="ignore")
        keys = {QUANTIZED_BY: _MAKER, MADE_FROM: made_from, SOURCE_SHA256: self.sha256}
        return keys | ({REQUANTIZED_FROM: self.quantization} if self.is_quantized else {})

    def file_name(self, file_type: str) -> str:
        """What the file of this type is called."""
        origin = f"-from-{self.quantization}" if self.is_quantized else ""
        return f"{self.set_name}-{file_type}{origin}.gguf"


def quantization_source(reference: str, report: OnProgress, catalog: Catalog) -> QuantizationSource:
    """
    The file to make quantizations of `reference` from, fetched if none is here.

    A name that says which quantization, or a path, means just that file. Of a name that does not,
    the most precise file on this disk is taken.

    Raises:
        HarnessError: As `find`.
    """
    chosen = _most_precise_here(reference, catalog) or reference
    named = find(chosen, catalog, "weights", report)
    # Called what its header says: a catalogue's name of a mix is none of the quantizer's.
    model = local_model(named.weights, named.key)
    assert named.file.sha256 is not None
    better: tuple[str, ...] = ()
    if named.spec is not None and ":" not in reference:
        rank = precision_rank(model.file.quantization)
        better = tuple(
            f"{named.spec.name}:{variant.quantization}"
            for variant in named.spec.variants
            if precision_rank(variant.quantization) < rank
        )
    name = quantization_set_name(reference, catalog, report)
    return QuantizationSource(name, model, named.file.sha256, better)


def _most_precise_here(reference: str, catalog: Catalog) -> str | None:
    """The reference of the most precise variant on this disk; None if it is named or not here."""
    found = resolve(reference, catalog)
    if isinstance(found, Entry) and ":" not in reference:
        here = [v for v in found.spec.variants if local_path(found.spec, v)]
        best = min(here, key=lambda v: precision_rank(v.quantization), default=None)
        return f"{found.spec.name}:{best.quantization}" if best else None
    if isinstance(found, HubReference) and found.wanted is None:
        names = [name for name in quantizations_here(found.repo) if name]
        return f"{found.repo}:{min(names, key=precision_rank)}" if names else None
    return None


def quantizations_here(repo: str) -> list[str]:
    """Of the files of a hub repository that are in its cache."""
    names = (file.name for file in find_local().files if file.origin == "Hugging Face")
    files = (name.removeprefix(f"{repo}/") for name in names if name.startswith(f"{repo}/"))
    return [name for name in map(quantization_of, files) if name]


def quantization_set_name(reference: str, catalog: Catalog, report: OnProgress) -> str:
    """
    What the quantization set of `reference` is called: the same for all files of one model.

    A file of the user's own is told from others of its name by its digest.
    """
    found = resolve(reference, catalog)
    if isinstance(found, Entry):
        return found.spec.name
    if isinstance(found, HubReference):
        return re.sub(r"[^A-Za-z0-9._-]", "--", re.sub(r"(?i)[-_.]gguf$", "", found.repo))
    part = shard_name(found)
    stem = part.stem if part else found.stem
    quantization = quantization_of(found.name)
    if quantization:
        stem = re.sub(rf"(?i)[-_.]{re.escape(quantization)}$", "", stem)
    sha256 = sha256_of_parts(shard_paths(found), report)
    return f"{re.sub(r'[^A-Za-z0-9._-]', '-', stem)}-{sha256[:_SHA_DIGITS]}"


def quantization_set_folder(name: str) -> Path:
    """Where the set lies if the user does not say where."""
    # Sets made by earlier versions lie in folders of this name.
    return cache_dir() / "models" / f"ladder-{name}"


@dataclass(frozen=True)
class QuantizedFile:
    """A file that was made here, and what from; `requantized_from` None says: from full weights."""

    path: Path
    source_sha256: str
    requantized_from: str | None


def quantization_set_files(folder: Path) -> list[QuantizedFile]:
    """The files of a set, by name; what is damaged or was not made here is passed over."""
    if not folder.is_dir():
        return []
    found = []
    for path in sorted(folder.glob("*.gguf")):
        keys = _metadata(path)
        source, origin = keys.get(SOURCE_SHA256), keys.get(REQUANTIZED_FROM)
        if isinstance(source, str):
            found.append(QuantizedFile(path, source, origin if isinstance(origin, str) else None))
    return found


def is_made_from(path: Path, source: QuantizationSource, n_bytes: int) -> bool:
    """Whether the file at `path` is whole and was made from `source`."""
    return path.stat().st_size == n_bytes and _metadata(path).get(SOURCE_SHA256) == source.sha256


def _metadata(path: Path) -> Mapping[str, Value]:
    try:
        with open_regular(path) as file:
            return read_header(file, path.stat().st_size, str(path)).metadata
    except (OSError, HarnessError):
        return {}
