"""
What a model's quantizations are made from here: the most precise file of it at hand.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from harness.files import OnProgress
from harness.models.catalog.catalog import Catalog, Entry
from harness.models.digest import sha256_of_parts
from harness.models.download import local_path
from harness.models.find import find, local_model
from harness.models.gguf.file_name import quantization_of, stem, without_quantization
from harness.models.gguf.shards import shard_paths
from harness.models.hub.files import HubReference
from harness.models.model import Model
from harness.models.precision import is_quantized, precision_rank
from harness.models.quantization_sets import (
    MADE_FROM,
    QUANTIZED_BY,
    REQUANTIZED_FROM,
    SOURCE_SHA256,
    metadata_of,
    set_name_of,
)
from harness.models.resolve import is_of_one_file, resolve
from harness.models.stores import find_local

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
    if named.spec is not None and not is_of_one_file(
        reference, resolve(reference, catalog), catalog
    ):
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
    if is_of_one_file(reference, found, catalog):
        return None
    if isinstance(found, Entry):
        here = [v for v in found.spec.variants if local_path(found.spec, v)]
        best = min(here, key=lambda v: precision_rank(v.quantization), default=None)
        return f"{found.spec.name}:{best.quantization}" if best else None
    if isinstance(found, HubReference):
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
        return set_name_of(found.repo)
    # By its key: the file of a store may be called by a digest.
    name = found.path.name if found.key.endswith(found.path.name) else found.key
    sha256 = sha256_of_parts(shard_paths(found.path), report)
    plain = re.sub(r"[^A-Za-z0-9._-]", "-", without_quantization(stem(name)))
    return f"{plain}-{sha256[:_SHA_DIGITS]}"


def is_made_from(path: Path, source: QuantizationSource, n_bytes: int) -> bool:
    """Whether the file at `path` is whole and was made from `source`."""
    return path.stat().st_size == n_bytes and metadata_of(path).get(SOURCE_SHA256) == source.sha256
