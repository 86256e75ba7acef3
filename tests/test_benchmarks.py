from __future__ import annotations

import json
import math
from itertools import pairwise
from time import sleep

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from benchmarks.busy import Interval, Timeline, bursts, load
from benchmarks.contenders import parse_llama_bench
from benchmarks.ratios import ratio_of
from harness.schema.settings import Settings

_RATES = st.floats(1.0, 1e5)
_PAIRS = st.lists(st.tuples(_RATES, _RATES), min_size=2, max_size=20)

# `llama-bench -o json -r 3 -p 512 -n 0 -t 2` of ggml 0.25.3, the fields that are read.
_TEST = {
    "build_commit": "0c1e570",
    "n_batch": 2048,
    "n_ubatch": 512,
    "n_threads": 2,
    "type_k": "f16",
    "type_v": "f16",
    "n_gpu_layers": -1,
    "n_cpu_moe": 0,
    "split_mode": "layer",
    "load_mode": "auto",
    "repack": True,
    "n_prompt": 512,
    "n_gen": 0,
    "avg_ts": 1356.635253,
    "samples_ns": [432945109, 323546386, 392383657],
    "samples_ts": [1182.6, 1582.46, 1304.85],
}


@given(_PAIRS)
def test_the_interval_is_that_of_the_t_test_of_the_log_ratios(
    pairs: list[tuple[float, float]],
) -> None:
    ratio = ratio_of(pairs)
    assert ratio
    logs = [math.log(first / second) for first, second in pairs]
    if ratio.spread > 1e-9:
        expected = stats.ttest_1samp(logs, 0).confidence_interval(0.95)
        assert math.log(ratio.low) == pytest.approx(expected.low, abs=1e-9)
        assert math.log(ratio.high) == pytest.approx(expected.high, abs=1e-9)
    assert ratio.low <= ratio.value * (1 + 1e-12)
    assert ratio.value <= ratio.high * (1 + 1e-12)


@given(_PAIRS)
def test_swapping_the_sides_turns_the_ratio_over(pairs: list[tuple[float, float]]) -> None:
    ratio, turned = ratio_of(pairs), ratio_of([(second, first) for first, second in pairs])
    assert ratio
    assert turned
    assert turned.value == pytest.approx(1 / ratio.value)
    assert turned.low == pytest.approx(1 / ratio.high)


def test_a_single_pair_has_a_ratio_and_no_interval() -> None:
    ratio = ratio_of([(2.0, 1.0)])
    assert ratio
    assert ratio.value == pytest.approx(2.0)
    assert ratio.half_width == math.inf
    assert ratio.as_dict()["high"] is None


def test_without_pairs_there_is_no_ratio() -> None:
    assert ratio_of([]) is None


def test_rates_of_llama_bench_come_from_its_nanoseconds() -> None:
    rates, commit = parse_llama_bench(json.dumps([_TEST]), Settings(n_threads=2))
    assert rates == pytest.approx((1182.6, 1582.46, 1304.85), rel=1e-5)
    assert sum(rates) / 3 == pytest.approx(1356.635253)
    assert commit == "0c1e570"


def test_a_llama_bench_with_other_settings_is_refused() -> None:
    with pytest.raises(click.ClickException, match="n_threads is 2 there and 4 here"):
        parse_llama_bench(json.dumps([_TEST]), Settings(n_threads=4))


def test_overlap_is_the_share_of_a_stretch_under_load() -> None:
    timeline = Timeline([Interval(0, 100), Interval(300, 400)])
    assert timeline.overlap_ratio(Interval(50, 350)) == pytest.approx(1 / 3)
    assert timeline.overlap_ratio(Interval(100, 300)) == 0
    assert timeline.overlap_ratio(Interval(310, 320)) == 1


def test_a_burst_that_was_cut_off_ends_with_the_load() -> None:
    assert bursts(["10", "20", "40"], now_ns=45) == [Interval(10, 20), Interval(40, 45)]
    assert bursts(["10", "20"], now_ns=45) == [Interval(10, 20)]


def test_a_load_comes_and_goes_and_tells_when() -> None:
    with load(1, on_ms=20, period_ms=60) as timeline:
        sleep(1)
    assert len(timeline.bursts) > 1
    assert all(burst.length_ns > 0 for burst in timeline.bursts)
    assert all(a.end_ns < b.start_ns for a, b in pairwise(timeline.bursts))
