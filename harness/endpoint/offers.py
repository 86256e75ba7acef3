"""What a server serves, as far as it says so, and which of it is meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from harness.endpoint.address import Address
from harness.endpoint.call import Api
from harness.endpoint.failure import quoted
from harness.endpoint.values import short_name
from harness.errors import HarnessError

Server = Literal[
    "llama-server",
    "llama-cpp-python",
    "mlx-lm",
    "vllm",
    "ollama",
    "lm-studio",
    "lemonade",
    "koboldcpp",
    "openai-compatible",
]

_MOST_LISTED = 6
_SIZES = {"small": "S", "medium": "M", "large": "L"}
_FTYPE = re.compile(r"(?:\(guessed\) )?(?:all |mostly )?(\w+)(?: - (\w+))?.*", re.IGNORECASE)
_ROUNDED = re.compile(r"(\d+(?:\.\d+)?)\s*([KMBT])", re.IGNORECASE)
_POWER = {"K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}


@dataclass(frozen=True, slots=True)
class OfferedModel:
    """
    A model that a server serves; what it does not tell is None.

    Attributes:
        name: By which requests ask for it.
        quantization: As files are called: "Q4_K_M".
        n_params: Rounded where the server rounds.
        n_bytes: Of its weights.
        n_ctx: Positions that one request has.
        n_slots: Requests that are computed together.
        path: Of its file, as the server names it.
        sha256: Of its file.
        is_loaded: Whether it is in memory, so that no request has to wait for that.
        can_reason: Whether it may write reasoning before its answer.
    """

    name: str
    quantization: str | None = None
    architecture: str | None = None
    n_params: int | None = None
    n_bytes: int | None = None
    n_ctx: int | None = None
    n_slots: int | None = None
    path: str | None = None
    sha256: str | None = None
    is_loaded: bool | None = None
    can_reason: bool | None = None


@dataclass(frozen=True, slots=True)
class Identified:
    """
    A server: which, and what it serves.

    Attributes:
        address: Where it answers; what was asked, or with the prefix below which it does.
        api: What to measure it by.
        version: As it tells it.
    """

    address: Address
    server: Server
    version: str | None
    api: Api
    models: tuple[OfferedModel, ...]


def choose(identified: Identified, wanted: str | None) -> OfferedModel:
    """
    The model that is meant: the one called `wanted`, or the only one, or the only one loaded.

    Raises:
        HarnessError: There is none, or several and none is named; it lists what there is.
    """
    models, url = identified.models, identified.address.url
    if not models:
        raise HarnessError(f"{url} serves no model now; load one there")
    if wanted is not None:
        found = _called(models, wanted)
        if found is None:
            raise HarnessError(f"{url} does not serve {wanted!r}; {_offered(models, wanted)}")
        return found
    loaded = [model for model in models if model.is_loaded]
    for those in (models, loaded):
        if len(those) == 1:
            return those[0]
    raise HarnessError(
        f"{url} serves several models; name one, as {url}#NAME or with --model: "
        f"{_listed(loaded or models)}"
    )


def quantization_of(ftype: str | None) -> str | None:
    """A quantization as files are called, from llama.cpp's words: "Q4_K - Medium" -> "Q4_K_M"."""
    found = _FTYPE.fullmatch(ftype or "")
    if not found:
        return None
    size = _SIZES.get((found[2] or "").lower())
    return f"{found[1]}_{size}" if size else found[1]


def rounded_count(text: str | None) -> int | None:
    """Parameters as people write them: "8.03B" -> 8030000000."""
    found = _ROUNDED.fullmatch((text or "").strip())
    return round(float(found[1]) * _POWER[found[2].upper()]) if found else None


def _called(models: Sequence[OfferedModel], wanted: str) -> OfferedModel | None:
    """By the very name, else by one that only one of them can mean."""
    for model in models:
        if model.name == wanted:
            return model
    short = short_name(wanted)
    found = [model for model in models if short_name(model.name) == short]
    return found[0] if len(found) == 1 else None


def _offered(models: Sequence[OfferedModel], wanted: str) -> str:
    names = {short_name(model.name): model.name for model in models}
    near = difflib.get_close_matches(short_name(wanted), names, n=1, cutoff=0.5)
    if near and len(models) > 1:
        return f"the nearest that it does is {quoted(names[near[0]])!r}"
    return f"it serves {_listed(models)}"


def _listed(models: Sequence[OfferedModel]) -> str:
    names = [quoted(model.name) for model in models[:_MOST_LISTED]]
    more = len(models) - len(names)
    return ", ".join(names) + (f" and {more} more (see `harness endpoints`)" if more else "")
