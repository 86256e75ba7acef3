from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from make.records import CPU, GPU, make_machine
from make.work import make_attention, make_work

from harness.analysis.speed.calibration import Calibration, CalibrationSample, joined, staleness
from harness.analysis.speed.calibration_fit import speed_of
from harness.analysis.speed.class_rates import class_rates
from harness.analysis.speed.rates import (
    DecodeSpeed,
    PrefillSpeed,
    Spread,
    decode_seconds,
    picked_expert_bytes,
    prefill_seconds,
)
from harness.schema.experiment import EngineInfo
from harness.schema.settings import Settings
from harness.schema.work import Work
from harness.schema.workload import parse_workload

SETTINGS = Settings(n_threads=2)
ENGINE = EngineInfo(
    binding="llama-cpp-python",
    binding_version="0.3.36",
    library_version="10023",
    library_commit="0123abc",
    system_info="",
    supports_gpu_offload=False,
    devices=(CPU,),
)
DECODE = DecodeSpeed(
    weights_bytes_per_s=25e9,
    cache_bytes_per_s=math.inf,
    attention_s_per_flop=6e-11,
    narrow_attention_s_per_flop=4e-11,
    block_s=6e-5,
    spread=Spread(0, 0),
    expert_s_per_byte=1.5e-11,
    type_bytes_per_s={"Q8_0": 30e9, "Q4_K": 25e9, "Q6_K": 28e9, "IQ3_S": 7e9},
)
DECODE_GPU = replace(
    DECODE,
    cache_bytes_per_s=6e9,
    attention_s_per_flop=0.0,
    narrow_attention_s_per_flop=0.0,
    mixture_block_s=9e-6,
    token_s=3e-5,
)
PREFILL = PrefillSpeed(
    flops_per_s=3e11,
    attention_flops_per_s=4e10,
    stream_bytes_per_s=8e10,
    spread=Spread(0, 0),
    type_expert_s_per_flop={"Q4_K": 2e-12},
    type_flops_per_s={"Q8_0": 2.4e11, "Q4_K": 3e11, "Q6_K": 3.4e11, "IQ3_S": 4e11},
)


def dense(shares: dict[str, int], n_blocks: int = 4, n_key_elements: int = 256) -> Work:
    """Bytes by type; as many weights as bytes, which is as good as any other number."""
    total = sum(shares.values())
    attention = make_attention(n_layer=n_blocks, n_key_elements=n_key_elements)
    return make_work(
        token_read_bytes=total,
        weights_bytes=total,
        n_params_multiplied=total,
        type_params=shares,
        type_read_bytes=shares,
        n_blocks=n_blocks,
        attention=(attention,),
    )


MIXTURE = dense({"Q4_K": 60_000_000}).model_copy(
    update={
        "expert_read_bytes": 40_000_000,
        "expert_bytes": 320_000_000,
        "expert_params": {"Q4_K": 50_000_000},
    }
)
MODELS = {
    "wide": dense({"Q8_0": 180_000_000}, n_key_elements=512),
    "deep": dense({"Q8_0": 160_000_000}, n_blocks=40),
    "Q4_K": dense({"Q4_K": 170_000_000}),
    "Q6_K": dense({"Q6_K": 175_000_000}),
    "IQ3_S": dense({"IQ3_S": 170_000_000}),
    "both": dense({"Q4_K": 120_000_000, "Q6_K": 60_000_000}, n_blocks=16),
    "experts": MIXTURE,
    "deep experts": MIXTURE.model_copy(update={"n_blocks": 24}),
    "again": dense({"Q8_0": 180_000_000}),
}
WORKLOADS = ("tg32", "tg16@d2048", "pp64", "pp512", "pp256@d2048")


def seconds(work: Work, workload: str, decode: DecodeSpeed, prefill: PrefillSpeed) -> float:
    task = parse_workload(workload)
    if task.decode_metric:
        return decode_seconds(work, decode, task.mean_positions, SETTINGS)[0]
    n_prompt = task.n_prompt
    return prefill_seconds(work, prefill, n_prompt, task.depth, 512)[0] / n_prompt


def calibrated(
    noise: float = 0.0,
    decode: DecodeSpeed = DECODE,
    prefill: PrefillSpeed = PREFILL,
    **changes: Any,
) -> Calibration:
    rng = np.random.default_rng(1)
    samples = tuple(
        CalibrationSample(
            name=name,
            work=work,
            workload=workload,
            tok_per_s=math.exp(noise * rng.standard_normal())
            / seconds(work, workload, decode, prefill),
            n_trials=3,
            n_ubatch=512,
        )
        for name, work in MODELS.items()
        for workload in WORKLOADS
    )
    facts: dict[str, Any] = {
        "machine_id": make_machine().id,
        "measured_at": "2026-11-23T21:00:00+00:00",
        "engine_version": "10023",
        "engine_commit": "0123abc",
        "n_threads": 2,
        "has_gpu": False,
        "duration_ns": 10**11,
        "samples": samples,
    }
    return Calibration(**(facts | changes))


def test_the_fit_finds_the_rates_that_made_the_samples() -> None:
    speed = speed_of(calibrated())
    assert speed
    assert speed.prefill
    decode, prefill = speed.decode, speed.prefill
    assert decode.block_s == pytest.approx(DECODE.block_s, rel=1e-6)
    assert decode.attention_s_per_flop == pytest.approx(6e-11, rel=1e-6)
    assert decode.narrow_attention_s_per_flop == pytest.approx(4e-11, rel=1e-6)
    assert decode.expert_s_per_byte == pytest.approx(DECODE.expert_s_per_byte, rel=1e-6)
    for name, rate in DECODE.type_bytes_per_s.items():
        assert decode.type_bytes_per_s[name] == pytest.approx(rate, rel=1e-6)
    assert prefill.attention_flops_per_s == pytest.approx(4e10, rel=1e-6)
    assert prefill.stream_bytes_per_s == pytest.approx(8e10, rel=1e-6)
    for name, rate in PREFILL.type_flops_per_s.items():
        assert prefill.type_flops_per_s[name] == pytest.approx(rate, rel=1e-6)
    assert prefill.type_expert_s_per_flop == {"Q4_K": pytest.approx(2e-12, rel=1e-6)}


def test_a_prompts_arithmetic_in_experts_is_told_by_weights_and_not_by_bytes() -> None:
    speed = speed_of(calibrated())
    assert speed
    assert speed.prefill
    # An output head as large as all the rest is read for every token and multiplied with the
    # last one only: it takes nothing from what a prompt does in experts.
    with_head = MIXTURE.model_copy(update={"token_read_bytes": 2 * MIXTURE.token_read_bytes})
    streams = replace(speed.prefill, stream_bytes_per_s=math.inf)
    times = [prefill_seconds(work, streams, 512, 0, 512)[0] for work in (MIXTURE, with_head)]
    assert times[0] == times[1]
    dense_twin = MIXTURE.model_copy(update={"expert_params": {}})
    more = times[0] - prefill_seconds(dense_twin, streams, 512, 0, 512)[0]
    assert more == pytest.approx(512 * 2 * 50_000_000 * 2e-12, rel=1e-6)


def test_experts_of_a_type_that_was_not_measured_are_slowed_as_the_others_are() -> None:
    speed = speed_of(calibrated())
    assert speed
    assert speed.prefill
    assert speed.prefill.expert_s_per_flop == pytest.approx(2e-12, rel=1e-6)


def test_on_a_gpu_the_cache_costs_its_bytes() -> None:
    speed = speed_of(calibrated(decode=DECODE_GPU, has_gpu=True))
    assert speed
    assert speed.decode.cache_bytes_per_s == pytest.approx(6e9, rel=1e-6)
    assert speed.decode.attention_s_per_flop == speed.decode.narrow_attention_s_per_flop == 0


def test_on_a_gpu_blocks_tokens_and_picked_experts_cost_something_of_their_own() -> None:
    prefill = replace(
        PREFILL, type_expert_s_per_flop={}, block_s=4e-5, token_s=7e-6, expert_s_per_byte=2e-12
    )
    speed = speed_of(calibrated(decode=DECODE_GPU, prefill=prefill, has_gpu=True))
    assert speed
    assert speed.prefill
    assert speed.decode.mixture_block_s == pytest.approx(9e-6, rel=1e-5)
    assert speed.decode.block_s == pytest.approx(DECODE.block_s, rel=1e-5)
    assert speed.decode.token_s == pytest.approx(3e-5, rel=1e-5)
    assert speed.prefill.block_s == pytest.approx(4e-5, rel=1e-5)
    assert speed.prefill.token_s == pytest.approx(7e-6, rel=1e-5)
    assert speed.prefill.expert_s_per_byte == pytest.approx(2e-12, rel=1e-5)
    assert not speed.prefill.type_expert_s_per_flop


def test_more_experts_for_the_same_tokens_make_a_gpus_prompt_slower() -> None:
    prefill = replace(PREFILL, expert_s_per_byte=2e-12)
    more = MIXTURE.model_copy(update={"expert_bytes": 4 * MIXTURE.expert_bytes})
    few, many = (prefill_seconds(work, prefill, 512, 0, 512)[0] for work in (MIXTURE, more))
    picked = picked_expert_bytes(more, 512) - picked_expert_bytes(MIXTURE, 512)
    assert picked > 2.9 * MIXTURE.expert_bytes
    assert many - few == pytest.approx(picked * (2e-12 + 1 / prefill.stream_bytes_per_s))


def test_a_prompt_through_layers_that_keep_a_state_takes_longer() -> None:
    speed = speed_of(calibrated())
    assert speed
    assert speed.prefill
    work = MODELS["Q4_K"]
    free = replace(speed.prefill, stream_bytes_per_s=math.inf, attention_flops_per_s=math.inf)
    plain, recurrent = (
        prefill_seconds(work.model_copy(update={"is_recurrent": it}), free, 512, 0, 512)[0]
        for it in (False, True)
    )
    assert recurrent == pytest.approx(class_rates().recurrent_prefill_factor * plain)
    assert class_rates().recurrent_prefill_factor > 1


def test_without_wide_rows_in_the_samples_they_cost_what_narrow_ones_do() -> None:
    samples = tuple(sample for sample in calibrated().samples if sample.name != "wide")
    speed = speed_of(calibrated(samples=samples))
    assert speed
    assert speed.decode.attention_s_per_flop == pytest.approx(4e-11, rel=1e-6)


@given(st.integers(1, 64), st.integers(1, 4 * 10**9), st.integers(0, 4 * 10**9))
@settings(max_examples=30)
def test_a_model_of_another_size_is_predicted_from_them(
    n_blocks: int, n_q4: int, n_q6: int
) -> None:
    speed = speed_of(calibrated())
    assert speed
    work = dense({"Q4_K": n_q4, "Q6_K": n_q6}, n_blocks)
    ours = decode_seconds(work, speed.decode, 500, SETTINGS)[0]
    assert ours == pytest.approx(decode_seconds(work, DECODE, 500, SETTINGS)[0], rel=1e-5)


def test_noise_widens_the_interval() -> None:
    quiet, noisy = speed_of(calibrated()), speed_of(calibrated(noise=0.2))
    assert quiet
    assert noisy
    assert noisy.decode.spread.high > quiet.decode.spread.high * 1.2
    # What calibrating cannot show stays in it.
    assert quiet.decode.spread.high > 0.1


def test_a_type_that_was_not_measured_takes_its_kins_rate() -> None:
    speed = speed_of(calibrated())
    assert speed
    assert speed.decode.type_bytes_per_s["IQ2_XS"] == pytest.approx(7e9, rel=1e-6)
    unheard = dense({"Q9_9": 10**9})
    token = decode_seconds(unheard, speed.decode, 0, SETTINGS)[0]
    usual = 10**9 / speed.decode.weights_bytes_per_s
    assert token == pytest.approx(usual + 4 * 6e-5, rel=1e-6)
    rates = DECODE.type_bytes_per_s.values()
    assert min(rates) < speed.decode.weights_bytes_per_s < max(rates)


def test_a_part_that_costs_nothing_is_never_negative() -> None:
    free = replace(DECODE, block_s=0.0, expert_s_per_byte=0.0)
    samples = tuple(
        sample.model_copy(
            update={
                "tok_per_s": (1 + 0.01 * (-1) ** index)
                / decode_seconds(sample.work, free, 16.5, SETTINGS)[0]
            }
        )
        for index, sample in enumerate(calibrated().samples)
        if sample.workload == "tg32"
    )
    speed = speed_of(calibrated(samples=samples))
    assert speed
    assert speed.decode.block_s >= 0
    assert speed.decode.expert_s_per_byte >= 0
    assert speed.prefill is None


def test_nothing_measured_is_no_speed() -> None:
    assert speed_of(calibrated(samples=())) is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({"machine_id": "another"}, "another machine"),
        ({"engine_commit": "fffffff"}, "build fffffff, this one is 0123abc"),
        ({"engine_version": "9"}, "engine's build"),
        ({"n_threads": 8}, "8 threads, now there are 2"),
        ({"has_gpu": True}, "another set of devices"),
    ],
)
def test_a_stale_calibration_says_why(changes: dict[str, Any], reason: str | None) -> None:
    stale = staleness(calibrated(**changes), make_machine(), ENGINE, 2)
    if reason is None:
        assert stale is None
    else:
        assert stale
        assert reason in stale


def test_threads_do_not_matter_on_a_gpu() -> None:
    engine = ENGINE.model_copy(update={"devices": (GPU, CPU)})
    calibration = calibrated(has_gpu=True, n_threads=8)
    assert staleness(calibration, make_machine(), engine, 2) is None


def at(day: int, faster: float = 1.0, **changes: Any) -> Calibration:
    """A calibration of one day, on which all ran so much faster."""
    made = calibrated(measured_at=f"2026-11-{day:02}T10:00:00+00:00", **changes)
    samples = [it.model_copy(update={"tok_per_s": it.tok_per_s * faster}) for it in made.samples]
    return made.model_copy(update={"samples": tuple(samples)})


def test_calibrations_of_one_machine_count_together() -> None:
    both = joined(at(24, 1.1), at(23, 1 / 1.1))
    assert [one.measured_at[8:10] for one in (both, *both.earlier)] == ["24", "23"]
    speed, alone = speed_of(both), speed_of(at(24, 1.1))
    assert speed
    assert alone
    # Halfway between both days, and less sure of it than a single one would have been.
    assert speed.decode.type_bytes_per_s["Q8_0"] == pytest.approx(30e9, rel=0.02)
    assert speed.decode.spread.low > alone.decode.spread.low
    assert speed.note.startswith("calibrated 2 times, 2026-11-23 to 2026-11-24")


def test_only_the_last_few_are_kept() -> None:
    made = at(1)
    for day in range(2, 9):
        made = joined(at(day), made)
    assert [one.measured_at[8:10] for one in (made, *made.earlier)] == ["08", "07", "06", "05"]
    assert all(one.earlier == () for one in made.earlier)
    assert len(made.all_samples) == 4 * len(made.samples)


@pytest.mark.parametrize(
    "other", [at(22, 0.6), at(22, 1.5), at(22, samples=())], ids=["slower", "faster", "empty"]
)
def test_another_speed_altogether_is_another_machine(other: Calibration) -> None:
    assert joined(at(24), other).earlier == ()
    between = other.model_copy(update={"earlier": (at(21),)})
    assert joined(at(24), between).earlier == (at(21),)
