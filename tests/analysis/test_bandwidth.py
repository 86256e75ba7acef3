from __future__ import annotations

from typing import Any

import pytest
from make.records import CPU, GPU, SETTINGS, make_experiment, make_model, run_of
from make.trials import make_trial
from make.work import make_attention, make_work

from harness.analysis.bandwidth import Reading
from harness.analysis.cases import Case
from harness.analysis.measured import measured_of
from harness.models.find import find
from harness.schema.experiment import Run
from harness.schema.model import ModelFile
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


def test_depth_and_cache_type_decide_what_a_token_reads() -> None:
    task = parse_workload("tg128@d4096")
    work = make_work(token_read_bytes=10**9)
    f16 = Reading(BIG, SETTINGS, work).token_bytes(task)
    q8 = Reading(BIG, SETTINGS.model_copy(update={"type_k": "q8_0"}), work).token_bytes(task)
    per_position = make_work().cache_read_bytes(1)
    assert f16 - 1e9 == pytest.approx((4096 + 64.5) * per_position)
    assert q8 - 1e9 == pytest.approx((f16 - 1e9) * (34 / 32 + 2) / 4)


@pytest.mark.parametrize(
    ("name", "too_many"),
    [("gemma-3-27b-it", 1.37), ("gpt-oss-20b", 1.135), ("deepseek-v3.1", 1.0)],
)
def test_behind_a_window_only_what_is_in_it_is_read(name: str, too_many: float) -> None:
    found = find(name, asks_hub=False)
    work = found.work
    in_full = work.model_copy(
        update={
            "attention": tuple(
                part.model_copy(update={"n_positions_max": None}) for part in work.attention
            )
        }
    )
    task = parse_workload("tg128@d16384")
    read = Reading(found.file, SETTINGS, work).token_bytes(task)
    assert in_full.token_bytes(task.mean_positions) / read == pytest.approx(too_many, abs=0.005)


def test_the_vector_of_a_latent_cache_is_read_once() -> None:
    found = find("deepseek-v3.1", asks_hub=False)
    reading = Reading(found.file, SETTINGS, found.work)
    task = parse_workload("tg1@d16383")
    cache = reading.token_bytes(task) - (found.file.token_read_bytes or 0)
    assert cache == 61 * (512 + 64) * 2 * 16_384  # config.json: kv_lora_rank, qk_rope_head_dim


def test_the_mbu_of_a_record_counts_windows_as_its_work_does() -> None:
    work = make_work(
        token_read_bytes=10**9, attention=(make_attention(n_layer=10, n_positions_max=1024),)
    )
    run = run_of(make_trial("tg128@d16384", 20))
    made = make_experiment(("tg128@d16384",), models=(BIG,))
    made = made.model_copy(update={"works": {BIG.key: work}})
    (measured,) = measured_of(made, [run])
    share = work.token_bytes(1024) * 20 / 30e9
    assert measured.cases[0].metrics["mbu"].value == pytest.approx(share, rel=1e-6)


def test_an_older_record_has_an_mbu_at_depth_0_alone_and_says_so() -> None:
    case = case_of([run_of(make_trial("tg128@d4096", 20))], "tg128@d4096", models=(BIG,))
    assert "mbu" not in case.metrics
    assert "too old to tell what is read of a cache at depth" in case.not_applicable["mbu"]
    assert "mbu" in case_of([run_of(make_trial("tg128", 20))], models=(BIG,)).metrics


def test_nothing_hides_a_share_above_one() -> None:
    case = case_of([run_of(make_trial("tg128", 60))], models=(BIG,))
    assert case.metrics["mbu"].value > 1


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
