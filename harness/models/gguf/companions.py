"""
Files that go with a model and are none: projectors of images, heads and small models that draft
tokens, the statistics behind a quantization.

A word in a name is no evidence, since models are called GLM-4.5-MTP, EAGLE-7B and draft-qwen: it
is one only where such files have it, and outside the model's own name. Where that leaves doubt the
sizes tell (what drafts is smaller than what it drafts for), or the header does. Never are all files
of a repository passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from harness.models.gguf.file_name import (
    beside_name,
    quantization_of,
    stem,
    stem_path,
    without_quantization,
)
from harness.models.gguf.header import Header
from harness.schema.model_kind import kind_of

PROJECTOR, STATISTICS, DRAFTER = "projector", "statistics", "drafts tokens"
_SHOWN_NAMES = 8
# The first four are llama.cpp's own prefixes (common/download.cpp), where it passes files over.
_DRAFTS = r"mtp|eagle3|dflash\d*|dspark"
_PERHAPS_DRAFTS = rf"{_DRAFTS}|eagle\d*|draft(?:er)?"
_PROJECTOR = re.compile(r"(?:^|[-._ ])mmproj(?=$|[-._ ])", re.I)
_STATISTICS = re.compile(r"(?:^|[-._ ])imatrix(?=$|[-._ ])", re.I)
_FOLDER = re.compile(rf"(?:{_PERHAPS_DRAFTS})s?", re.I)
_BEFORE_NAME = re.compile(rf"(?:{_DRAFTS})[-._ ]", re.I)
_AT_END = re.compile(r".*[-._ ]mtp", re.I)
# Here a model's own name may have the word too.
_PERHAPS = re.compile(
    rf"(?:eagle\d*|draft(?:er)?)[-._ ].*|.*[-._ ](?:{_PERHAPS_DRAFTS}|assistant)", re.I
)
_LAYER = re.compile(r"blk\.(\d+)\.")


@dataclass(frozen=True)
class PassedOver:
    """A file that is no model, and what it is: `why` is one of three words."""

    path: str
    why: str

    def __str__(self) -> str:
        return f"{self.path} ({self.why})"


def told_of(passed: Sequence[PassedOver]) -> str:
    """Which files were passed over, each with why, and how to take one all the same."""
    names = ", ".join(map(str, passed[:_SHOWN_NAMES]))
    more = f" and {len(passed) - _SHOWN_NAMES} more" if len(passed) > _SHOWN_NAMES else ""
    return f"{names}{more}; a whole file name takes one of them"


def companions(
    sizes: Mapping[str, int], name: str, *, is_whole: bool = True
) -> tuple[PassedOver, ...]:
    """
    Those of a repository's GGUF files that go with a model and are none.

    Args:
        sizes: Path in the repository to bytes.
        name: What the repository calls its model (`file_name.model_name`).
        is_whole: These are all of its files. Of a part, as a cache holds it, a file that may be a
            companion is taken for one, even if all are.
    """
    sure = {path: why for path in sizes if (why := _by_form(path, name))}
    doubtful = {path for path in sizes if path not in sure and _perhaps(path, name)}
    plain = sizes.keys() - sure.keys() - doubtful
    n_bytes = _whole_sizes(sizes)
    smaller = {path for path in doubtful if _is_smaller(path, plain, n_bytes)}
    found = sure | dict.fromkeys(smaller if plain else doubtful, DRAFTER)
    # A repository of nothing but drafters holds them as its models; then one of projectors.
    for why in (DRAFTER, PROJECTOR, STATISTICS) if is_whole else ():
        if found.keys() >= sizes.keys():
            found = {path: each for path, each in found.items() if each != why}
    return tuple(PassedOver(path, found[path]) for path in sorted(found))


def companion_by_header(headers: Sequence[Header]) -> str | None:
    """Why a file is none that generates by itself, by its headers; None if they do not say so."""
    metadata = headers[0].metadata
    architecture = metadata.get("general.architecture", "")
    if not isinstance(architecture, str):
        return None
    kind = metadata.get("general.type")
    if architecture == "clip" or kind == "mmproj":
        return PROJECTOR
    if kind == "imatrix":
        return STATISTICS
    if kind_of(architecture) == "drafts":
        return DRAFTER
    n_layer = metadata.get(f"{architecture}.block_count")
    n_extra = metadata.get(f"{architecture}.nextn_predict_layers")
    if not (isinstance(n_layer, int) and isinstance(n_extra, int) and 0 < n_extra < n_layer):
        return None
    tensors = [tensor.name for header in headers for tensor in header.tensors]
    layers = {int(match[1]) for name in tensors if (match := _LAYER.match(name))}
    # Layers after the trunk only predict further tokens; without a trunk they need another file's.
    return DRAFTER if layers and min(layers) >= n_layer - n_extra else None


def _by_form(path: str, name: str) -> str | None:
    """What the place and form of a name tell for certain."""
    left = beside_name(stem(path), name)
    if _PROJECTOR.search(left):
        return PROJECTOR
    # Quantized weights made with them may bear the word too.
    if _STATISTICS.search(left) and quantization_of(path) is None:
        return STATISTICS
    folders = PurePosixPath(path).parent.parts
    is_drafter = (
        any(_FOLDER.fullmatch(folder) for folder in folders)
        or _BEFORE_NAME.match(left)
        or _AT_END.fullmatch(left)
    )
    return DRAFTER if is_drafter else None


def _perhaps(path: str, name: str) -> bool:
    """Whether a word in the name leaves doubt."""
    return bool(_PERHAPS.fullmatch(without_quantization(beside_name(stem(path), name))))


def _is_smaller(path: str, plain: Iterable[str], n_bytes: Mapping[str, int]) -> bool:
    """Whether it is smaller than the models here: of its own quantization, or else all of them."""
    quantization = quantization_of(path)
    alike = [each for each in plain if quantization_of(each) == quantization]
    sizes = [n_bytes[stem_path(each)] for each in alike or plain]
    return bool(sizes) and n_bytes[stem_path(path)] < min(sizes)


def _whole_sizes(sizes: Mapping[str, int]) -> dict[str, int]:
    """The bytes of each model: of one in parts, of all of them."""
    n_bytes: dict[str, int] = {}
    for path, n in sizes.items():
        n_bytes[stem_path(path)] = n_bytes.get(stem_path(path), 0) + n
    return n_bytes
