"""The order, the budgets and the reasons to stop; workers are replaced by recorded reports."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from make.records import SETTINGS, make_experiment, make_model, make_run

from harness.errors import HarnessError, ResultsUnwritable
from harness.measure import bandwidth_here, rounds
from harness.measure.jobs.measure import MeasureJob, MeasureReport
from harness.measure.protocol import Event
from harness.measure.rounds import RunMaker
from harness.measure.sweep import Result, Sweep
from harness.records.store import ExperimentWriter, load
from harness.schema.configuration import Configuration
from harness.schema.experiment import End, Experiment, Run, Stop
from harness.schema.machine import BandwidthSample
from harness.schema.outcome import CaseFailure, Outcome
from harness.schema.settings import Settings

BANDWIDTH = BandwidthSample(
    median_bytes_per_s=30_000_000_000,
    q90_bytes_per_s=31_000_000_000,
    n_samples=15,
    n_threads=2,
    buffer_bytes=1 << 29,
)
OK = Outcome(status="ok")
Answer = Callable[[MeasureJob, int], MeasureReport]
Decided = Callable[[Sequence[Run]], bool]


class Silent:
    def run_started(self, number: int, configuration: Configuration) -> None: ...

    def event(self, number: int, event: Event) -> None: ...

    def run_finished(self, run: Run, stop: Stop | None) -> None: ...


def answer(rate: float = 120, outcome: Outcome = OK, **facts: Any) -> MeasureReport:
    run = make_run(workloads=("tg128",), rates={"tg128": rate})
    return MeasureReport(outcome=outcome, trials=run.trials, **facts)


def failed(reason: str, message: str = "it broke") -> Outcome:
    return Outcome.model_validate({"status": "failed", "reason": reason, "message": message})


@pytest.fixture
def measure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    monkeypatch.setattr(bandwidth_here, "read_now", lambda *_: (BANDWIDTH, None))

    def run(
        worker: Answer, experiment: Experiment, is_decided: Decided | None = None
    ) -> tuple[Result, list[MeasureJob], Path]:
        jobs: list[MeasureJob] = []

        def measured(job: MeasureJob, **_: object) -> MeasureReport:
            jobs.append(job)
            return worker(job, len(jobs) - 1)

        monkeypatch.setattr(rounds, "measure", measured)
        paths = {model.key: Path(model.key) for model in experiment.plan.models}
        with ExperimentWriter(tmp_path, experiment) as writer:
            sweep = Sweep(
                experiment,
                RunMaker(experiment, paths, writer.path, Silent()),
                writer,
                Silent(),
                is_decided=is_decided,
            )
            result = sweep.measure()
        return result, jobs, writer.path

    return run


def experiment(**plan: Any) -> Experiment:
    return make_experiment(("tg128",), **({"n_runs_max": 12} | plan))


def reasons(result: Result) -> list[str]:
    return [stop.reason for stop in result.stops]


def test_it_stops_when_the_figure_is_precise(measure: Any) -> None:
    result, jobs, _ = measure(lambda job, i: answer(120 + i % 2 * 0.1), experiment())
    assert reasons(result) == ["precise"]
    assert len(jobs) == result.stops[0].n_runs == 6


def test_it_stops_at_the_most_runs_when_it_never_gets_precise(measure: Any) -> None:
    result, jobs, _ = measure(lambda job, i: answer(120 + i % 2 * 40), experiment())
    assert reasons(result) == ["max-runs"]
    assert len(jobs) == 12


def test_the_most_runs_all_in_vain_are_a_failure(measure: Any) -> None:
    result, _, _ = measure(
        lambda job, i: MeasureReport(outcome=failed("killed")), experiment(n_runs_max=1)
    )
    assert reasons(result) == ["failed"]


def test_one_run_is_finished_however_small_the_budget(measure: Any) -> None:
    result, jobs, _ = measure(lambda job, i: answer(), experiment(budget_ns=1))
    assert reasons(result) == ["budget"]
    assert len(jobs) == 1


def test_the_budget_is_for_each_model(measure: Any) -> None:
    models = (make_model(key="a"), make_model(key="b"))
    result, jobs, _ = measure(lambda job, i: answer(), experiment(budget_ns=1, models=models))
    assert reasons(result) == ["budget", "budget"]
    assert sorted(job.model_path for job in jobs) == ["a", "b"]


def test_every_round_measures_every_case_once(measure: Any) -> None:
    settings = tuple(Settings(n_threads=n) for n in (1, 2, 3))
    plan = experiment(settings=settings, n_runs_max=8)
    result, jobs, _ = measure(lambda job, i: answer(120 + i % 5 * 40), plan)
    threads = [job.settings.n_threads for job in jobs]
    rounds = [threads[i : i + 3] for i in range(0, 24, 3)]
    assert all(sorted(one) == [1, 2, 3] for one in rounds)
    assert len({tuple(one) for one in rounds}) > 1
    assert [run.round for run in result.runs] == [i // 3 for i in range(24)]


def test_the_same_seed_gives_the_same_order_and_tokens(measure: Any, tmp_path: Path) -> None:
    settings = tuple(Settings(n_threads=n) for n in (1, 2, 3))
    orders = []
    for name in ("first", "second"):
        plan = experiment(settings=settings, n_runs_max=3, seed=5, id=name)
        _, jobs, _ = measure(lambda job, i: answer(), plan)
        orders.append([(job.settings.n_threads, job.seed) for job in jobs])
    assert orders[0] == orders[1]


def test_only_the_first_rounds_load_from_the_disk(measure: Any) -> None:
    _, jobs, _ = measure(lambda job, i: answer(120 + i % 2 * 40), experiment(n_cold_loads=2))
    assert [job.is_cold for job in jobs] == [True, True] + [False] * 10


def test_a_refused_model_is_not_tried_again_and_the_others_go_on(measure: Any) -> None:
    models = (make_model(key="bad"), make_model(key="good"))

    def worker(job: MeasureJob, i: int) -> MeasureReport:
        return (
            MeasureReport(outcome=failed("architecture-unknown"))
            if job.model_path == "bad"
            else answer(120)
        )

    result, jobs, path = measure(worker, experiment(models=models))
    assert reasons(result) == ["failed", "precise"]
    assert [job.model_path for job in jobs].count("bad") == 1
    assert len(load(path).runs) == 7


def test_a_crash_is_tried_twice(measure: Any) -> None:
    result, jobs, _ = measure(lambda job, i: MeasureReport(outcome=failed("aborted")), experiment())
    assert reasons(result) == ["failed"]
    assert len(jobs) == 2


def test_a_workload_that_cannot_be_is_left_out_of_later_runs(measure: Any) -> None:
    plan = make_experiment(("tg128", "tg8@d9999"), n_runs_max=12)
    failure = CaseFailure(workload="tg8@d9999", reason="context-too-large", message="too large")

    def worker(job: MeasureJob, i: int) -> MeasureReport:
        if "tg8@d9999" in job.workloads:
            return answer(outcome=failed("context-too-large"), case_failures=(failure,))
        return answer()

    result, jobs, _ = measure(worker, plan)
    assert ["tg8@d9999" in job.workloads for job in jobs] == [True] + [False] * 5
    assert reasons(result) == ["precise"]


def test_an_interrupted_sweep_keeps_what_it_has_and_ends_the_file(measure: Any) -> None:
    def worker(job: MeasureJob, i: int) -> MeasureReport:
        return answer(outcome=failed("interrupted")) if i == 2 else answer()

    result, _, path = measure(worker, experiment())
    assert result.is_interrupted
    stored = load(path)
    assert [run.outcome.reason for run in stored.runs] == [None, None, "interrupted"]
    assert stored.end
    assert [stop.reason for stop in stored.end.stops] == ["interrupted"]


def test_ctrl_c_between_two_runs_is_no_different(measure: Any) -> None:
    def worker(job: MeasureJob, i: int) -> MeasureReport:
        if i == 1:
            raise KeyboardInterrupt
        return answer()

    result, _, path = measure(worker, experiment())
    assert result.is_interrupted
    assert len(load(path).runs) == 1
    assert load(path).is_complete


def test_a_full_disk_loses_nothing_that_was_measured(
    measure: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    counter = itertools.count()
    whole = ExperimentWriter.append_run

    def append_run(self: ExperimentWriter, run: Run) -> None:
        if next(counter) == 3:
            raise ResultsUnwritable("the disk is full")
        whole(self, run)

    monkeypatch.setattr(ExperimentWriter, "append_run", append_run)
    result, _, path = measure(lambda job, i: answer(), experiment())
    assert isinstance(result.error, ResultsUnwritable)
    assert len(result.runs) == 4
    assert len(load(path).runs) == 3


def test_without_a_bandwidth_the_run_stands(measure: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def refuse(*facts: object) -> BandwidthSample:
        asked.append(facts)
        raise HarnessError("no memory for the buffer")

    monkeypatch.setattr(bandwidth_here, "read_now", refuse)
    large = make_model(token_read_bytes=10**12)
    result, _, _ = measure(lambda job, i: answer(), experiment(models=(large,)))
    assert asked
    assert all(run.bandwidth_before is None for run in result.runs)
    assert reasons(result) == ["precise"]


@pytest.mark.parametrize(("workload", "n_bytes"), [("tg128", 10**6), ("pp512", 10**12)])
def test_the_memory_is_read_only_where_that_tells_something(
    measure: Any, monkeypatch: pytest.MonkeyPatch, workload: str, n_bytes: int
) -> None:
    monkeypatch.setattr(bandwidth_here, "read_now", lambda *_: pytest.fail("read for nothing"))
    model = make_model(token_read_bytes=n_bytes)
    plan = make_experiment((workload,), models=(model,), n_runs_max=1)
    result, _, _ = measure(lambda job, i: answer(), plan)
    assert [run.bandwidth_before for run in result.runs] == [None]


def test_a_worker_is_told_how_much_time_is_left(measure: Any) -> None:
    budget_ns = 50_000_000_000
    _, jobs, _ = measure(lambda job, i: answer(), experiment(budget_ns=budget_ns))
    left = [job.deadline_ns - job.started_ns for job in jobs]
    assert left[0] == budget_ns
    assert left == sorted(left, reverse=True)
    assert jobs[0].settings == SETTINGS


TWO = (make_model(key="a"), make_model(key="b"))


def test_what_is_compared_stops_in_all_cases_at_once(measure: Any) -> None:
    asked: list[int] = []

    def is_decided(runs: Sequence[Run]) -> bool:
        asked.append(len(runs))
        return len(runs) >= 8

    result, jobs, path = measure(lambda job, i: answer(), experiment(models=TWO), is_decided)
    assert reasons(result) == ["decided", "decided"]
    assert asked == [2, 4, 6, 8]
    assert len(jobs) == 8
    stored = load(path)
    assert stored.end
    assert [stop.n_runs for stop in stored.end.stops] == [4, 4]


def test_what_is_compared_goes_on_though_its_figures_are_precise(measure: Any) -> None:
    result, jobs, _ = measure(lambda job, i: answer(), experiment(models=TWO), lambda _: False)
    assert reasons(result) == ["max-runs", "max-runs"]
    assert len(jobs) == 24


def test_no_round_is_begun_that_one_of_the_compared_has_no_time_for(measure: Any) -> None:
    def worker(job: MeasureJob, i: int) -> MeasureReport:
        if job.model_path == "b":
            time.sleep(0.06)
        return answer()

    plan = experiment(models=TWO, budget_ns=150_000_000)
    result, jobs, _ = measure(worker, plan, lambda _: False)
    assert reasons(result) == ["budget", "budget"]
    names = [job.model_path for job in jobs]
    assert names.count("a") == names.count("b")
    assert 1 <= names.count("a") < 12


def test_one_that_fails_does_not_keep_the_others_from_being_compared(measure: Any) -> None:
    models = (*TWO, make_model(key="bad"))

    def worker(job: MeasureJob, i: int) -> MeasureReport:
        is_bad = job.model_path == "bad"
        return MeasureReport(outcome=failed("model-invalid")) if is_bad else answer()

    plan = experiment(models=models)
    result, jobs, _ = measure(worker, plan, lambda runs: runs[-1].round == 5)
    assert reasons(result) == ["decided", "decided", "failed"]
    assert len(jobs) == 13


@pytest.fixture
def go_on(tmp_path: Path, measure: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Measures on where `runs` of an experiment are there already."""

    def run(
        worker: Answer, experiment: Experiment, runs: Sequence[Run], stops: Sequence[Stop] = ()
    ) -> tuple[Result, list[MeasureJob], Path]:
        jobs: list[MeasureJob] = []

        def measured(job: MeasureJob, **_: object) -> MeasureReport:
            jobs.append(job)
            return worker(job, len(jobs) - 1)

        monkeypatch.setattr(rounds, "measure", measured)
        with ExperimentWriter(tmp_path / "on", experiment) as writer:
            for each in runs:
                writer.append_run(each)
            if stops:
                writer.finish(End(finished_at="2026-11-23T18:00:00+00:00", stops=tuple(stops)))
        paths = {model.key: Path(model.key) for model in experiment.plan.models}
        with ExperimentWriter.reopened(load(writer.path)) as again:
            sweep = Sweep(
                experiment,
                RunMaker(experiment, paths, writer.path, Silent()),
                again,
                Silent(),
                runs=runs,
                stops=stops,
            )
            return sweep.measure(), jobs, writer.path

    return run


def spread(job: MeasureJob, i: int) -> MeasureReport:
    """Never precise."""
    return answer(120 + i % 2 * 40)


def test_an_interrupted_plan_is_measured_to_its_end(measure: Any, go_on: Any) -> None:
    plan = experiment(n_cold_loads=0)
    first, jobs, _ = measure(
        lambda job, i: answer(outcome=failed("interrupted")) if i == 4 else spread(job, i), plan
    )
    result, more, path = go_on(spread, plan, first.runs, first.stops)
    # The Run that was interrupted is kept, and made again.
    assert [run.index for run in result.runs] == list(range(13))
    assert [run.round for run in result.runs] == list(range(13))
    assert [run.outcome.reason for run in result.runs].index("interrupted") == 4
    assert reasons(result) == ["max-runs"]
    stored = load(path)
    assert stored.end
    assert stored.end.stops == tuple(result.stops)
    assert list(stored.runs) == result.runs
    assert {job.seed for job in jobs}.isdisjoint(job.seed for job in more)


def test_the_budget_and_what_is_known_to_fail_are_as_they_were(measure: Any, go_on: Any) -> None:
    plan = experiment(budget_ns=50 * 10**9)
    runs = [make_run(n, ("tg128",), duration_ns=20 * 10**9) for n in range(2)]
    result, jobs, _ = go_on(spread, plan, runs)
    assert (reasons(result), jobs) == (["budget"], [])

    broken = make_run(0, ("tg128",), outcome=failed("aborted"), trials=())
    result, jobs, _ = go_on(
        lambda job, i: answer(outcome=failed("aborted")), experiment(id="b"), [broken]
    )
    assert (reasons(result), len(jobs)) == (["failed"], 1)


def test_who_had_stopped_stays_so_and_who_lacks_a_run_gets_it(measure: Any, go_on: Any) -> None:
    plan = experiment(models=TWO, n_runs_max=3, n_cold_loads=1)
    runs = [make_run(0, ("tg128",), model="a")]
    stop = Stop(model="a", settings=SETTINGS, reason="failed", n_runs=1)
    result, jobs, _ = go_on(
        spread,
        plan,
        runs,
        [stop, stop.model_copy(update={"model": "b", "reason": "interrupted", "n_runs": 0})],
    )
    assert [job.model_path for job in jobs] == ["b"] * 3
    assert [job.is_cold for job in jobs] == [True, False, False]
    assert [(stop.model, stop.reason) for stop in result.stops] == [
        ("a", "failed"),
        ("b", "max-runs"),
    ]


def test_what_was_killed_behind_its_last_run_only_gets_its_end(measure: Any, go_on: Any) -> None:
    plan = experiment(n_runs_max=3)
    runs = [make_run(n, ("tg128",)) for n in range(3)]
    result, jobs, path = go_on(spread, plan, runs)
    assert (reasons(result), jobs) == (["max-runs"], [])
    assert load(path).end
