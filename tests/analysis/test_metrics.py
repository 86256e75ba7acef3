"""analysis/metrics.py: that every formula has its row, and every row what it says of itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from make.quality import make_chunks
from make.records import CPU, GPU, make_experiment, make_model, make_run, make_served, run_of
from make.trials import make_trial, make_turns

from harness.analysis.formulas import over_runs
from harness.analysis.measured import measured_of
from harness.analysis.metrics import COMPARED, GATED, METRICS, headline
from harness.analysis.quality import figures_of, quality_of
from harness.schema.experiment import Experiment, Run
from harness.schema.machine import Energy
from harness.schema.request import Request, RequestFailure, ServerTimes, ServiceLevel
from harness.schema.workload import KINDS, parse_workload
from harness.schema.workload_kind import Workload
from harness.schema.workload_turns import Turns

SECOND = 1_000_000_000
_ANSWER = Request(
    ttft_ns=SECOND,
    answer_ns=SECOND,
    gap_ns=(SECOND,),
    n_tokens=2,
    server=ServerTimes(prompt_ns=SECOND, decode_ns=SECOND, n_tokens=2, n_draft=1),
)


def metered_run(index: int, workload: str) -> Run:
    """A Run of a model too large for the cache, on a machine with a counter of its energy."""
    energy = Energy(
        domain="package-0",
        kind="package",
        joules=90.0,
        window_ns=SECOND,
        source="powercap",
        refresh_ns=1_000_000,
        step_joules=2**-14,
    )
    task = parse_workload(workload)
    has_answer = task.is_request and not task.needs_server
    more: dict[str, Any] = {"requests": (_ANSWER,)} if has_answer else {}
    if isinstance(task, Turns):
        requests = make_turns(task)["requests"]
        served = (it.model_copy(update={"server": _ANSWER.server}) for it in requests)
        full = RequestFailure(reason="context-full", message="turn 9 needs 12000 positions")
        more = {"requests": (*served, Request(turn=8, history="kept", failure=full))}
    trials = [make_trial(workload, 50, each, energy=(energy,), **more) for each in range(4)]
    idle = energy.model_copy(update={"joules": 10.0})
    return run_of(*trials, idle_energy=(idle,), index=index, round=index)


def as_if_served(experiment: Experiment, runs: list[Run]) -> tuple[Experiment, list[Run]]:
    """The same of a server, judged by a service level."""
    model = make_served()
    level = ServiceLevel(ttft_ns=SECOND)
    facts = {"models": (model,), "settings": (model.served.settings,), "slo": level}
    plan = experiment.plan.model_copy(update=facts)
    about = {"model": model.key, "settings": model.served.settings}
    return (
        experiment.model_copy(update={"plan": plan}),
        [run.model_copy(update=about) for run in runs],
    )


@pytest.mark.parametrize("kind", KINDS)
def test_the_formulas_of_a_workload_give_just_the_rows_of_its_kind(kind: type[Workload]) -> None:
    name = kind.examples[0]
    model = make_model(weights_bytes=10**9, token_read_bytes=10**9)
    runs = [metered_run(index, name) for index in range(2)]
    experiment = make_experiment((name,), models=(model,))
    if parse_workload(name).is_request:
        experiment, runs = as_if_served(experiment, runs)
    (group,) = measured_of(experiment, runs)
    (case,) = group.cases
    assert [*case.metrics] == [row.name for row in METRICS.values() if kind in row.of]


def test_a_formula_without_a_row_is_found_out() -> None:
    with pytest.raises(KeyError, match="itl_max"):
        over_runs([{"tok_per_s": 1.0, "itl_max": 2.0}])


def test_the_formulas_of_a_model_give_just_the_rows_without_a_workload() -> None:
    loaded = GPU.model_copy(update={"free_bytes": 3 << 30})
    mark = make_run().memory[0].model_copy(update={"footprint_bytes": 7})
    load = make_run(1).load
    assert load
    runs = [
        make_run(0),
        make_run(1, memory=(mark,)),
        make_run(2, load=load.model_copy(update={"is_cold": None})),
        make_run(3, devices_before=(CPU, GPU), devices_loaded=(CPU, loaded)),
    ]
    (group,) = measured_of(make_experiment(), runs)
    served, asked = as_if_served(make_experiment(), [make_run(0)])
    (of_server,) = measured_of(served, asked)
    found = {*group.metrics, *of_server.metrics}
    assert found == {
        row.name for row in METRICS.values() if row.topic in ("load", "memory", "model")
    }


def test_the_formulas_of_quality_give_just_the_rows_of_quality() -> None:
    chunks, _ = make_chunks(np.random.default_rng(1), 3)
    figures = figures_of(quality_of(chunks))
    rows = [row for row in METRICS.values() if row.topic == "quality"]
    assert [*figures] == [row.name for row in rows]
    assert [figure.unit for figure in figures.values()] == [row.unit for row in rows]


def test_every_row_is_of_workloads_or_has_a_topic() -> None:
    assert all(bool(row.of) != bool(row.topic) for row in METRICS.values())


def test_rows_of_one_label_differ_by_their_details() -> None:
    names = [(row.topic, row.label, row.detail) for row in METRICS.values()]
    assert len({*names}) == len(names)


def test_only_what_can_be_better_is_compared_and_only_that_is_gated() -> None:
    assert all(METRICS[name].better for name in COMPARED)
    assert {*GATED} < {*COMPARED}


@pytest.mark.parametrize(
    ("workload", "name"),
    [
        *(("pp512", "tok_per_s"), ("tg128", "tok_per_s"), ("chat", "ttft")),
        *(("sustain8", "tok_per_s"), ("pp512x4", "tok_per_s"), ("tg128x4", "tok_per_s")),
    ],
)
def test_a_workload_is_judged_by_its_first_row(workload: str, name: str) -> None:
    assert headline(parse_workload(workload)).name == name


def test_times_and_bytes_are_better_where_they_are_less() -> None:
    assert [name for name in COMPARED if METRICS[name].is_more_better] == [
        "tok_per_s",
        "decode_tok_per_s",
        "accepted_ratio",
        "tokens_per_step",
    ]


def test_the_rates_that_a_kind_names_are_among_its_rows() -> None:
    for kind in KINDS:
        for name in (kind.prompt_metric, kind.decode_metric):
            assert name is None or kind in METRICS[name].of
