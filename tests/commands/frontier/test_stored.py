"""Which stored speeds stand on one page, and what figures and comparisons they give."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from make.records import make_experiment, make_failed_run, make_machine, make_model, make_run

from harness.commands.frontier.candidates import Candidate
from harness.commands.frontier.figures import speed_figures, speed_pairs, speed_workloads
from harness.commands.frontier.stored import stored_speeds
from harness.models.model import Model
from harness.records.store import ExperimentWriter
from harness.schema.experiment import End, ModelFile, Run, Stop
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
    sides = stored_speeds(FOUND, folder, MACHINE.id).sides
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
    sides = stored_speeds(FOUND, tmp_path, MACHINE.id).sides
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
    sides = stored_speeds(FOUND, tmp_path, MACHINE.id).sides
    figures = speed_figures(sides["a"], speed_workloads(sides.values())).figures
    assert not figures["decode"].is_decisive
    assert figures["need"].is_exact


def test_a_model_that_failed_says_why(tmp_path: Path) -> None:
    failed = make_failed_run(0, model="model:a")
    write(tmp_path, "a", 1, runs=[failed])
    sides = stored_speeds(FOUND, tmp_path, MACHINE.id).sides
    told = speed_figures(sides["a"], speed_workloads(sides.values()))
    assert "killed the worker" in (told.reason_missing or "")
    assert "decode" not in told.figures


@pytest.mark.parametrize("reason", [None, "interrupted"])
def test_what_was_killed_or_interrupted_is_not_measured_out(
    tmp_path: Path, reason: str | None
) -> None:
    write(tmp_path, "ab", 1, n_rounds=3, reason=reason)
    write(tmp_path, "c", 2)
    stored = stored_speeds(FOUND, tmp_path, MACHINE.id)
    assert set(stored.sides) == {"a", "b", "c"}
    assert stored.cut_short == {"a", "b"}
    write(tmp_path, "abc", 3, reason="budget")
    assert stored_speeds(FOUND, tmp_path, MACHINE.id).cut_short == frozenset()
