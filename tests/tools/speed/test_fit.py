from __future__ import annotations

import math
from importlib import resources
from random import Random

import pytest

from harness.analysis.speed.class_rates import class_rates
from harness.schema.prediction import COVERAGE
from tools.speed.__main__ import as_json, kind_of, predicted, rounded, with_spreads
from tools.speed.errors import (
    corrected_here,
    coverage,
    dense_and_mixture,
    depth_ratios,
    left_out,
    misses,
    nested_coverage,
    several,
    spreads,
)
from tools.speed.fit import fit_classes
from tools.speed.published import Case, published


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    return published()


def test_every_published_row_has_a_chip_a_shape_and_a_source(cases: list[Case]) -> None:
    assert len(cases) > 450
    assert len({case.chip.name for case in cases}) > 50
    assert all(case.source and case.seconds > 0 for case in cases)
    assert {case.kind for case in cases} == {"pp", "tg"}


@pytest.mark.parametrize(
    ("model", "kv_mb"),
    # Megabytes of f16 cache at 1,024 positions, from the published configurations.
    [("llama2-7b", 536.9), ("gpt-oss-20b", 28.3), ("gemma3-4b", 142.6), ("glm4.7-flash", 55.4)],
)
def test_shapes_cost_the_cache_that_they_should(
    cases: list[Case], model: str, kv_mb: float
) -> None:
    work = next(case.work for case in cases if case.model == model)
    assert work.cache_read_bytes(1024) / 1e6 == pytest.approx(kv_mb, rel=0.01)


def test_the_shipped_file_is_as_the_tool_writes_it() -> None:
    shipped = resources.files("harness").joinpath("data", "class_rates.json").read_text("utf-8")

    assert as_json(class_rates()) == shipped
    assert rounded(class_rates()) == class_rates()


@pytest.mark.slow
def test_the_shipped_parameters_are_the_fitted_ones(cases: list[Case]) -> None:
    by_chip = left_out(cases, lambda case: case.chip.name)
    fitted, shipped = rounded(with_spreads(fit_classes(cases), by_chip)), class_rates()
    # Two digits: optimizers stop at slightly different places.
    assert fitted.mixture_factor == pytest.approx(shipped.mixture_factor, rel=0.02)
    assert fitted.cache_factor == pytest.approx(shipped.cache_factor, rel=0.02)
    assert fitted.stream_share == pytest.approx(shipped.stream_share, rel=0.02)
    assert set(fitted.decode) == set(shipped.decode)
    assert set(fitted.prefill) == set(shipped.prefill)
    for name, of_class in fitted.decode.items():
        known = shipped.decode[name]
        assert of_class.bandwidth_share == pytest.approx(known.bandwidth_share, rel=0.02)
        assert of_class.block_s == pytest.approx(known.block_s, rel=0.02)
        assert of_class.spread.low == pytest.approx(known.spread.low, abs=0.02)
        assert of_class.spread.high == pytest.approx(known.spread.high, abs=0.02)
    for name in ("known_decode", "known_prefill"):
        of_fit, known_spread = getattr(fitted, name), getattr(shipped, name)
        assert of_fit.low == pytest.approx(known_spread.low, abs=0.02)
        assert of_fit.high == pytest.approx(known_spread.high, abs=0.02)
    for name, family in fitted.prefill.items():
        assert family.peak_share == pytest.approx(shipped.prefill[name].peak_share, rel=0.02)


@pytest.mark.slow
def test_chips_left_out_are_missed_by_no_more_than_the_page_says(cases: list[Case]) -> None:
    by_chip = predicted(left_out(cases, lambda case: case.chip.name), "tg")
    shallow = sorted(miss.error for miss in by_chip if miss.case.is_shallow)
    assert shallow[len(shallow) // 2] < 0.10
    assert shallow[len(shallow) * 9 // 10] < 0.25
    deep = sorted(miss.error for miss in depth_ratios(by_chip))
    assert deep[len(deep) // 2] < 0.05
    assert deep[len(deep) * 9 // 10] < 0.15


@pytest.mark.slow
def test_intervals_hold_what_was_left_out(cases: list[Case]) -> None:
    by_chip = predicted(left_out(cases, lambda case: case.chip.name), "tg")
    assert coverage(by_chip, kind_of, spreads(by_chip, kind_of)) >= COVERAGE - 0.01
    inside = nested_coverage(by_chip, kind_of, 1.2)
    assert sum(inside) / len(inside) >= COVERAGE


def test_an_anchor_takes_away_what_it_shares_with_its_target(cases: list[Case]) -> None:
    found = misses([case for case in cases if case.kind == "tg"], class_rates())
    pairs = corrected_here(found, several(1), is_class_loose=True)
    assert pairs
    assert sum(miss.log_ratio for miss in pairs) == pytest.approx(0, abs=1e-6)
    assert all(miss.error == abs(math.exp(-miss.log_ratio) - 1) for miss in pairs)


def test_known_are_other_models_and_where_asked_one_of_each_kind(cases: list[Case]) -> None:
    found = misses([case for case in cases if case.chip.name == "GB10"], class_rates())
    for local_results in dense_and_mixture(found, Random(0)):
        assert [it.case.work.is_mixture for it in local_results] == [False, True]
    for local_results in several(3)(found, Random(0)):
        assert len({it.case.model for it in local_results}) == 3


@pytest.mark.slow
def test_a_dense_model_and_a_mixture_known_correct_the_others_as_the_page_says(
    cases: list[Case],
) -> None:
    by_chip = predicted(left_out(cases, lambda case: case.chip.name), "tg")
    shallow = [miss for miss in by_chip if miss.case.is_shallow]
    errors = sorted(miss.error for miss in corrected_here(shallow, dense_and_mixture))
    assert errors[len(errors) // 2] < 0.08
    assert errors[len(errors) * 9 // 10] < 0.20
