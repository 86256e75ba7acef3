"""The parts of a model split over several files, by their names: NAME-00001-of-00003.gguf."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from harness.errors import ModelNotFound

_SHARD = re.compile(r"(?P<stem>.+)-(?P<index>\d{5})-of-(?P<count>\d{5})\.gguf", re.IGNORECASE)
# A name's digits allow 99,999; the largest models published come in about 30 parts.
_MAX_SHARDS = 1000


@dataclass(frozen=True)
class ShardName:
    """Which part of how many a file name speaks of; parts count from 1."""

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
