from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from make.work import GB, make_attention, make_speed, make_work

from harness.analysis.speed.predict import (
    MachineSpeed,
    Predicted,
    predict_speed,
    predict_ttft,
)
from harness.analysis.speed.rates import Spread
from harness.schema.prediction import Prediction, Refusal
from harness.schema.settings import Settings
from harness.schema.work import Work
from harness.schema.workload import parse_workload
from harness.schema.workload_requests import CHAT_PROMPT_TOKENS

SETTINGS = Settings(n_threads=4)
WORKLOADS = st.builds(
    lambda kind, n, depth: f"{kind}{n}" + (f"@d{depth}" if depth else ""),
    st.sampled_from(["pp", "tg"]),
    st.integers(1, 4096),
    st.integers(0, 65_536),
)


def predicted(
    workload: str, work: Work | None = None, speed: MachineSpeed | None = None, **settings: Any
) -> Predicted:
    (answer,) = predict_speed(
        work or make_work(),
        speed or make_speed(),
        parse_workload(workload),
        "m",
        SETTINGS.model_copy(update=settings),
    )
    return answer


def value(workload: str, **given: Any) -> float:
    answer = predicted(workload, **given)
    assert isinstance(answer, Prediction)
    return answer.value


def test_a_token_costs_its_blocks_its_weights_and_its_cache() -> None:
    # 16 blocks of 0.1 ms, 1.1 GB at 100 GB/s, 16 x 512 x 2 bytes x 64.5 positions at 50 GB/s.
    seconds = 16 * 1e-4 + 0.011 + 16 * 512 * 2 * 64.5 / 50e9
    assert value("tg128") == pytest.approx(1 / seconds)


def test_a_prompt_costs_arithmetic_attention_and_the_weights_once_a_micro_batch() -> None:
    attention = 512 * 2 * 16 * 8 * 256 * 256 / 5e12
    seconds = 512 * 2e9 / 1e13 + attention + 1.1 / 40
    assert value("pp512") == pytest.approx(512 / seconds)
    assert value("pp512", n_ubatch=128) == pytest.approx(512 / (seconds + 3 * 1.1 / 40))


def test_prompts_of_several_sequences_fill_micro_batches_together() -> None:
    # Attention looks back on 64 positions in the mean, were they one prompt on 256.
    attention = 512 * 2 * 16 * 8 * 256 * 64 / 5e12
    seconds = 512 * 2e9 / 1e13 + attention + 1.1 / 40
    assert value("pp128x4") == pytest.approx(512 / seconds)
    assert value("pp512") < value("pp128x4")


def test_steps_of_several_sequences_are_not_predicted() -> None:
    answer = predicted("tg128x4")
    assert isinstance(answer, Refusal)
    assert answer.reason == "how far sequences share the work of a step is not known"
    assert (answer.low, answer.high) == (None, None)


def test_chat_predicts_the_first_token_and_the_ones_after_it() -> None:
    first, after = predict_speed(make_work(), make_speed(), parse_workload("chat"), "m", SETTINGS)
    assert isinstance(first, Prediction)
    assert isinstance(after, Prediction)
    assert (first.component, after.component) == ("ttft_ns", "tok_per_s")
    assert first.value == pytest.approx(CHAT_PROMPT_TOKENS / value(f"pp{CHAT_PROMPT_TOKENS}") * 1e9)
    assert first.low < first.value < first.high
    assert after.value < value("tg64")


def test_a_conversation_predicts_its_first_turn_and_its_decoding() -> None:
    first, decode = predict_speed(
        make_work(), make_speed(), parse_workload("turns8"), "m", SETTINGS
    )
    assert isinstance(first, Prediction)
    assert isinstance(decode, Prediction)
    assert first.value == pytest.approx(3800 / value("pp3800") * 1e9)
    # In the mean it is written behind 3,000 + 4.5 x 800 + 4 x 150 positions.
    assert value("tg1@d7300") < decode.value < value("tg1@d7100")
    (together,) = predict_speed(
        make_work(), make_speed(), parse_workload("turns8x4"), "m", SETTINGS
    )
    assert isinstance(together, Refusal)


def test_the_time_to_a_first_token_is_the_prompts() -> None:
    task = parse_workload("pp1024@d4096")
    answer = predict_ttft(make_work(), make_speed(), task, "m", SETTINGS)
    assert isinstance(answer, Prediction)
    assert answer.value == pytest.approx(1024 / value("pp1024@d4096") * 1e9)


@given(WORKLOADS)
def test_the_interval_holds_the_value(workload: str) -> None:
    answer = predicted(workload)
    assert isinstance(answer, Prediction)
    assert 0 < answer.low < answer.value < answer.high < math.inf


@given(WORKLOADS, st.integers(1, 10 * GB))
def test_more_bytes_are_never_faster(workload: str, more: int) -> None:
    work = make_work()
    larger = make_work(
        token_read_bytes=work.token_read_bytes + more,
        type_read_bytes={"Q8_0": work.token_read_bytes + more},
    )
    assert value(workload, work=larger) <= value(workload)


@given(WORKLOADS, st.integers(1, 10**6))
def test_more_context_is_never_faster(workload: str, more: int) -> None:
    task = parse_workload(workload)
    deeper = f"{workload.split('@')[0]}@d{task.depth + more}"
    assert value(deeper) <= value(workload)


@given(WORKLOADS, st.floats(1.0, 100.0))
def test_more_bandwidth_is_never_slower(workload: str, times: float) -> None:
    speed = make_speed()
    assert speed.prefill
    faster = replace(
        speed,
        decode=replace(
            speed.decode,
            weights_bytes_per_s=speed.decode.weights_bytes_per_s * times,
            cache_bytes_per_s=speed.decode.cache_bytes_per_s * times,
        ),
        prefill=replace(speed.prefill, stream_bytes_per_s=speed.prefill.stream_bytes_per_s * times),
    )
    assert value(workload, speed=faster) >= value(workload) * (1 - 1e-12)


def test_depth_widens_the_interval_and_a_window_keeps_it_narrow() -> None:
    def width(workload: str, work: Work) -> float:
        answer = predicted(workload, work=work)
        assert isinstance(answer, Prediction)
        return answer.high / answer.low

    full = make_work()
    sliding = make_work(attention=(make_attention(n_positions_max=128),))
    assert width("tg32@d32768", full) > width("tg32", full) * 1.05
    assert width("tg32@d32768", sliding) == pytest.approx(width("tg128", sliding), rel=0.01)


def test_experts_are_streamed_as_far_as_a_batch_picks_them() -> None:
    mixture = make_work(expert_read_bytes=10**9, expert_bytes=32 * 10**9)
    # One token reads its own experts, a thousand nearly all of them.
    assert 1 / value("pp1", work=mixture) == pytest.approx(1 / value("pp1"), rel=1e-6)
    extra = 512 / value("pp512", work=mixture) - 512 / value("pp512")
    assert extra == pytest.approx(31 * 10**9 / 40e9, rel=1e-6)


LOOSE = make_speed(decode=replace(make_speed().decode, only_a_range="loose"), prefill=None)


@pytest.mark.parametrize("workload", ["tg128", "tg128@d4096", "pp512", "chat"])
@pytest.mark.parametrize(
    "speed", [make_speed(), make_speed(has_gpu=False), LOOSE], ids=["gpu", "cpu", "uncalibrated"]
)
def test_of_what_would_page_no_figure_is_told_however_the_speed_is_known(
    speed: MachineSpeed, workload: str
) -> None:
    asked = (make_work(), speed, parse_workload(workload), "m", SETTINGS, "it needs too much")
    first = (predict_ttft(*asked),) if asked[2].n_prompt else ()
    for answer in (*predict_speed(*asked), *first):
        assert isinstance(answer, Refusal)
        assert answer.reason == "it needs too much: it would page"
        assert (answer.low, answer.high) == (None, None)


def test_what_is_partly_on_the_gpu_is_refused_with_the_most_it_could_reach() -> None:
    answer = predicted("tg128", n_gpu_layers=4)
    assert isinstance(answer, Refusal)
    assert answer.low is None
    assert answer.high is not None
    assert answer.high > value("tg128")


@pytest.mark.parametrize("settings", [{"n_gpu_layers": 4}, {"n_gpu_layers": 0}])
def test_layers_left_on_the_cpu_are_refused(settings: dict[str, Any]) -> None:
    answer = predicted("tg128", **settings)
    assert isinstance(answer, Refusal)
    assert "part of its layers" in answer.reason
    on_cpu = predicted("tg128", speed=make_speed(has_gpu=False), **settings)
    assert isinstance(on_cpu, Prediction)


def test_experts_left_on_the_cpu_are_refused_for_a_mixture_alone() -> None:
    mixture = make_work(expert_read_bytes=10**8, expert_bytes=10**9)
    assert isinstance(predicted("tg128", work=mixture, n_cpu_moe=4), Refusal)
    assert isinstance(predicted("tg128", n_cpu_moe=4), Prediction)


def test_a_loose_class_gives_a_range_and_an_unknown_prompt_speed_nothing() -> None:
    speed = make_speed()
    loose = make_speed(decode=replace(speed.decode, only_a_range="too loose"), prefill=None)
    decode = predicted("tg128", speed=loose)
    assert isinstance(decode, Refusal)
    assert decode.reason == "too loose"
    assert decode.low is not None
    assert decode.high is not None
    assert decode.low < value("tg128") < decode.high
    prompt = predicted("pp512", speed=loose)
    assert isinstance(prompt, Refusal)
    assert (prompt.low, prompt.high) == (None, None)


def test_a_smaller_cache_type_reads_less() -> None:
    assert value("tg32@d32768", type_k="q8_0", type_v="q8_0") > value("tg32@d32768") * 1.2


@given(st.floats(0, 2), st.floats(0, 2), st.floats(0, 2), st.floats(0, 1), st.floats(0, 2))
def test_a_spread_only_grows(
    low: float, high: float, depth: float, share: float, further: float
) -> None:
    spread = Spread(low, high, depth)
    narrow, wide = spread.around(1.0, 0.0), spread.around(1.0, share, further)
    assert wide[0] <= narrow[0] * (1 + 1e-12)
    assert narrow[0] <= 1 <= narrow[1]
    assert narrow[1] <= wide[1] * (1 + 1e-12)
