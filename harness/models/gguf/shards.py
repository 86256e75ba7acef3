"""The parts of a model split over several files: by their names, and by what is in them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import ModelInvalid, ModelNotFound
from harness.models.gguf.header import Header, shown

_SHARD = re.compile(r"(?P<stem>.+)-(?P<index>\d{5})-of-(?P<count>\d{5})\.gguf", re.IGNORECASE)
# A name's digits allow 99,999; the largest models published come in about 30 parts.
_MAX_SHARDS = 1000


@dataclass(frozen=True)
class ShardName:
    """Which part of how many NAME-00001-of-00003.gguf speaks of; parts count from 1."""

    stem: str
    index: int
    count: int

    def path(self, directory: Path, index: int) -> Path:
        """Where part `index` lies."""
        return directory / f"{self.stem}-{index:05}-of-{self.count:05}.gguf"


def shard_name(path: Path) -> ShardName | None:
    """What the name of `path` says about being a part; None if it says nothing."""
    match = _SHARD.fullmatch(path.name)
    if not match or not 1 <= int(match["count"]) <= _MAX_SHARDS:
        return None
    return ShardName(match["stem"], int(match["index"]), int(match["count"]))


def shard_paths(path: Path) -> tuple[Path, ...]:
    """
    All files of the model that `path` begins: itself alone, or every part in order.

    Raises:
        ModelNotFound: `path` is a later part, or a part is missing.
    """
    name = shard_name(path)
    if name is None or name.count == 1:
        return (path,)
    first = name.path(path.parent, 1)
    if name.index != 1:
        raise ModelNotFound(
            f"{path} is part {name.index} of {name.count}; pass the first part: {first}"
        )
    others = [name.path(path.parent, index) for index in range(2, name.count + 1)]
    missing = [other.name for other in others if not other.is_file()]
    if missing:
        raise ModelNotFound(
            f"{path} is the first of {name.count} parts and {len(missing)} are missing: "
            f"{', '.join(missing[:3])}; download them into {path.parent}"
        )
    return (path, *others)


def check_parts(headers: Sequence[Header], name: str) -> None:
    """
    Nothing, if `headers` (one a part, in order) are what the engine takes for one model.

    Raises:
        ModelInvalid: A part is another's, tensors are missing or there twice. `name` is that of
            the first part.
    """
    stated = _count(headers[0], "split.count") or 1
    if stated == 1 and len(headers) > 1:
        raise ModelInvalid(
            f"{name} is a whole model by its header and part of {len(headers)} by its name; "
            "give it a name without the numbers"
        )
    if stated != len(headers):
        raise ModelInvalid(
            f"{name} is part of a model split in {stated}, but its name does not say so; "
            f"give the parts their names back (NAME-00001-of-{stated:05}.gguf) and pass the first"
        )
    if stated == 1:
        return
    for index, header in enumerate(headers):
        if _count(header, "split.no") != index:
            raise ModelInvalid(
                f"part {index + 1} of {name} is not what its name says (its split.no is "
                f"{header.metadata.get('split.no')!r} instead of {index}); download it again"
            )
    tensors = Counter(tensor.name for header in headers for tensor in header.tensors)
    for tensor, n_times in tensors.most_common(1):
        if n_times > 1:
            raise ModelInvalid(
                f"two parts of {name} both hold the tensor {shown(tensor)}; download them again"
            )
    n_stated = _count(headers[0], "split.tensors.count")
    if n_stated != len(tensors):
        raise ModelInvalid(
            f"the parts of {name} hold {len(tensors)} tensors and should hold {n_stated}; "
            "download them again, all from one revision"
        )


def _count(header: Header, key: str) -> int | None:
    value = header.metadata.get(key)
    return value if type(value) is int else None
