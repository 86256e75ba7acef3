from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from random import Random
from time import sleep

import click
import psutil
import pytest
from make.records import make_machine
from make.work import make_work

from benchmarks import planted_load
from benchmarks.batched_bench import LlamaBatchedBench, parse_batched_bench
from benchmarks.busy import Interval, Timeline, bursts, load
from benchmarks.llama_bench import parse_llama_bench
from benchmarks.memory_load import KINDS
from harness.analysis.speed.known_bandwidth import MemoryReading
from harness.schema.settings import Settings
from harness.schema.workload import ParallelDecode, ParallelPrefill

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

_PROMPTS, _STEPS = ParallelPrefill(64, n_sequences=4), ParallelDecode(32, 64, 4)
_ROW = (
    '{"n_kv_max": 1024, "n_batch": 2048, "n_ubatch": 512, "flash_attn": -1, "is_pp_shared": 0, '
    '"n_gpu_layers": -1, "n_threads": 2, "n_threads_batch": 2, "pp": 64, "tg": 32, "pl": 4, '
    '"n_kv": 384, "t_pp": 0.976430, "speed_pp": %s, "t_tg": 1.065780, "speed_tg": %s, '
    '"t": 2.042210, "speed": 188.032272}\n'
)
_BATCHED = f"\n{_ROW % (262.2, 120.1)}{_ROW % (263.1, 121.7)}\nllama_perf_context_print: 7 ms\n"


def test_rates_of_llama_bench_come_from_its_nanoseconds() -> None:
    rates, commit = parse_llama_bench(json.dumps([_TEST]), Settings(n_threads=2))
    assert rates == pytest.approx((1182.6, 1582.46, 1304.85), rel=1e-5)
    assert sum(rates) / 3 == pytest.approx(1356.635253)
    assert commit == "0c1e570"


def test_a_llama_bench_with_other_settings_is_refused() -> None:
    with pytest.raises(click.ClickException, match="n_threads is 2 there and 4 here"):
        parse_llama_bench(json.dumps([_TEST]), Settings(n_threads=4))


def test_rows_of_llama_batched_bench_are_found_among_what_else_it_prints() -> None:
    found = parse_batched_bench(_BATCHED, Settings(n_threads=2), _PROMPTS, _STEPS)
    assert [(row["speed_pp"], row["speed_tg"]) for row in found] == [(262.2, 120.1), (263.1, 121.7)]


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (_BATCHED.replace('"pl": 4', '"pl": 2', 1), "pl is 2 there and 4 here"),
        (_BATCHED.replace('"n_kv_max": 1024', '"n_kv_max": 512', 1), "n_kv_max is 512 there"),
        ("main: failed to decode the batch", "no row"),
    ],
)
def test_a_llama_batched_bench_of_something_else_is_refused(said: str, why: str) -> None:
    with pytest.raises(click.ClickException, match=why):
        parse_batched_bench(said, Settings(n_threads=2), _PROMPTS, _STEPS)


def test_steps_behind_other_prompts_are_no_row_of_llama_batched_bench(tmp_path: Path) -> None:
    other = LlamaBatchedBench(tmp_path / "none", Settings(n_threads=1), 2)
    for tasks in ((_PROMPTS, ParallelDecode(32, 0, 4)), (_PROMPTS, ParallelDecode(32, 64, 2))):
        with pytest.raises(click.UsageError, match="is not decoded behind pp64x4"):
            other.measured(tmp_path, tasks)


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


def test_ranges_are_held_to_speeds_in_quiet_beside_each_planted_load(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def reading(kind: str, n: int, *_: object) -> MemoryReading:
        share = 0.02 if kind == "none" else 0.2 * n
        return MemoryReading(
            bytes_per_s=round(30e9 * (1 - share)),
            read_at="2026-12-01T00:00:00+00:00",
            others_ratio=share,
        )

    monkeypatch.setattr(planted_load, "_reading", reading)
    work = make_work(weights_bytes=2 * 10**9, token_read_bytes=2 * 10**9)
    truth = planted_load.Truth("m", "tg64", work, 10.0)
    arguments = ([truth], make_machine(), Settings(n_threads=2), 1, Random(1))
    cases = list(planted_load._cases(*arguments))
    assert len(cases) == 13
    assert all(case.holds("alone") and case.holds("stored") for case in cases)
    # As it was, a range followed the load of the minute.
    assert not all(case.holds("before") for case in cases)
    rows = planted_load._table(cases).splitlines()[2:]
    assert [row.split()[:2] for row in rows] == [
        ["none", "1"], ["compute", "4"], ["read", "4"], ["copy", "4"], ["all", "13"],
    ]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_a_memory_load_lasts_as_long_as_the_block(kind: str) -> None:
    with planted_load._planted(kind, 1):
        mine = [it for it in psutil.Process().children() if kind in it.cmdline()]
        assert [it.is_running() for it in mine] == [True]
    assert not any(it.is_running() for it in mine)
