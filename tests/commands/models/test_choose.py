from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.commands.models.choose import Choice, ChoiceRequest, IsFitting, choose
from harness.errors import UsageError
from harness.models.catalog.catalog import load_catalog
from harness.models.catalog.spec import HubSource, ModelSpec, Variant

GB = 1_000_000_000


def variant(quantization: str, n_bytes: int | None, *, is_approx: bool = False) -> Variant:
    source = HubSource(kind="hub", repo="owner/model-GGUF")
    if is_approx:
        return Variant(quantization=quantization, approx_bytes=n_bytes, source=source)
    return Variant(quantization=quantization, n_bytes=n_bytes, source=source)


def model(
    name: str, *variants: Variant, lab: str = "A Lab", country: str | None = "CN"
) -> ModelSpec:
    return ModelSpec(name=name, lab=lab, country=country, licence="MIT", variants=variants)


MIDDLE = model("middle", variant("Q4", 4 * GB), variant("Q2", 2 * GB), variant("Q8", 8 * GB))
VAGUE = model("vague", variant("Q4", None), variant("Q8", 8 * GB, is_approx=True), country="US/FR")
EMPTY = model("empty", lab="Somebody Else", country=None)
ALL = (MIDDLE, VAGUE, EMPTY)


def within(n_bytes: int) -> IsFitting:
    """Whether the file and a tenth of it go into so much memory."""

    def is_fitting(_: ModelSpec, variant: Variant) -> bool | None:
        size = variant.size_bytes
        return None if size is None else size * 11 // 10 <= n_bytes

    return is_fitting


def named(choices: list[Choice]) -> list[tuple[str, str | None, bool | None]]:
    return [
        (each.spec.name, each.variant.quantization if each.variant else None, each.fits)
        for each in choices
    ]


def test_who_asks_for_nothing_gets_every_model_with_its_usual_variant() -> None:
    assert named(choose(ALL, ChoiceRequest())) == [
        ("middle", "Q4", None),
        ("vague", "Q4", None),
        ("empty", None, None),
    ]


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (ChoiceRequest(country="C"), "--country C: no model .* known are CN, FR, US"),
        (ChoiceRequest(country=""), "--country : no model"),
        (ChoiceRequest(lab="nowhere"), "--lab nowhere: no model .* known are A Lab"),
    ],
)
def test_a_country_or_lab_that_nobody_is_from_is_a_slip(wanted: ChoiceRequest, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        choose(ALL, wanted)


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        (ChoiceRequest(country="cn"), ["middle"]),
        (ChoiceRequest(country="FR"), ["vague"]),
        (ChoiceRequest(lab="a lab"), ["middle", "vague"]),
        (ChoiceRequest(lab="body"), ["empty"]),
        (ChoiceRequest(lab="body", country="cn"), []),
    ],
)
def test_country_and_lab_are_found_in_any_case_and_the_lab_in_part(
    wanted: ChoiceRequest, names: list[str]
) -> None:
    assert [choice.spec.name for choice in choose(ALL, wanted)] == names


def test_a_size_limit_takes_the_usual_variant_if_it_is_small_enough_else_the_largest() -> None:
    assert named(choose(ALL, ChoiceRequest(max_bytes=8 * GB))) == [
        ("middle", "Q4", None),
        ("vague", "Q8", None),
    ]
    assert named(choose(ALL, ChoiceRequest(max_bytes=3 * GB))) == [("middle", "Q2", None)]
    assert choose(ALL, ChoiceRequest(max_bytes=GB)) == []


def test_what_fits_is_said_and_what_nobody_knows_is_never_said_to_fit() -> None:
    assert named(choose(ALL, ChoiceRequest(), within(5 * GB))) == [
        ("middle", "Q4", True),
        ("vague", "Q4", None),
    ]
    assert named(choose(ALL, ChoiceRequest(), within(3 * GB))) == [
        ("middle", "Q2", True),
        ("vague", "Q4", None),
    ]
    assert named(choose(ALL, ChoiceRequest(), within(100 * GB))) == [
        ("middle", "Q4", True),
        ("vague", "Q8", True),
    ]


def test_size_and_memory_limits_hold_together() -> None:
    wanted = ChoiceRequest(max_bytes=3 * GB)
    assert named(choose(ALL, wanted, within(100 * GB))) == [("middle", "Q2", True)]


SHIPPED = load_catalog().models
SIZES = st.integers(1, 2 * 10**12)


@given(st.none() | SIZES, st.none() | SIZES)
def test_whatever_is_chosen_keeps_within_what_was_asked(
    max_bytes: int | None, memory_bytes: int | None
) -> None:
    specs = SHIPPED
    is_fitting = None if memory_bytes is None else within(memory_bytes)
    for choice in choose(specs, ChoiceRequest(max_bytes=max_bytes), is_fitting):
        if max_bytes is not None:
            assert choice.variant is not None
            assert choice.variant.size_bytes is not None
            assert choice.variant.size_bytes <= max_bytes
        if is_fitting is not None:
            assert choice.variant is not None
            assert choice.fits == is_fitting(choice.spec, choice.variant)
            assert choice.fits is not False
