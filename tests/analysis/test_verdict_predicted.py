from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from make.records import GPU

from harness.analysis.device_memory import MemoryCapacity, MemoryNeed
from harness.analysis.speed.chips import CHIPS
from harness.analysis.speed.hardware_class import cpu_speed, speed_of_chip
from harness.analysis.verdict import LEVELS, Verdict
from harness.analysis.verdict_measured import NoVerdict
from harness.analysis.verdict_predicted import Host, predict_verdict
from harness.schema.figure import exact
from harness.schema.work import Attention, Work

GB = 1_000_000_000
M4_MAX = speed_of_chip(CHIPS["M4 Max 40c"])


def work_of(token_gb: float, weights_gb: float | None = None) -> Work:
    """A dense model of which a token reads so much, at 4.5 bits a weight."""
    token_bytes = int(token_gb * GB)
    return Work(
        architecture="llama",
        weights_bytes=int((weights_gb or token_gb) * GB),
        token_read_bytes=token_bytes,
        expert_read_bytes=0,
        expert_bytes=0,
        n_params_multiplied=int(token_bytes * 8 / 4.5),
        type_params={},
        n_blocks=32,
        attention=(
            Attention(
                n_layer=32, n_key_elements=1024, n_value_elements=1024, n_head=32,
                head_key_length=128, head_value_length=128,
            ),
        ),
    )  # fmt: skip


def need(gb: float) -> MemoryNeed:
    return MemoryNeed(exact(gb * GB, "bytes", "planned"))


def room(gb: float, slow_gb: float = 0) -> MemoryCapacity:
    """All of it free; with `slow_gb` the first is a card's."""
    if not slow_gb:
        return MemoryCapacity(int(gb * GB), int(gb * GB))
    card = GPU.model_copy(update={"free_bytes": int(gb * GB), "total_bytes": int(gb * GB)})
    return MemoryCapacity(int(slow_gb * GB), int(slow_gb * GB), devices=(card,))


def verdict_of(work: Work, need_gb: float, host: Host) -> Verdict:
    found = predict_verdict(work, need(need_gb), host, "m")
    assert isinstance(found, Verdict)
    return found


def test_a_small_model_on_a_fast_machine_is_comfortable_and_a_large_one_slow() -> None:
    host = Host(room(55), M4_MAX)

    small = verdict_of(work_of(4.6), 5.5, host)
    assert (small.level, small.evidence) == ("comfortable", "predicted")
    assert "M4 Max" in small.reason
    assert verdict_of(work_of(42), 44, host).level == "slow"


def test_what_does_not_fit_does_not_run_and_says_what_is_missing() -> None:
    verdict = verdict_of(work_of(60), 62, Host(room(55), M4_MAX))

    assert verdict.level == "does-not-run"
    assert verdict.short_bytes == 7 * GB


def test_a_machine_of_unknown_speed_is_judged_by_memory_alone() -> None:
    host = Host(room(16), None)

    fits = predict_verdict(work_of(4), need(5), host, "m")
    assert isinstance(fits, NoVerdict)
    assert fits.reason.startswith("it fits in memory; nothing is known")
    assert verdict_of(work_of(20), 21, host).level == "does-not-run"


def test_a_model_of_unknown_work_is_judged_by_memory_alone() -> None:
    fits = predict_verdict(None, need(5), Host(room(16), M4_MAX), "m")
    assert isinstance(fits, NoVerdict)
    assert "what a token reads is not known" in fits.reason
    short = predict_verdict(None, need(20), Host(room(16), M4_MAX), "m")
    assert isinstance(short, Verdict)
    assert short.level == "does-not-run"


def test_a_cpu_nobody_calibrated_gives_a_range_and_says_so() -> None:
    verdict = verdict_of(work_of(4), 5, Host(room(28), cpu_speed(80e9)))

    assert verdict.worst == "slow"
    assert verdict.decode is not None
    low, high = verdict.decode.bounds
    assert low < verdict.decode.value < high
    assert "range" in verdict.decode.source
    assert verdict.ttft is None


SPLIT = Host(room(24, 60), speed_of_chip(CHIPS["RTX 4090"]), 90e9, cpu_speed(90e9))


def test_a_model_half_in_slower_memory_has_a_range_between_both() -> None:
    work = work_of(40)
    split = verdict_of(work, 41, SPLIT)
    slow = verdict_of(work, 41, replace(SPLIT, capacity=room(60), speed=cpu_speed(90e9)))

    assert split.decode is not None
    assert slow.decode is not None
    assert slow.decode.bounds[0] <= split.decode.bounds[0]
    # 17 of 40 GB come from the slow memory for each token: nothing is faster than that.
    assert split.decode.high == pytest.approx(90 / 17 * 40 / (40 + 0.55), rel=0.03)
    assert split.is_borderline or split.level == "slow"


def test_two_memories_together_may_not_be_enough() -> None:
    verdict = verdict_of(work_of(90), 91, SPLIT)

    assert verdict.level == "does-not-run"
    assert verdict.short_bytes == 91 * GB - 84 * GB


@given(st.floats(0.5, 50), st.floats(1, 3))
def test_a_model_that_reads_more_is_never_judged_better(token_gb: float, more: float) -> None:
    host = Host(room(1000), M4_MAX)
    small = verdict_of(work_of(token_gb), token_gb, host)
    large = verdict_of(work_of(token_gb * more), token_gb * more, host)

    assert LEVELS.index(small.level) <= LEVELS.index(large.level)


@given(st.floats(1, 200), st.floats(0, 100))
def test_more_slow_memory_never_takes_a_model_away(need_gb: float, slow_gb: float) -> None:
    work = work_of(need_gb * 0.9)
    without = verdict_of(work, need_gb, Host(room(24), M4_MAX))
    within = verdict_of(work, need_gb, Host(room(24, slow_gb), M4_MAX, 90e9, cpu_speed(90e9)))

    assert LEVELS.index(within.level) <= LEVELS.index(without.level)
