"""Which models of the catalogue answer to what somebody asks for, and which variant of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.models.catalog.spec import ModelSpec, Variant

# What a model needs beside its weights, at a default context. Ten per cent: the caches and buffers
# of large models (gpt-oss-20b: 4096 positions take 0.2 GB and its buffers 0.4 GB, beside 12.1 GB).
# At least 0.6 GB: scores for 512 positions of the largest vocabulary, 262144 entries, of four
# bytes (0.54 GB), which small models need as well.
_BESIDE_RATIO = 0.10
_BESIDE_LEAST_BYTES = 600_000_000


@dataclass(frozen=True)
class ChoiceRequest:
    """
    What to look for; None asks for nothing.

    `country` and `lab` in any case, `lab` also in part. `memory_bytes` is what a model can have
    on this machine.
    """

    country: str | None = None
    lab: str | None = None
    max_bytes: int | None = None
    memory_bytes: int | None = None


@dataclass(frozen=True)
class Choice:
    """A model that answers, and the variant of it to take; `fits` None is unknown."""

    spec: ModelSpec
    variant: Variant | None
    fits: bool | None = None


def need_bytes(variant: Variant) -> int | None:
    """An estimate of the memory a variant needs, at a default context; None if nobody knows."""
    size = variant.size_bytes
    return None if size is None else size + max(int(size * _BESIDE_RATIO), _BESIDE_LEAST_BYTES)


def fits(variant: Variant, memory_bytes: int) -> bool | None:
    """Whether the variant should run in so much memory; None if its size is unknown."""
    need = need_bytes(variant)
    return None if need is None else need <= memory_bytes


def choose(specs: Sequence[ModelSpec], wanted: ChoiceRequest) -> list[Choice]:
    """
    The models that answer to what is wanted, in their order.

    Of each the default variant if it answers too, else the largest that does. An unknown size is
    never within `max_bytes`; it may fit the memory, and is chosen when nothing is known to fit.
    """
    choices = []
    for spec in specs:
        if _is_from(spec, wanted):
            choice = _chosen_variant(spec, wanted)
            if choice is not None:
                choices.append(choice)
    return choices


def _is_from(spec: ModelSpec, wanted: ChoiceRequest) -> bool:
    countries = spec.country.casefold().split("/") if spec.country else []
    if wanted.country is not None and wanted.country.casefold() not in countries:
        return False
    return wanted.lab is None or wanted.lab.casefold() in spec.lab.casefold()


def _chosen_variant(spec: ModelSpec, wanted: ChoiceRequest) -> Choice | None:
    is_sized = wanted.max_bytes is not None or wanted.memory_bytes is not None
    if not spec.variants:
        return None if is_sized else Choice(spec, None)
    small = [variant for variant in spec.variants if _is_within(variant, wanted.max_bytes)]
    if wanted.memory_bytes is None:
        return Choice(spec, _first_or_largest(spec, small)) if small else None
    verdicts = [(variant, fits(variant, wanted.memory_bytes)) for variant in small]
    for verdict in (True, None):
        those = [variant for variant, each in verdicts if each is verdict]
        if those:
            return Choice(spec, _first_or_largest(spec, those), verdict)
    return None


def _is_within(variant: Variant, max_bytes: int | None) -> bool:
    return max_bytes is None or (variant.size_bytes or max_bytes + 1) <= max_bytes


def _first_or_largest(spec: ModelSpec, variants: Sequence[Variant]) -> Variant:
    if variants[0] is spec.variants[0]:
        return variants[0]
    return max(variants, key=lambda variant: variant.size_bytes or 0)
