from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.models.catalog.catalog import load_catalog
from harness.models.catalog.choice import Choice, ChoiceRequest, choose, fits, need_bytes
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
    ("wanted", "names"),
    [
        (ChoiceRequest(country="cn"), ["middle"]),
        (ChoiceRequest(country="FR"), ["vague"]),
        (ChoiceRequest(country="C"), []),
        (ChoiceRequest(country=""), []),
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
    assert named(choose(ALL, ChoiceRequest(memory_bytes=5 * GB))) == [
        ("middle", "Q4", True),
        ("vague", "Q4", None),
    ]
    assert named(choose(ALL, ChoiceRequest(memory_bytes=3 * GB))) == [
        ("middle", "Q2", True),
        ("vague", "Q4", None),
    ]
    assert named(choose(ALL, ChoiceRequest(memory_bytes=100 * GB))) == [
        ("middle", "Q4", True),
        ("vague", "Q8", True),
    ]


def test_size_and_memory_limits_hold_together() -> None:
    wanted = ChoiceRequest(max_bytes=3 * GB, memory_bytes=100 * GB)
    assert named(choose(ALL, wanted)) == [("middle", "Q2", True)]


def test_small_models_need_room_for_scores_and_large_ones_a_tenth_more() -> None:
    assert need_bytes(variant("Q4", GB // 10)) == GB // 10 + 600_000_000
    assert need_bytes(variant("Q4", 100 * GB)) == 110 * GB
    assert need_bytes(variant("Q4", 100 * GB, is_approx=True)) == 110 * GB
    assert need_bytes(variant("Q4", None)) is None
    assert fits(variant("Q4", None), 10**18) is None


SHIPPED = load_catalog().models
SIZES = st.integers(1, 2 * 10**12)


@given(SIZES, SIZES, SIZES)
def test_more_memory_never_makes_a_model_unfit(size: int, memory: int, more: int) -> None:
    one = variant("Q4", size)
    assert not (fits(one, memory) and not fits(one, memory + more))
    need = need_bytes(one)
    assert need is not None
    assert need > size


@given(st.none() | SIZES, st.none() | SIZES)
def test_whatever_is_chosen_keeps_within_what_was_asked(
    max_bytes: int | None, memory_bytes: int | None
) -> None:
    specs = SHIPPED
    for choice in choose(specs, ChoiceRequest(max_bytes=max_bytes, memory_bytes=memory_bytes)):
        if max_bytes is not None:
            assert choice.variant is not None
            assert choice.variant.size_bytes is not None
            assert choice.variant.size_bytes <= max_bytes
        if memory_bytes is not None:
            assert choice.variant is not None
            assert choice.fits == fits(choice.variant, memory_bytes)
            assert choice.fits is not False
