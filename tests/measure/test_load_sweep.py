"""The search for the largest load, Run by Run; workers are replaced by what a server would do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from make.loads import LEVEL, SERVED, answer, load_trial
from make.records import make_experiment, make_model

from harness.errors import UsageError
from harness.measure import rounds
from harness.measure.jobs.measure import MeasureReport
from harness.measure.jobs.request import RequestJob
from harness.measure.load_sweep import LoadSweep, first_load
from harness.measure.protocol import Event
from harness.measure.rounds import RunMaker
from harness.measure.session import SessionResult
from harness.measure.sweep import Result
from harness.records.store import ExperimentWriter
from harness.schema.configuration import Configuration
from harness.schema.experiment import Experiment, Run, Stop
from harness.schema.outcome import CaseFailure, Outcome
from harness.schema.workload import parse_workload
from harness.schema.workload_requests import UserLoad

OK = Outcome(status="ok")
GONE = Outcome(status="failed", reason="unreachable", message="nobody listens")
IN_TIME, LATE = answer(100, 10), answer(5000, 10)
Server = Callable[[str, float], MeasureReport]


class Silent:
    def run_started(self, number: int, configuration: Configuration) -> None: ...

    def event(self, number: int, event: Event) -> None: ...

    def run_finished(self, run: Run, stop: Stop | None) -> None: ...


def planned(workload: str = "chat", **plan: Any) -> Experiment:
    about: dict[str, Any] = {
        "models": (SERVED,),
        "settings": (SERVED.served.settings,),
        "slo": LEVEL,
    }
    return make_experiment((workload,), **(about | {"search": "users"} | plan))


def answered(workload: str, n_good: int, n_late: int = 0) -> MeasureReport:
    trial = load_trial(workload, [IN_TIME] * n_good + [LATE] * n_late, 1000)
    return MeasureReport(outcome=OK, trials=(trial,))


def bearing(most: float) -> Server:
    return lambda name, size: answered(name, 10) if size <= most else answered(name, 5, 5)


@pytest.fixture
def search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    def searched(server: Server, experiment: Experiment, runs: Sequence[Run] = ()) -> Result:
        def measured(job: RequestJob, **_: object) -> MeasureReport:
            (name,) = job.workloads
            task = parse_workload(name)
            return server(name, (task.n_users or task.per_s) if isinstance(task, UserLoad) else 1)

        monkeypatch.setattr(rounds, "measure", measured)
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        with ExperimentWriter(folder, experiment) as writer:
            return LoadSweep(
                experiment,
                RunMaker(experiment, {}, writer.path, Silent()),
                writer,
                Silent(),
                runs=runs,
            ).measure()

    return searched


def names(result: Result) -> list[str]:
    return [run.workloads[0] for run in result.runs]


def exit_code(experiment: Experiment, result: Result) -> int:
    return SessionResult(experiment, result, None).exit_code


def test_users_are_found_to_the_integer(search: Callable[..., Result]) -> None:
    result = search(bearing(5), planned(n_runs_max=1))
    assert names(result) == [
        "chat", "chatx2", "chatx4", "chatx8", "chatx8", "chatx6", "chatx6", "chatx5",
    ]  # fmt: skip
    assert [stop.reason for stop in result.stops] == ["decided"]
    assert exit_code(planned(), result) == 0


def test_both_loads_beside_the_limit_get_the_runs_of_an_interval(
    search: Callable[..., Result],
) -> None:
    found = names(search(bearing(2), planned()))
    assert {name: found.count(name) for name in found} == {
        "chat": 1, "chatx2": 6, "chatx3": 6, "chatx4": 2,
    }  # fmt: skip


def test_rates_are_found_to_a_tenth(search: Callable[..., Result]) -> None:
    result = search(bearing(0.6), planned("chat@r0.25", search="rate", n_runs_max=1))
    assert names(result)[:4] == ["chat@r0.25", "chat@r0.5", "chat@r1", "chat@r1"]
    sizes = [float(name.partition("@r")[2]) for name in names(result)]
    assert min(it for it in sizes if it > 0.6) <= 1.1 * max(it for it in sizes if it <= 0.6)


def test_what_a_server_refuses_is_a_load_that_is_lost(search: Callable[..., Result]) -> None:
    def server(name: str, size: float) -> MeasureReport:
        if size <= 1:
            return answered(name, 3)
        failure = CaseFailure(workload=name, reason="rate-limited", message="too many")
        outcome = Outcome(status="failed", reason="rate-limited", message="too many")
        return MeasureReport(outcome=outcome, case_failures=(failure,))

    experiment = planned(n_runs_max=1)
    result = search(server, experiment)
    assert names(result) == ["chat", "chatx2", "chatx2"]
    assert [stop.reason for stop in result.stops] == ["decided"]
    assert exit_code(experiment, result) == 0


def test_a_server_that_is_gone_ends_it(search: Callable[..., Result]) -> None:
    def server(name: str, size: float) -> MeasureReport:
        return answered(name, 3) if size < 4 else MeasureReport(outcome=GONE)

    result = search(server, planned())
    assert names(result) == ["chat", "chatx2", "chatx4", "chatx4"]
    assert [stop.reason for stop in result.stops] == ["failed"]
    assert exit_code(planned(), result) == 1


def test_it_ends_with_its_budget(search: Callable[..., Result]) -> None:
    result = search(bearing(100), planned(budget_ns=1))
    assert names(result) == ["chat"]
    assert [stop.reason for stop in result.stops] == ["budget"]


def test_an_interrupted_search_goes_on_where_it_was(search: Callable[..., Result]) -> None:
    experiment = planned(n_runs_max=1)
    whole = search(bearing(5), experiment)
    result = search(bearing(5), experiment, whole.runs[:4])
    assert names(result) == names(whole)
    assert search(bearing(5), experiment, whole.runs).runs == whole.runs


def test_it_is_for_one_request_of_one_server() -> None:
    served = (SERVED,)
    assert first_load("users", (), served, LEVEL) == "chat"
    assert first_load("rate", ("pp512+tg128",), served, LEVEL) == "pp512+tg128@r0.25"
    for workloads, models, level in (
        (("chat",), served, None),
        (("chat",), (make_model(),), LEVEL),
        (("chat",), (*served, make_model()), LEVEL),
        (("chat", "pp512+tg128"), served, LEVEL),
        (("chatx2",), served, LEVEL),
        (("tg128",), served, LEVEL),
    ):
        with pytest.raises(UsageError):
            first_load("users", workloads, models, level)
