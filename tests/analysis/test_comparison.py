"""Two measured things side by side."""

from __future__ import annotations

import random
from typing import Any

import pytest
from make.records import (
    make_experiment,
    make_failed_run,
    make_machine,
    make_model,
    make_run,
    run_of,
)
from make.trials import disturbed_counters, make_trial

from harness.analysis.comparison import ComparedFigure, compare, differences, is_decided, mismatches
from harness.analysis.measured import Measured
from harness.analysis.metrics import COMPARED
from harness.schema.configuration import Configuration
from harness.schema.experiment import Experiment, Run
from harness.schema.fleet import FleetPart
from harness.schema.machine import Energy
from harness.schema.settings import Settings

SLOW, FAST = make_model(key="m:Q8_0"), make_model(key="m:Q4_0", sha256="f" * 64)


def experiment(**changes: Any) -> Experiment:
    return make_experiment(models=(SLOW, FAST), **changes)


def sides(n_rounds: int = 8, factor: float = 1.2) -> tuple[Measured, Measured]:
    made, rng = experiment(), random.Random(2)
    runs: list[Run] = []
    settings = made.plan.settings[0]
    for index in range(n_rounds):
        drift = rng.uniform(0.7, 1.4)
        for model, rate in ((SLOW, 100.0), (FAST, 100.0 * factor)):
            rates = {"tg128": rate * drift, "pp512": 3 * rate * drift}
            runs.append(
                make_run(len(runs), rates=rates, model=model.key, round=index, settings=settings)
            )
    a, b = (Measured(Configuration(model, settings), made, runs) for model in (SLOW, FAST))
    return a, b


def verdicts(a: Measured, b: Measured) -> dict[str, str]:
    return {
        f"{each.workload} {each.metric}".strip(): each.comparison.verdict
        for each in compare(a, b)
        if each.comparison
    }


def test_rounds_show_what_a_drifting_machine_hides() -> None:
    found = verdicts(*sides())
    assert found["tg128 tok_per_s"] == found["pp512 tok_per_s"] == "better"
    assert found["need"] == "same"


def test_the_other_way_round_it_is_slower() -> None:
    a, b = sides()
    assert verdicts(b, a)["tg128 tok_per_s"] == "worse"


def test_sides_of_two_experiments_are_not_paired() -> None:
    a, b = sides()
    later = Measured(b.configuration, experiment(id="other"), b.runs)
    by_metric = {each.metric: each.comparison for each in compare(a, later)}
    rate = by_metric["tok_per_s"]
    assert rate
    assert rate.pairing == "unpaired"


def with_runs(side: Measured, *runs: Run) -> Measured:
    return Measured(side.configuration, side.experiment, runs)


def by_name(figures: list[ComparedFigure]) -> dict[tuple[str, str], ComparedFigure]:
    return {(each.workload, each.metric): each for each in figures}


def killed(side: Measured) -> Run:
    """A Run that did not get as far as having a model."""
    about: dict[str, Any] = {"model": side.model.key, "settings": side.settings}
    return make_failed_run(load=None, weights=(), contexts=(), **about)


def test_a_side_without_runs_is_told_and_not_compared() -> None:
    a, b = sides()
    found = by_name(compare(a, with_runs(b)))
    assert not any(each.comparison for each in found.values())
    assert not is_decided([*found.values()])
    assert found["tg128", "tok_per_s"].note == "B was not measured"
    assert found["tg128", "tok_per_s"].a_state == "measured"
    assert found["tg128", "tok_per_s"].b_state == "absent"


def test_a_side_that_failed_is_told_with_its_reason() -> None:
    a, b = sides()
    found = by_name(compare(a, with_runs(b, killed(b))))
    figure = found["pp512", "tok_per_s"]
    assert (figure.a_state, figure.b_state, figure.b) == ("measured", "failed", None)
    assert figure.note.startswith("B failed: The system killed the worker")
    assert found["", "load_warm"].b_state == "failed"


def test_where_both_failed_each_workload_has_a_row() -> None:
    a, b = sides()
    found = compare(with_runs(a, killed(a)), with_runs(b, killed(b)))
    assert [(each.workload, each.metric) for each in found] == [
        ("pp512", "tok_per_s"),
        ("tg128", "tok_per_s"),
    ]
    assert {(each.a_state, each.b_state) for each in found} == {("failed", "failed")}


@pytest.mark.parametrize("wanted", [(metric,) for metric in COMPARED])
def test_no_choice_of_metrics_hides_that_nothing_was_measured(wanted: tuple[str, ...]) -> None:
    a, b = sides()
    found = compare(with_runs(a, killed(a)), with_runs(b, killed(b)), wanted=wanted)
    assert {each.a_state for each in found} == {"failed"}
    assert not is_decided(found)


def test_a_side_that_was_always_disturbed_is_told_so() -> None:
    a, b = sides()
    trial = make_trial("tg128", 90.0, counters=disturbed_counters())
    run = run_of(trial, model=b.model.key, settings=b.settings)
    figure = by_name(compare(a, with_runs(b, run)))["tg128", "tok_per_s"]
    assert (figure.b_state, figure.b) == ("disturbed", None)
    assert figure.note == "B had no clean trial in n = 1"


def test_what_was_disturbed_so_far_is_not_decided_by_the_rest() -> None:
    a, b = sides()
    need = compare(a, b, wanted=("need",))
    trial = make_trial("tg128", 90.0, counters=disturbed_counters())
    run = run_of(trial, model=b.model.key, settings=b.settings)
    rate = by_name(compare(a, with_runs(b, run)))["tg128", "tok_per_s"]
    assert is_decided(need)
    assert not is_decided([*need, rate])


def test_a_figure_that_one_side_lacks_is_no_failure() -> None:
    a, b = sides()
    answers: list[dict[str, Any]] = [{}, {"ttft_ns": None}]
    chats = [
        run_of(make_trial("chat", 90.0, **changes), model=it.model.key, settings=it.settings)
        for it, changes in zip((a, b), answers, strict=True)
    ]
    planned = experiment(workloads=("chat",))
    one, other = (Measured(it.configuration, planned, chats) for it in (a, b))
    figure = by_name(compare(one, other))["chat", "ttft"]
    assert (figure.b_state, figure.note) == ("absent", "B has no such figure")


def test_memory_of_other_workloads_is_shown_and_not_compared() -> None:
    a, b = sides()
    planned = experiment(id="later", workloads=("tg128",))
    runs = [
        make_run(i, ("tg128",), model=b.model.key, settings=b.settings, round=i) for i in range(3)
    ]
    later = Measured(b.configuration, planned, runs)
    found = by_name(compare(a, later))
    for metric in ("need", "peak"):
        figure = found["", metric]
        assert figure.a
        assert figure.b
        assert (figure.comparison, figure.note) == (None, "other workloads had other contexts")
    assert found["tg128", "tok_per_s"].comparison
    assert ("pp512", "tok_per_s") not in found
    assert [each.text for each in differences(a, later)] == ["only A has pp512"]


def test_a_size_that_the_engine_tells_needs_no_interval() -> None:
    need = by_name(compare(*sides(1)))["", "need"].comparison
    assert need
    assert (need.pairing, need.verdict, need.n) == ("exact", "same", 1)


def test_each_round_is_compared_with_itself_alone() -> None:
    a, b = sides(6)
    rate = by_name(compare(a, with_runs(b, *b.runs[:4])))["tg128", "tok_per_s"]
    assert rate.comparison
    assert (rate.comparison.n, rate.comparison.pairing) == (4, "rounds")
    assert rate.comparison.ratio == pytest.approx(1.2, rel=0.02)


def counted(domain: str, joules: float) -> Energy:
    return Energy(
        source="powercap",
        domain=domain,
        kind="package",
        joules=joules,
        window_ns=1_000_000_000,
        refresh_ns=1_000_000,
        step_joules=1e-6,
    )


@pytest.mark.parametrize("domain", ["package-0", "package-1"])
def test_joules_are_compared_where_the_same_was_counted(domain: str) -> None:
    a, b = sides()
    one, other = (
        with_runs(
            side,
            *(
                run_of(
                    make_trial("tg128", 100.0, energy=(counted(name, joules),)),
                    idle_energy=(counted(name, 2.0),),
                    model=side.model.key,
                    settings=side.settings,
                    round=index,
                )
                for index, joules in enumerate((20.0, 20.1, 20.2))
            ),
        )
        for side, name in ((a, "package-0"), (b, domain))
    )
    figure = by_name(compare(one, other))["tg128", "joules_per_token"]
    if domain == "package-0":
        assert figure.comparison
        assert figure.comparison.verdict == "same"
    else:
        assert figure.comparison is None
        assert "package-0 (powercap) against package-1 (powercap)" in figure.note


def test_only_what_is_wanted_is_compared() -> None:
    found = compare(*sides(), wanted=("need",))
    assert [each.metric for each in found] == ["need"]
    assert is_decided(found)


def test_what_must_match_and_does_not_is_named() -> None:
    a, b = sides()
    provenance = b.experiment.provenance
    engine = provenance.engine.model_copy(update={"library_commit": "feedbeef"})
    changed = b.experiment.model_copy(
        update={
            "machine": make_machine(id="elsewhere"),
            "provenance": provenance.model_copy(update={"engine": engine}),
        }
    )
    twin = b.model.model_copy(update={"is_twin": True})
    settings = Settings(n_threads=7, repack=False)
    other = Measured(Configuration(twin, settings), changed, b.runs)
    found = mismatches(a, other)
    assert [each.kind for each in found] == ["machine", "build", "settings", "evidence"]
    assert "elsewhere" in found[0].text
    assert "feedbeef" in found[1].text
    assert found[2].text == "settings threads 2 against 7, repack on against off"
    assert mismatches(a, b) == []


def test_another_file_of_the_same_name_is_remarked() -> None:
    a, b = sides()
    model = a.model.model_copy(update={"sha256": "0" * 64})
    changed = Measured(Configuration(model, a.settings), a.experiment, a.runs)
    assert "not the same file" in " ".join(each.text for each in differences(a, changed))
    assert differences(a, b) == []


def test_that_a_prompts_rate_is_of_another_kind_is_said() -> None:
    made = experiment()
    encoder = make_model(key="e", architecture="bert")
    settings = made.plan.settings[0]
    a, b = (Measured(Configuration(model, settings), made, ()) for model in (SLOW, encoder))
    texts = [each.text for each in differences(a, b)]
    assert "a prompt's tok/s is prefill against embedding throughput" in texts
    assert not any("a prompt's tok/s" in each.text for each in differences(a, a))


def test_two_hosts_of_a_fleet_are_two_machines_though_they_are_alike() -> None:
    a, b = sides()
    hosts = [
        Measured(
            it.configuration,
            it.experiment.model_copy(update={"fleet": FleetPart(id="f", host=host)}),
            it.runs,
        )
        for it, host in ((a, "laptop"), (b, "studio"))
    ]
    (found,) = [it for it in mismatches(*hosts) if it.kind == "machine"]
    assert "laptop" in found.text
    assert "studio" in found.text
    assert not [it for it in mismatches(a, hosts[0]) if it.kind == "machine"]
