from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from make.records import (
    CPU,
    GPU,
    SETTINGS,
    make_end,
    make_experiment,
    make_machine,
    make_model,
    run_of,
)
from make.trials import make_trial
from make.work import make_speed, make_work

from harness.analysis.speed.chips import CHIPS
from harness.analysis.speed.class_rates import class_rates
from harness.analysis.speed.corrections import LocalResult, LocalResults, correction
from harness.analysis.speed.hardware_class import speed_of_chip
from harness.analysis.speed.predict import MachineSpeed, predict_speed
from harness.analysis.speed.rates import Spread
from harness.measure.speed_here import speed_here
from harness.records.store import ExperimentWriter
from harness.schema.experiment import EngineInfo
from harness.schema.machine import Accelerator
from harness.schema.prediction import Prediction, Refusal
from harness.schema.settings import Settings
from harness.schema.workload import parse_workload

DENSE = make_work()
MIXTURE = make_work(expert_bytes=8_000_000_000, expert_read_bytes=500_000_000)
LARGE = make_work(token_read_bytes=20_000_000_000)
RTX = make_machine(accelerators=(Accelerator(name="NVIDIA GeForce RTX 3090", vendor="NVIDIA"),))
BY_CLASS = speed_of_chip(CHIPS["RTX 3090"])
WORKS = st.sampled_from([DENSE, MIXTURE, LARGE, make_work(is_recurrent=True)])
RATIOS = st.floats(-1, 1)


def local(log_ratio: float, work: Any = DENSE) -> LocalResult:
    return LocalResult("m", work, log_ratio)


# ------------------------------------------------------------------ what results say


@given(st.lists(st.builds(local, RATIOS, WORKS), min_size=1, max_size=5), WORKS, st.booleans())
def test_a_correction_lies_within_what_the_results_were_missed_by(
    local_results: list[LocalResult], work: Any, is_class_loose: bool
) -> None:
    found = math.log(correction(local_results, work, is_class_loose=is_class_loose))
    ratios = [it.log_ratio for it in local_results] + ([] if is_class_loose else [0.0])
    assert min(ratios) - 1e-9 <= found <= max(ratios) + 1e-9


@given(RATIOS, WORKS)
def test_of_a_loose_class_the_only_result_counts_in_full(log_ratio: float, work: Any) -> None:
    found = correction([local(log_ratio)], work, is_class_loose=True)
    assert found == pytest.approx(math.exp(log_ratio))


@pytest.mark.parametrize("closer", [DENSE, make_work(token_read_bytes=2_200_000_000)])
@pytest.mark.parametrize("farther", [MIXTURE, LARGE, make_work(is_recurrent=True)])
def test_the_closer_model_says_more(closer: Any, farther: Any) -> None:
    local_results = [local(0.2, closer), local(-0.2, farther)]
    assert correction(local_results, DENSE, is_class_loose=False) > 1
    alone = [correction([it], DENSE, is_class_loose=False) for it in local_results]
    assert math.log(alone[0]) > -math.log(alone[1])


def test_more_results_that_agree_are_believed_more() -> None:
    by_number = [correction([local(0.2)] * n, DENSE, is_class_loose=False) for n in (1, 2, 8)]
    assert by_number == sorted(by_number)
    assert by_number[-1] < math.exp(0.2)


def corrected(speed: MachineSpeed) -> MachineSpeed:
    narrow = Spread(0.1, 0.1)
    return replace(speed, local_results=LocalResults((local(0.2),), (local(-0.5),), narrow, narrow))


@pytest.mark.parametrize(("workload", "is_faster"), [("tg128", True), ("pp512", False)])
def test_a_corrected_figure_says_so_and_lies_in_its_interval(
    workload: str, is_faster: bool
) -> None:
    plain, known = (
        predict_speed(DENSE, speed, parse_workload(workload), "m", SETTINGS)[0]
        for speed in (make_speed(), corrected(make_speed()))
    )
    assert isinstance(plain, Prediction)
    assert isinstance(known, Prediction)
    assert (known.value > plain.value) == is_faster
    assert known.low < known.value < known.high
    assert known.high / known.low < plain.high / plain.low
    assert known.method == "local-results"
    assert "by 1 result here" in known.note


def test_a_result_makes_a_figure_of_a_prompts_range_but_not_of_a_decode_range() -> None:
    speed = make_speed()
    assert speed.prefill
    loose = replace(
        speed,
        decode=replace(speed.decode, only_a_range="too loose"),
        prefill=replace(speed.prefill, only_a_range="too loose"),
    )
    (prompt,) = predict_speed(DENSE, corrected(loose), parse_workload("pp512"), "m", SETTINGS)
    (decode,) = predict_speed(DENSE, corrected(loose), parse_workload("tg128"), "m", SETTINGS)
    assert isinstance(prompt, Prediction)
    assert isinstance(decode, Refusal)
    (value,) = predict_speed(DENSE, speed, parse_workload("pp512"), "m", SETTINGS)
    assert isinstance(value, Prediction)
    assert prompt.value == pytest.approx(value.value * math.exp(-0.5))


# ------------------------------------------------------------------ from the results folder


def engine_of(experiment_commit: str = "0123abc") -> EngineInfo:
    engine = make_experiment().provenance.engine
    return engine.model_copy(update={"devices": (GPU, CPU), "library_commit": experiment_commit})


def told(workload: str = "tg128") -> float:
    (figure,) = predict_speed(DENSE, BY_CLASS, parse_workload(workload), "m", SETTINGS)
    if isinstance(figure, Prediction):
        return figure.value
    assert BY_CLASS.prefill
    exact = replace(BY_CLASS, prefill=replace(BY_CLASS.prefill, only_a_range=None))
    (figure,) = predict_speed(DENSE, exact, parse_workload(workload), "m", SETTINGS)
    assert isinstance(figure, Prediction)
    return figure.value


def stored(
    folder: Path,
    id: str,
    ratio: float = 1.5,
    *,
    key: str = "smollm2-135m:Q4_1",
    settings: Settings = SETTINGS,
    commit: str = "0123abc",
    has_works: bool = True,
    **changes: Any,
) -> None:
    """An experiment of the card, whose figures were `ratio` times what its class says."""
    workloads = ("tg128", "pp512", "tg128@d4096")
    experiment = make_experiment(
        workloads,
        id=id,
        models=(make_model(key=key),),
        settings=(settings,),
        **({"machine": RTX} | changes),
    )
    engine = engine_of(commit)
    experiment = experiment.model_copy(
        update={
            "provenance": experiment.provenance.model_copy(update={"engine": engine}),
            "works": {key: DENSE} if has_works else {},
        }
    )
    trials = [make_trial(name, ratio * told(name)) for name in ("tg128", "pp512")]
    # Behind a deep cache all is different: it says nothing of the rates.
    trials.append(make_trial("tg128@d4096", 9.0))
    with ExperimentWriter(folder, experiment) as writer:
        writer.append_run(run_of(*trials, model=key, settings=settings))
        writer.finish(make_end(1))


def here(results: Path, calibrations: Path) -> MachineSpeed:
    speed = speed_here(RTX, engine_of(), 1, folder=calibrations, results=results).speed
    assert speed
    return speed


def test_what_was_measured_here_corrects_what_the_class_says(tmp_path: Path) -> None:
    assert here(tmp_path, tmp_path).local_results is None
    stored(tmp_path, "one111")
    local_results = here(tmp_path, tmp_path).local_results
    assert local_results
    for found in (local_results.decode, local_results.prefill):
        assert [it.model for it in found] == ["smollm2-135m:Q4_1"]
        assert found[0].log_ratio == pytest.approx(math.log(1.5), rel=0.01)
    assert local_results.decode_spread == class_rates().known_decode
    (figure,) = predict_speed(
        DENSE, here(tmp_path, tmp_path), parse_workload("tg128"), "m", SETTINGS
    )
    assert isinstance(figure, Prediction)
    assert 1.3 * told() < figure.value < 1.5 * told()


def test_of_each_model_the_newest_result_counts(tmp_path: Path) -> None:
    stored(tmp_path, "old111", 1.5, started_at="2026-11-20T10:00:00+00:00")
    stored(tmp_path, "new222", 0.9, started_at="2026-11-22T10:00:00+00:00")
    stored(tmp_path, "oth333", 1.2, key="other:Q8_0", started_at="2026-11-21T10:00:00+00:00")
    local_results = here(tmp_path, tmp_path).local_results
    assert local_results
    assert {it.model: round(math.exp(it.log_ratio), 1) for it in local_results.decode} == {
        "smollm2-135m:Q4_1": 0.9,
        "other:Q8_0": 1.2,
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"machine": make_machine(id="another")},
        {"commit": "fffffff"},
        {"has_works": False},
        {"settings": SETTINGS.model_copy(update={"n_gpu_layers": 4})},
        {"ratio": 0.01},  # it paged, or worse
    ],
    ids=["machine", "engine", "old-file", "part-of-the-gpu", "spoilt"],
)
def test_what_says_nothing_of_this_card_corrects_nothing(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    stored(tmp_path, "one111", **changes)
    assert here(tmp_path, tmp_path).local_results is None


def test_a_damaged_file_or_folder_corrects_nothing_and_harms_nothing(tmp_path: Path) -> None:
    (tmp_path / "broken.jsonl").write_text("{")
    stored(tmp_path, "one111")
    assert here(tmp_path, tmp_path).local_results
    assert here(tmp_path / "broken.jsonl", tmp_path).local_results is None
