from __future__ import annotations

from typing import Any

import pytest
from make.records import CPU, GPU, SETTINGS, make_experiment, make_model, run_of
from make.trials import make_trial

from harness.analysis import bandwidth as mbu
from harness.analysis.cases import Case
from harness.analysis.measured import measured_of
from harness.schema.experiment import ModelFile, Run
from harness.schema.workload import parse_workload


def case_of(runs: list[Run], workload: str = "tg128", **plan: Any) -> Case:
    (group,) = measured_of(make_experiment((workload,), **plan), runs)
    return group.cases[0]


BIG = make_model(weights_bytes=2 * 10**9, token_read_bytes=10**9)


def test_mbu_is_bytes_per_token_times_rate_over_bandwidth() -> None:
    # 1e9 + 64.5 positions x 23,040 bytes, at 24 tok/s, of 30 GB/s.
    runs = [run_of(make_trial("tg128", 24, i)) for i in range(2)]
    case = case_of(runs, models=(BIG,))
    assert case.metrics["mbu"].value == pytest.approx((1e9 + 64.5 * 23_040) * 24 / 30e9, rel=1e-6)
    assert case.not_applicable.keys() == {"joules_per_token"}
    assert case.flags == ()


def test_depth_and_cache_type_decide_what_a_token_reads() -> None:
    task = parse_workload("tg128@d4096")
    f16 = mbu.token_bytes(BIG, SETTINGS, task)
    q8 = mbu.token_bytes(BIG, SETTINGS.model_copy(update={"type_k": "q8_0"}), task)
    odd = mbu.token_bytes(BIG, SETTINGS.model_copy(update={"type_k": "tq9"}), task)
    assert f16 - 1e9 == pytest.approx((4096 + 64.5) * 23_040)
    assert q8 - 1e9 == pytest.approx((f16 - 1e9) * (34 / 32 + 2) / 4)
    assert odd == 1e9


def test_a_figure_above_the_memorys_speed_is_not_believed() -> None:
    case = case_of([run_of(make_trial("tg128", 60))], models=(BIG,))
    assert case.metrics["mbu"].value > 1
    assert "not believable" in case.flags[0]


def test_a_cache_counted_in_full_is_no_proof_of_an_impossible_figure() -> None:
    model = BIG.model_copy(update={"kv_read_bytes_per_position": 1_000_000})
    run = run_of(make_trial("tg128@d4096", 20))
    case = case_of([run], "tg128@d4096", models=(model,))
    assert case.metrics["mbu"].value > 1
    assert "sliding windows" in case.flags[0]


@pytest.mark.parametrize(
    ("model", "changes", "reason"),
    [
        (make_model(), {}, "fits in the cache"),
        (BIG, {"devices_before": (CPU, GPU)}, "GPU"),
        (BIG, {"bandwidth_before": None, "bandwidth_after": None}, "was not measured"),
    ],
)
def test_where_there_is_no_mbu_the_reason_is_told(
    model: ModelFile, changes: dict[str, Any], reason: str
) -> None:
    case = case_of([run_of(make_trial("tg128", 20), **changes)], models=(model,))
    assert "mbu" not in case.metrics
    assert reason in case.not_applicable["mbu"]


def test_a_gpu_that_is_not_used_leaves_the_memorys_share() -> None:
    settings = SETTINGS.model_copy(update={"n_gpu_layers": 0})
    run = run_of(make_trial("tg128", 20), devices_before=(CPU, GPU), settings=settings)
    assert "mbu" in case_of([run], models=(BIG,), settings=(settings,)).metrics
