"""What of a baseline and a candidate belongs together, and which earlier experiment is taken."""

from __future__ import annotations

from statistics import stdev

import pytest
from make.gate import MODEL, make_candidate, make_rounds, make_sides, model_called
from make.records import make_failed_run, make_machine, make_served
from make.served import make_served_experiment

from harness.analysis.gate.choose import headline_score, selection_bias, unlike
from harness.analysis.gate.match import ACROSS, circumstances, failures, match, unusable
from harness.analysis.measured import measured_of
from harness.schema.experiment import Experiment
from harness.schema.outcome import CaseFailure, Outcome
from harness.schema.settings import Settings

ONE, TWO = Settings(n_threads=1), Settings(n_threads=2)


def matched(
    a: Experiment, b: Experiment, *across: str
) -> tuple[list[tuple[str, str]], list[tuple[str | None, str, str]]]:
    """Pairs by model and threads; checks by cause, model and workload."""
    found = match(measured_of(a, ()), measured_of(b, ()), across)
    pairs = [(one.model.key, other.model.key) for one, other in found.pairs]
    return pairs, [(check.cause, check.model, check.workload) for check in found.checks]


def text_of(a: Experiment, b: Experiment, *across: str) -> str:
    return " ".join(
        check.text for check in match(measured_of(a, ()), measured_of(b, ()), across).checks
    )


BASE = make_candidate("base01", day=1)
USUAL = [(MODEL.key, MODEL.key)]


def test_the_same_models_and_settings_belong_together() -> None:
    models = (model_called("m:a"), model_called("m:b"))
    a = make_candidate(models=models, settings=(ONE, TWO))
    b = make_candidate("base01", models=models[::-1], settings=(TWO, ONE))
    found = match(measured_of(a, ()), measured_of(b, ()))
    assert not found.checks
    assert all((x.model.key, x.settings) == (y.model.key, y.settings) for x, y in found.pairs)
    assert len(found.pairs) == 4


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("machine", {"machine": make_machine(id="elsewhere", cpu="Apple M9")}),
        ("build", {"build": "feedbee"}),
        ("settings", {"settings": (ONE,)}),
        ("file", {"models": (model_called(MODEL.key, sha256="f" * 64),)}),
        ("evidence", {"models": (model_called(MODEL.key, sha256=None, is_twin=True),)}),
    ],
)
def test_what_differs_is_told_with_the_option_that_allows_it(
    kind: str, changes: dict[str, object]
) -> None:
    other = make_candidate(**changes)  # type: ignore[arg-type]
    pairs, checks = matched(BASE, other)
    assert pairs == []
    assert [cause for cause, _, _ in checks] == ["not-comparable"]
    assert f"--across {kind}" in text_of(BASE, other)
    assert matched(BASE, other, kind) == (USUAL, [])
    assert matched(BASE, other, *(each for each in ACROSS if each != kind)) == (pairs, checks)


def test_what_was_imported_is_not_what_was_measured() -> None:
    imported = BASE.model_copy(update={"origin": "llama-bench"})
    assert "imported from llama-bench against measured here" in text_of(imported, make_candidate())
    assert matched(imported, make_candidate(), "evidence") == (USUAL, [])
    assert matched(imported, imported)[1] == []


def test_an_unknown_digest_is_no_other_file() -> None:
    unknown = make_candidate(models=(model_called(MODEL.key, sha256=None),))
    assert matched(BASE, unknown) == (USUAL, [])


def test_a_new_case_has_no_baseline_and_one_that_is_gone_is_missing() -> None:
    more = make_candidate(models=(MODEL, model_called("m:new")))
    assert matched(BASE, more) == (USUAL, [("no-baseline", "m:new", "")])
    assert matched(more, BASE) == (USUAL, [("missing", "m:new", "")])


def test_a_new_workload_has_no_baseline_and_one_that_is_gone_is_missing() -> None:
    more = make_candidate(workloads=("pp512", "tg128", "chat"))
    assert matched(BASE, more) == (USUAL, [("no-baseline", MODEL.key, "chat")])
    assert matched(more, BASE) == (USUAL, [("missing", MODEL.key, "chat")])


def test_several_settings_are_not_guessed_at() -> None:
    several = make_candidate(settings=(ONE, Settings(n_threads=3)))
    assert matched(BASE, several, "settings")[0] == []


def test_a_crash_is_counted_with_its_reason() -> None:
    candidate = make_candidate()
    runs = [*make_rounds(candidate, n_runs=3), make_failed_run(3)]
    (check,) = failures(measured_of(candidate, runs))
    assert (check.cause, check.workload) == ("failed", "")
    assert check.text.startswith("failed in 1 of 4 Runs: The system killed the worker")


def test_a_workload_that_failed_alone_is_named() -> None:
    candidate = make_candidate()
    failure = CaseFailure(workload="tg128", reason="decode-failed", message="It stuttered.")
    outcome = Outcome(status="failed", reason="decode-failed", message="tg128 failed.")
    runs = make_rounds(candidate, n_runs=3, case_failures=(failure,), outcome=outcome)
    (check,) = failures(measured_of(candidate, runs))
    assert (check.workload, check.text) == ("tg128", "failed in 3 of 3 Runs: It stuttered.")


def test_what_the_user_ended_did_not_fail() -> None:
    candidate = make_candidate()
    ended = Outcome(status="failed", reason="interrupted", message="interrupted in tg128")
    assert failures(measured_of(candidate, make_rounds(candidate, n_runs=1, outcome=ended))) == []


def test_a_case_without_runs_is_missing() -> None:
    (check,) = failures(measured_of(make_candidate(), ()))
    assert check.cause == "missing"


def test_few_runs_and_failures_make_no_baseline_that_is_chosen() -> None:
    base = make_candidate()
    assert unusable(make_sides(base, n_runs=3)) is None
    assert "2 of the 3 Runs" in str(unusable(make_sides(base, n_runs=2)))
    runs = [*make_rounds(base, n_runs=3), make_failed_run(3)]
    assert "failed" in str(unusable(measured_of(base, runs)))


def test_power_and_versions_are_told() -> None:
    conditions = BASE.conditions.model_copy(update={"power_source": "battery"})
    provenance = BASE.provenance.model_copy(update={"harness_version": "0.0.1"})
    other = BASE.model_copy(update={"conditions": conditions, "provenance": provenance})
    assert circumstances(BASE, BASE) == []
    assert [each.text for each in circumstances(other, BASE)] == [
        "power source: battery against mains",
        "harness 0.0.1 against 0.1.0",
    ]


def test_a_rehearsed_or_imported_candidate_is_said_to_be_one() -> None:
    twin = make_candidate(models=(model_called("m:a", is_twin=True),))
    assert "random" in " ".join(each.text for each in circumstances(twin, twin))
    imported = BASE.model_copy(update={"origin": "llama-bench"})
    assert "imported from llama-bench" in " ".join(
        each.text for each in circumstances(imported, imported)
    )


def test_only_the_same_plan_on_the_same_machine_is_like_the_candidate() -> None:
    assert unlike(BASE, make_candidate()) is None
    assert "pp512, tg128" in str(unlike(BASE, make_candidate(workloads=("tg128",))))
    assert "another" in str(
        unlike(BASE, make_candidate(models=(model_called(MODEL.key, sha256="0" * 64),)))
    )
    assert "machine" in str(unlike(BASE, make_candidate(machine=make_machine(id="elsewhere"))))
    assert unlike(BASE, make_candidate(build="feedbee")) is not None
    assert unlike(BASE, make_candidate(build="feedbee"), ("build",)) is None


def test_the_better_experiment_scores_higher_by_what_it_is_better() -> None:
    usual, slow = (
        headline_score(make_sides(slowdown=slowdown, noise=0.0)) for slowdown in (0.0, 0.1)
    )
    assert usual is not None
    assert slow is not None
    assert usual - slow == pytest.approx(0.0953, abs=1e-3)  # ln 1.1


def test_the_time_to_the_first_token_counts_the_other_way() -> None:
    chat = make_candidate(workloads=("chat",))
    runs = make_rounds(chat)
    later = [
        run.model_copy(
            update={
                "trials": tuple(
                    trial.model_copy(update={"ttft_ns": (trial.ttft_ns or 0) * 2})
                    for trial in run.trials
                )
            }
        )
        for run in runs
    ]
    quick, slow = (headline_score(measured_of(chat, each)) for each in (runs, later))
    assert quick is not None
    assert slow is not None
    assert quick > slow


def test_an_experiment_without_all_figures_has_no_score() -> None:
    assert headline_score(measured_of(make_candidate(), ())) is None


def test_the_best_of_many_looks_better_than_it_is_and_one_alone_does_not() -> None:
    assert selection_bias([1.0]) == selection_bias([]) == 0.0
    assert selection_bias([1.0, 1.0, 1.0]) == 0.0
    # Expected largest of ten normal values: 1.539 standard deviations (Harter 1961, table 1).
    scores = [0.01 * step for step in (-1.5, -1, -0.7, -0.4, -0.1, 0.1, 0.4, 0.7, 1, 1.5)]
    assert selection_bias(scores) == pytest.approx(1.539 * stdev(scores), rel=0.02)


def test_a_file_that_has_another_name_by_now_is_the_same_file() -> None:
    before = make_candidate("base01", day=1, models=(model_called("m-Q4_0-from-Q8_0.gguf"),))
    assert matched(before, make_candidate(models=(model_called("m:Q4_0"),))) == (
        [("m-Q4_0-from-Q8_0.gguf", "m:Q4_0")],
        [],
    )


def test_of_a_file_and_a_server_each_is_held_against_its_own_kind() -> None:
    newer = make_served()
    of_version = newer.served.model_copy(update={"version": "b2"})
    newer = newer.model_copy(update={"served": of_version})
    a = make_served_experiment(make_served(), MODEL)
    b = make_served_experiment(MODEL, newer)
    found = match(measured_of(a, ()), measured_of(b, ()))
    assert [one.model.key for one, _ in found.pairs] == [MODEL.key]
    (check,) = found.checks
    assert check.model == newer.key
    assert "engine llama-server b11549 against llama-server b2" in check.text
    assert not match(measured_of(a, ()), measured_of(b, ()), ("build",)).checks
