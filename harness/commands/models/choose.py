"""Which models of the catalogue answer to what somebody asks for, and which variant of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.errors import UsageError
from harness.models.catalog.spec import ModelSpec, Variant

IsFitting = Callable[[ModelSpec, Variant], bool | None]
"""Whether a variant should run on this machine; None if its size is unknown."""


@dataclass(frozen=True)
class ChoiceRequest:
    """
    What to look for; None asks for nothing.

    `country` and `lab` in any case, `lab` also in part.
    """

    country: str | None = None
    lab: str | None = None
    max_bytes: int | None = None


@dataclass(frozen=True)
class Choice:
    """A model that answers, and the variant of it to take; `fits` None is unknown."""

    spec: ModelSpec
    variant: Variant | None
    fits: bool | None = None


def choose(
    specs: Sequence[ModelSpec], wanted: ChoiceRequest, is_fitting: IsFitting | None = None
) -> list[Choice]:
    """
    The models that answer to what is wanted, and fit if that is asked, in their order.

    Of each the default variant if it answers too, else the largest that does. An unknown size is
    never within `max_bytes`; it may fit the memory, and is chosen when nothing is known to fit.

    Raises:
        UsageError: No model at all is from that country, or from such a lab.
    """
    _require_known(specs, wanted)
    choices = []
    for spec in specs:
        if _is_from(spec, wanted):
            choice = _chosen_variant(spec, wanted, is_fitting)
            if choice is not None:
                choices.append(choice)
    return choices


def _require_known(specs: Sequence[ModelSpec], wanted: ChoiceRequest) -> None:
    """Nothing, if some model is from that country and that lab; a slip is no empty answer."""
    countries = {each for spec in specs for each in _countries(spec)}
    labs = {spec.lab for spec in specs}
    for option, value, known in (
        (f"--country {wanted.country}", ChoiceRequest(country=wanted.country), countries),
        (f"--lab {wanted.lab}", ChoiceRequest(lab=wanted.lab), labs),
    ):
        if value != ChoiceRequest() and not any(_is_from(spec, value) for spec in specs):
            raise UsageError(
                f"{option}: no model of the catalogue is from there; known are "
                f"{', '.join(sorted(known))}"
            )


def _countries(spec: ModelSpec) -> list[str]:
    return spec.country.split("/") if spec.country else []


def _is_from(spec: ModelSpec, wanted: ChoiceRequest) -> bool:
    countries = map(str.casefold, _countries(spec))
    if wanted.country is not None and wanted.country.casefold() not in countries:
        return False
    return wanted.lab is None or wanted.lab.casefold() in spec.lab.casefold()


def _chosen_variant(
    spec: ModelSpec, wanted: ChoiceRequest, is_fitting: IsFitting | None
) -> Choice | None:
    is_sized = wanted.max_bytes is not None or is_fitting is not None
    if not spec.variants:
        return None if is_sized else Choice(spec, None)
    small = [variant for variant in spec.variants if _is_within(variant, wanted.max_bytes)]
    if is_fitting is None:
        return Choice(spec, _first_or_largest(spec, small)) if small else None
    verdicts = [(variant, is_fitting(spec, variant)) for variant in small]
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
