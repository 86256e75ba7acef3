from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from make.records import KEY, make_experiment, make_failed_run, make_model, make_run, make_runs
from make.trials import make_trial

from harness.analysis.prediction_errors import LABELS, Pair, pairs_of
from harness.commands.fit.audit import audited
from harness.schema.experiment import Buffer, Experiment, StoredPrediction

MIB = 1 << 20
N_CTX_BYTES = 23_040  # of make_context's cache, a position


def predicted(component: str, value: float, workload: str = "tg128", **more: Any) -> Any:
    facts = {
        "model": KEY,
        "workload": workload,
        "component": component,
        "value": value,
        "low": value,
        "high": value,
        "method": "planner",
    }
    return StoredPrediction.model_validate(facts | more)


def experiment_with(*predictions: StoredPrediction, **changes: Any) -> Experiment:
    return make_experiment(**changes).model_copy(update={"predictions": predictions})


def test_every_component_is_set_against_what_it_is_about() -> None:
    weights, cache, compute = 92 * MIB, 128 * N_CTX_BYTES, 100 * MIB + 196_608
    experiment = experiment_with(
        predicted("weights_bytes", weights),
        predicted("kv_bytes", cache),
        predicted("compute_bytes", compute),
        predicted("total_bytes", weights + cache + compute),
    )
    pairs = list(pairs_of(experiment, make_runs(2)))
    assert [pair.label for pair in pairs] == ["weights", "KV cache", "compute", "total"]
    assert [pair.error for pair in pairs] == [0, 0, 0, 0]
    assert all(pair.is_covered for pair in pairs)


def test_speeds_are_set_against_the_median_over_runs() -> None:
    experiment = experiment_with(
        predicted("tok_per_s", 132.0, low=100.0, high=150.0, method="calibration"),
        predicted("tok_per_s", 155.0, "pp512", low=150.0, high=160.0, method="calibration"),
    )
    decode, prefill = pairs_of(experiment, make_runs(3, spread=0.0))
    assert (decode.label, prefill.label) == ("decode", "prefill")
    assert decode.error == pytest.approx(0.1, abs=0.03)
    assert prefill.error == pytest.approx(-0.5, abs=0.03)
    assert (decode.is_covered, prefill.is_covered) == (True, False)


def test_of_a_chat_the_first_token_and_the_streaming_are_judged() -> None:
    trial = make_trial("chat", 100.0, ttft_ns=500_000_000, n_prompt=250)
    experiment = experiment_with(
        predicted("ttft_ns", 450e6, "chat", low=400e6, high=600e6, method="calibration"),
        predicted("tok_per_s", 100.0, "chat", low=90, high=110, method="calibration"),
        workloads=("chat",),
    )
    run = make_run(workloads=("chat",), trials=(trial,))
    first, decode = pairs_of(experiment, [run])
    assert (first.label, first.measured) == ("TTFT", 500e6)
    assert first.error == pytest.approx(-0.1)
    assert decode.label == "decode"


def test_what_was_not_measured_has_no_pair() -> None:
    experiment = experiment_with(
        predicted("tok_per_s", 100.0),
        predicted("kv_bytes", 1.0, "tg128@d4096"),
        predicted("kv_bytes", 1.0, model="another"),
        predicted("kv_bytes", 1.0, settings_index=7),
    )
    assert list(pairs_of(experiment, [make_failed_run(contexts=(), weights=())])) == []
    assert list(pairs_of(make_experiment(), make_runs(2))) == []


def test_buffers_of_cache_and_state_count_together() -> None:
    run = make_run()
    context = run.contexts[1].model_copy(
        update={
            "buffers": (
                Buffer(device="CPU", kind="kv", n_bytes=MIB),
                Buffer(device="CUDA0", kind="kv", n_bytes=2 * MIB),
                Buffer(device="CPU", kind="recurrent", n_bytes=4 * MIB),
            )
        }
    )
    changed = run.model_copy(update={"contexts": (context,)})
    (pair,) = pairs_of(experiment_with(predicted("kv_bytes", 7 * MIB)), [changed])
    assert pair.measured == 7 * MIB


def test_a_rehearsal_is_known_as_one() -> None:
    experiment = experiment_with(predicted("kv_bytes", MIB))
    twin = make_model(is_twin=True)
    plan = experiment.plan.model_copy(update={"models": (twin,)})
    experiment = experiment.model_copy(update={"plan": plan})
    (pair,) = pairs_of(experiment, make_runs(1))
    assert pair.is_rehearsed


def pairs(errors: Sequence[float], n_covered: int) -> list[Pair]:
    made = []
    for index, error in enumerate(errors):
        value = 100.0 * (1 + error)
        low, high = (0.0, 1e9) if index < n_covered else (value * 2 + 200, value * 3 + 300)
        prediction = predicted("tok_per_s", value, low=low, high=high, method="calibration")
        made.append(Pair(prediction, 100.0))
    return made


def test_the_audit_gives_median_ninetieth_bias_and_coverage() -> None:
    errors = [-0.2, -0.1, 0.0, 0.1, 0.3, 0.4, 0.1, 0.1, 0.1, 0.5, 0.1]
    (audit,) = audited(pairs(errors, n_covered=8))
    assert (audit.label, audit.method, audit.n) == ("decode", "calibration", 11)
    assert audit.median_error == pytest.approx(0.1)
    assert audit.q90_error == pytest.approx(0.4)
    assert audit.bias == pytest.approx(0.1)
    assert audit.coverage == pytest.approx(8 / 11)


def test_methods_are_judged_apart_and_labels_come_in_their_order() -> None:
    made = [
        Pair(predicted("tok_per_s", 1.0, method="calibration"), 1.0),
        Pair(predicted("weights_bytes", 1.0), 1.0),
        Pair(predicted("tok_per_s", 1.0, method="machine-class"), 1.0),
        Pair(predicted("tok_per_s", 1.0, "pp512", method="calibration"), 1.0),
    ]
    told = [(audit.label, audit.method) for audit in audited(made)]
    assert told == [
        ("weights", "planner"),
        ("decode", "calibration"),
        ("decode", "machine-class"),
        ("prefill", "calibration"),
    ]
    assert [LABELS.index(label) for label, _ in told] == sorted(
        LABELS.index(label) for label, _ in told
    )


def test_an_exact_figure_may_be_off_by_what_the_engine_rounds_away() -> None:
    assert Pair(predicted("kv_bytes", 100.0 * MIB), 100 * MIB + 9000).is_covered
    assert not Pair(predicted("kv_bytes", 100.0 * MIB), 100 * MIB + 12_000).is_covered


@given(st.lists(st.floats(-0.9, 5.0), min_size=1, max_size=40), st.integers(0, 40))
def test_an_audit_stays_within_its_errors(errors: list[float], n_covered: int) -> None:
    (audit,) = audited(pairs(errors, n_covered))
    sizes = sorted(map(abs, errors))
    assert sizes[0] - 1e-9 <= audit.median_error <= audit.q90_error + 1e-9
    assert audit.q90_error <= sizes[-1] + 1e-9
    assert min(errors) - 1e-9 <= audit.bias <= max(errors) + 1e-9
    assert audit.coverage == min(n_covered, len(errors)) / len(errors)
