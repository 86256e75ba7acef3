"""Values of documents that others wrote: what has the wrong type, or makes no sense, is None."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

_MOST = 2**63 - 1
_MOST_TEXT = 1000


def mapping(value: Any) -> Mapping[str, Any]:
    """The object; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def items(value: Any) -> list[Any]:
    """The list; an empty one for anything else."""
    return value if isinstance(value, list) else []


def text(value: Any) -> str | None:
    """The text without blanks around it, if there is any and it is no longer than a name is."""
    if not isinstance(value, str) or len(value) > _MOST_TEXT:
        return None
    return value.strip() or None


def count(value: Any) -> int | None:
    """How many: a whole number, written as one or as "3.0"; a negative one is none."""
    number = _number(value)
    return int(number) if number is not None and number == int(number) else None


def positive(value: Any) -> int | None:
    """`count`, of what cannot be 0: a context, a size."""
    return count(value) or None


def flag(value: Any) -> bool | None:
    """True or False; no other value stands for either."""
    return value if isinstance(value, bool) else None


def scaled(value: Any, factor: float) -> int | None:
    """A number in other units, rounded: milliseconds times 1e6 are nanoseconds."""
    number = _number(value)
    if number is None or number * factor > _MOST:
        return None
    return round(number * factor)


def short_name(name: str) -> str:
    """A name without what people leave away: case, folders, ".gguf", Ollama's ":latest"."""
    # Servers of either system may serve from the other's paths.
    base = PurePath(name.replace("\\", "/")).name.casefold()
    return base.removesuffix(":latest").removesuffix(".gguf")


def _number(value: Any) -> int | float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if 0 <= value <= _MOST else None  # neither holds of NaN
