"""
The parameters of the machine classes, fitted to published results: harness/data/class_rates.json.

`python -m tools.speed --write` writes that file, not a person; a test compares it with what that
finds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

from pydantic import TypeAdapter

from harness.analysis.speed.rates import Spread


@dataclass(frozen=True)
class ClassDecode:
    """
    Decode on one class of chips.

    `bandwidth_share` of the nominal bandwidth and `block_s` trade against each other: neither is
    to be read as physics.
    """

    bandwidth_share: float
    block_s: float
    spread: Spread


@dataclass(frozen=True)
class FamilyPrefill:
    """
    Prefill in one family: the share of the peak that matrices reach, and of that, attention.

    Above 1 the matrix units help, which the peak in single precision does not count.
    `half_precision_factor` multiplies the time of matrices in F16 and BF16.
    """

    peak_share: float
    attention_share: float
    half_precision_factor: float
    spread: Spread


@dataclass(frozen=True)
class ClassParameters:
    """
    All that speeds by class follow from.

    `cache_factor` multiplies the time of the cache's bytes, which kernels read less well than
    weights. `first_generation_share` multiplies the bandwidth share of Apple's M1. `stream_share`
    is the part of the bandwidth at which a micro-batch reads its weights. `known_decode` and
    `known_prefill` are what remains once another model's result of the machine is known.
    """

    mixture_factor: float
    recurrent_factor: float
    cache_factor: float
    metal_latent_factor: float
    first_generation_share: float
    recurrent_prefill_factor: float
    stream_share: float
    decode: Mapping[str, ClassDecode]
    prefill: Mapping[str, FamilyPrefill]
    known_decode: Spread
    known_prefill: Spread


@cache
def class_rates() -> ClassParameters:
    """The shipped parameters."""
    data = resources.files("harness").joinpath("data", "class_rates.json").read_bytes()
    return TypeAdapter(ClassParameters).validate_json(data)
