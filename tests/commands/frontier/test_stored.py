"""Which stored speeds stand on one page, and what figures and comparisons they give."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from make.records import make_experiment, make_failed_run, make_machine, make_model, make_run

from harness.analysis.frontier.figures import speed_figures, speed_pairs, speed_workloads
from harness.commands.frontier.candidates import Candidate
from harness.commands.frontier.measure import is_answered
from harness.commands.frontier.stored import has_speed, stored_speeds
from harness.measure.session import MeasureRequest
from harness.models.model import Model
from harness.records.store import ExperimentWriter
from harness.schema.experiment import End, Run, Stop
from harness.schema.model import ModelFile
from harness.schema.settings import Settings

MACHINE = make_machine()
RATES = {"a": 100.0, "b": 120.0, "c": 150.0}


def model(name: str, **changes: Any) -> ModelFile:
    facts = {"key": f"model:{name}", "sha256": name * 64, "quantization": name.upper()}
    return make_model(**(facts | changes))


def candidate(name: str) -> Candidate:
    path = Path(f"{name}.gguf")
    return Candidate(name, Model(model(name), (), "local", str(path), path=path))


FOUND = [candidate(name) for name in RATES]


def write(
    folder: Path,
    names: str,
    day: int,
    n_rounds: int = 6,
    runs: list[Run] | None = None,
    reason: str | None = "max-runs",
    **changes: Any,
) -> Path:
    """An experiment of the models in `names`, of a day of November; no reason: it was killed."""
    experiment = make_experiment(
        models=tuple(model(name) for name in names),
        id=f"e{day}",
        started_at=f"2026-11-{day:02}T10:00:00+00:00",
        **changes,
    )
    settings = experiment.plan.settings[0]
    rng = random.Random(day)
    if runs is None:
        runs = []
        for index in range(n_rounds):
            drift = rng.uniform(0.8, 1.2)  # a machine that is faster in some rounds
            for name in names:
                rate = RATES[name] * drift * rng.uniform(0.995, 1.005)
                changed: dict[str, Any] = {
                    "model": f"model:{name}",
                    "round": index,
                    "settings": settings,
                }
                rates = {"tg128": rate, "pp512": 3 * rate}
                runs.append(make_run(len(runs), rates=rates, **changed))
    with ExperimentWriter(folder, experiment) as writer:
        for run in runs:
            writer.append_run(run)
        if reason:
            stops = tuple(
                Stop.model_validate(
                    {
                        "model": f"model:{name}",
                        "settings": settings,
                        "reason": reason,
                        "n_runs": n_rounds,
                    }
                )
                for name in names
            )
            writer.finish(End(finished_at=f"2026-11-{day:02}T11:00:00+00:00", stops=stops))
    return writer.path


def speeds(folder: Path) -> dict[str, str]:
    sides = stored_speeds(FOUND, folder, MACHINE).sides
    return {name: side.experiment.id for name, side in sides.items()}


def test_an_experiment_of_all_comes_before_newer_ones_of_single_models(tmp_path: Path) -> None:
    write(tmp_path, "abc", 1)
    write(tmp_path, "a", 2)
    assert speeds(tmp_path) == {"a": "e1", "b": "e1", "c": "e1"}


def test_of_equals_the_newest_is_taken(tmp_path: Path) -> None:
    for day in (1, 2):
        write(tmp_path, "ab", day)
    assert speeds(tmp_path) == {"a": "e2", "b": "e2"}


def test_only_what_was_measured_alike_stands_on_one_page(tmp_path: Path) -> None:
    write(tmp_path, "ab", 1)
    write(tmp_path, "c", 2, settings=(Settings(n_threads=1),))
    write(tmp_path, "c", 3, machine=make_machine(id="another"))
    write(tmp_path, "c", 4, workloads=("tg128",))
    assert speeds(tmp_path) == {"a": "e1", "b": "e1"}
    write(tmp_path, "c", 5)
    assert speeds(tmp_path) == {"a": "e1", "b": "e1", "c": "e5"}


def test_twins_and_other_files_of_the_same_name_do_not_count(tmp_path: Path) -> None:
    twin = make_experiment(models=(model("a", is_twin=True), model("b", sha256="f" * 64)))
    with ExperimentWriter(tmp_path, twin):
        pass
    assert speeds(tmp_path) == {}


def test_no_results_folder_is_no_speed(tmp_path: Path) -> None:
    assert speeds(tmp_path / "none") == {}


def test_common_rounds_decide_what_intervals_cannot(tmp_path: Path) -> None:
    write(tmp_path, "ab", 1)
    sides = stored_speeds(FOUND, tmp_path, MACHINE).sides
    workloads = speed_workloads(sides.values())
    assert (workloads.decode, workloads.prefill, workloads.chat) == ("tg128", "pp512", None)
    figures = {name: speed_figures(side, workloads) for name, side in sides.items()}
    assert figures["a"].n_runs == 6
    assert set(figures["a"].figures) == {"decode", "prefill", "need"}
    # The machine drifted by more than the models differ.
    a, b = (figures[name].figures["decode"].bounds for name in "ab")
    assert a[1] > b[0]
    compared = speed_pairs(sides, workloads)["a", "b"]
    assert compared["decode"].pairing == "rounds"
    assert compared["decode"].verdict == "better"
    assert compared["decode"].ratio == pytest.approx(1.2, rel=0.01)
    assert compared["need"].verdict == "same"


def test_few_runs_give_a_range_and_an_exact_need(tmp_path: Path) -> None:
    write(tmp_path, "a", 1, n_rounds=2)
    sides = stored_speeds(FOUND, tmp_path, MACHINE).sides
    figures = speed_figures(sides["a"], speed_workloads(sides.values())).figures
    assert not figures["decode"].is_decisive
    assert figures["need"].is_exact


def test_a_model_that_failed_says_why(tmp_path: Path) -> None:
    failed = make_failed_run(0, model="model:a")
    write(tmp_path, "a", 1, runs=[failed])
    sides = stored_speeds(FOUND, tmp_path, MACHINE).sides
    told = speed_figures(sides["a"], speed_workloads(sides.values()))
    assert "killed the worker" in (told.reason_missing or "")
    assert "decode" not in told.figures


@pytest.mark.parametrize("reason", [None, "interrupted"])
def test_what_was_killed_or_interrupted_is_not_measured_out(
    tmp_path: Path, reason: str | None
) -> None:
    write(tmp_path, "ab", 1, n_rounds=3, reason=reason)
    write(tmp_path, "c", 2)
    stored = stored_speeds(FOUND, tmp_path, MACHINE)
    assert set(stored.sides) == {"a", "b", "c"}
    assert stored.cut_short == {"a", "b"}
    write(tmp_path, "abc", 3, reason="budget")
    assert stored_speeds(FOUND, tmp_path, MACHINE).cut_short == frozenset()


def disturbed_runs(name: str, n_runs: int) -> list[Run]:
    """Runs in whose every trial another program took half of the machine."""
    runs = []
    for index in range(n_runs):
        run = make_run(index, rates={"tg128": 50.0, "pp512": 150.0}, model=f"model:{name}")
        trials = []
        for trial in run.trials:
            counters = trial.counters
            assert counters is not None
            busy_ns = counters.process_cpu_ns + counters.wall_ns * (MACHINE.n_cores_logical or 1)
            busy = counters.model_copy(update={"system_busy_ns": busy_ns, "wall_ns": 10**9})
            trials.append(trial.model_copy(update={"counters": busy}))
        runs.append(run.model_copy(update={"trials": tuple(trials), "round": index}))
    return runs


def asked(**changes: Any) -> MeasureRequest:
    plan = make_experiment().plan
    usual: dict[str, Any] = {
        "workloads": plan.workloads, "settings": {}, "n_runs_max": plan.n_runs_max,
        "n_trials": plan.n_trials, "n_cold_loads": 0, "budget_ns": plan.budget_ns,
        "results": Path(),
    }  # fmt: skip
    return MeasureRequest(**(usual | changes))


def test_a_newer_failure_does_not_outweigh_what_was_measured(tmp_path: Path) -> None:
    write(tmp_path, "ab", 1)
    for day in (2, 3):
        write(tmp_path, "abc", day, runs=[make_failed_run(0, model="model:a")])
    assert speeds(tmp_path) == {"a": "e1", "b": "e1"} | {"c": "e3"}


def test_what_was_disturbed_throughout_is_not_known_and_is_measured_again(tmp_path: Path) -> None:
    write(tmp_path, "a", 1, runs=disturbed_runs("a", 6))
    side = stored_speeds(FOUND, tmp_path, MACHINE).sides["a"]
    assert not has_speed(side)
    assert not is_answered(side, asked())
    write(tmp_path, "a", 2)
    known = stored_speeds(FOUND, tmp_path, MACHINE).sides["a"]
    assert is_answered(known, asked())


@pytest.mark.parametrize(
    ("reason", "is_final"), [("hung", False), ("killed", False), ("model-invalid", True)]
)
def test_a_failure_that_may_pass_is_tried_again(
    tmp_path: Path, reason: str, is_final: bool
) -> None:
    failed = make_failed_run(0, model="model:a")
    outcome = failed.outcome.model_copy(update={"reason": reason})
    write(tmp_path, "a", 1, runs=[failed.model_copy(update={"outcome": outcome})])
    side = stored_speeds(FOUND, tmp_path, MACHINE).sides["a"]
    assert is_answered(side, asked()) == is_final


def test_more_runs_than_are_stored_are_measured_when_asked_for(tmp_path: Path) -> None:
    write(tmp_path, "a", 1)
    side = stored_speeds(FOUND, tmp_path, MACHINE).sides["a"]
    most = side.experiment.plan.n_runs_max
    assert is_answered(side, asked(n_runs_max=most - 1))
    assert not is_answered(side, asked(n_runs_max=most + 6))


def test_a_damaged_experiment_is_named_and_hinders_no_other(tmp_path: Path) -> None:
    write(tmp_path, "ab", 1)
    damaged = write(tmp_path, "a", 2)
    first, *rest = damaged.read_bytes().splitlines(keepends=True)
    damaged.write_bytes(first + b'{"kind":"run"}\n' + b"".join(rest))
    assert speeds(tmp_path) == {"a": "e1", "b": "e1"}
    (tmp_path / "alone").mkdir()
    damaged.rename(tmp_path / "alone" / damaged.name)
    alone = stored_speeds(FOUND, tmp_path / "alone", MACHINE)
    assert alone.sides == {}
    (problem,) = alone.problems
    assert f"{damaged.name}, line 2 is damaged" in problem
