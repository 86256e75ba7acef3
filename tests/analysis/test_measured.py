from __future__ import annotations

from typing import Any

import pytest
from make.records import (
    SETTINGS,
    make_experiment,
    make_failed_run,
    make_model,
    make_run,
    make_runs,
    run_of,
)
from make.trials import disturbed_counters, make_trial

from harness.analysis.cases import Case
from harness.analysis.measured import Measured, measured_of
from harness.schema.experiment import Experiment, Run
from harness.schema.outcome import CaseFailure, Outcome
from harness.schema.settings import computing_threads


def case_of(runs: list[Run], workload: str = "tg128", **plan: Any) -> Case:
    (group,) = measured_of(make_experiment((workload,), **plan), runs)
    return group.cases[0]


def group_of(experiment: Experiment, runs: list[Run]) -> Measured:
    (group,) = measured_of(experiment, runs)
    return group


def test_a_case_is_the_median_over_runs_with_its_interval() -> None:
    case = case_of(make_runs(7))
    figure = case.metrics["tok_per_s"]
    assert (figure.n, figure.unit, figure.kind) == (7, "tok/s", "interval")
    assert figure.bounds[0] < figure.value < figure.bounds[1]
    assert (case.n_runs, case.n_trials, case.n_disturbed) == (7, 21, 0)
    assert case.others_ratio == pytest.approx(0.01, abs=1e-4)


def test_a_run_without_a_clean_trial_gives_no_value_and_is_counted() -> None:
    spoilt = run_of(make_trial("tg128", 30, counters=disturbed_counters()))
    case = case_of([*make_runs(2), spoilt])
    assert case.metrics["tok_per_s"].n == 2
    assert (case.n_runs, case.n_runs_without_value, case.n_disturbed) == (3, 1, 1)
    assert case.disturbed == {}


def test_without_any_clean_trial_the_disturbed_figure_stands_apart() -> None:
    spoilt = run_of(make_trial("tg128", 30, counters=disturbed_counters()))
    case = case_of([spoilt, spoilt])
    assert case.metrics == {}
    assert case.disturbed["tok_per_s"].value == pytest.approx(30)
    assert case.outcome.status == "ok"


def crashed(after: int) -> Run:
    outcome = Outcome(status="failed", reason="crashed", message="The engine crashed.")
    trials = tuple(make_trial("tg128", 100, i) for i in range(after))
    return make_run(workloads=("pp512", "tg128"), outcome=outcome, trials=trials)


def test_a_crash_keeps_the_trials_before_it() -> None:
    group = group_of(make_experiment(), [crashed(after=1)])
    pp, tg = group.cases
    assert (pp.outcome.status, pp.metrics) == ("failed", {})
    assert (tg.outcome.status, tg.outcome.message) == ("failed", "The engine crashed.")
    assert tg.metrics["tok_per_s"].n == 1
    assert (group.n_runs, group.n_failed) == (1, 1)


def test_a_case_that_was_done_before_the_crash_is_ok() -> None:
    pp, tg = group_of(make_experiment(), [crashed(after=3)]).cases
    assert (pp.outcome.status, tg.outcome.status) == ("failed", "ok")


def test_each_workload_fails_with_its_own_sentence() -> None:
    failures = (
        CaseFailure(workload="tg8@d9999", reason="context-too-large", message="10007 is too many"),
        CaseFailure(workload="tg8@d99999", reason="context-too-large", message="100007 is more"),
    )
    run = make_run(
        workloads=("pp512", "tg8@d9999", "tg8@d99999"),
        trials=(make_trial("pp512", 300),),
        outcome=Outcome(status="failed", reason="context-too-large", message="10007 is too many"),
        case_failures=failures,
    )
    experiment = make_experiment(("pp512", "tg8@d9999", "tg8@d99999"))
    outcomes = [case.outcome for case in group_of(experiment, [run]).cases]
    # Fewer trials than planned, for want of time, are no failure of pp512.
    assert [outcome.status for outcome in outcomes] == ["ok", "failed", "failed"]
    assert [outcome.message for outcome in outcomes[1:]] == [f.message for f in failures]


def test_an_interrupted_run_leaves_unmeasured_what_had_no_trial_and_fails_nothing() -> None:
    stop = Outcome(status="failed", reason="interrupted", message="Interrupted.")
    cut = make_failed_run(6, outcome=stop)
    done = group_of(make_experiment(), [*make_runs(6), cut])
    assert [case.outcome.status for case in done.cases] == ["ok", "ok"]
    never = group_of(make_experiment(), [cut])
    assert [case.outcome.status for case in never.cases] == ["not-run", "not-run"]
    assert never.cases[0].outcome.message == "Interrupted."


def test_what_no_run_reached_is_there_and_says_so() -> None:
    group = group_of(make_experiment(), [])
    assert [case.outcome.status for case in group.cases] == ["not-run", "not-run"]
    assert group.metrics["bytes_per_token"].kind == "exact"


def test_groups_stand_in_the_order_of_the_plan() -> None:
    other = SETTINGS.model_copy(update={"n_threads": 1})
    models = (make_model(), make_model(key="tiny"))
    experiment = make_experiment(models=models, settings=(other, SETTINGS))
    groups = measured_of(experiment, make_runs(2))
    assert [(group.model.key, computing_threads(group.settings)) for group in groups] == [
        (models[0].key, 1),
        (models[0].key, 2),
        ("tiny", 1),
        ("tiny", 2),
    ]
    assert [group.n_runs for group in groups] == [0, 2, 0, 0]
