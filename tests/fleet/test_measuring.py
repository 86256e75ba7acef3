"""Real schedulers, real workers and the real engine, on the loopback interface."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from make.fleet import Recorder, WorkerProcess, overlap, wait_for, worker

from harness.errors import ExitCode
from harness.fleet import fleet
from harness.fleet.cluster import Cluster
from harness.fleet.desk import Desk, Office, Watch
from harness.fleet.job import Cell, Measure, Prepare, Prepared
from harness.fleet.plan import FleetResult, HostPlan
from harness.records.store import load, logs_folder
from harness.schema.fleet import FleetPart

pytest.importorskip("distributed", reason="the extra `fleet` is not installed")
pytestmark = pytest.mark.slow

SHA256 = "a" * 64
ONE_RUN = ("--runs", "1", "--trials", "1", "--threads", "1", "-w", "tg8")
THREE_RUNS = ("--runs", "3", "--trials", "1", "--threads", "1", "-w", "tg8")
# A second and more in each Run, so that there is time to do it harm.
ENDLESS = ("--runs", "2", "--trials", "1", "--threads", "1", "-w", "sustain60")
LONG = ("--runs", "2", "--trials", "1", "--threads", "1", "-w", "tg700")


def measure_fleet(
    plans: list[HostPlan], cluster: Cluster, results: Path, recorder: Recorder, patience_s: int = 30
) -> FleetResult:
    patience_ns = patience_s * 10**9
    return fleet.measure_fleet(plans, SHA256, cluster, results, recorder, patience_ns=patience_ns)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with Cluster.start() as cluster:
        yield cluster


def test_each_machine_gets_an_experiment_of_its_own_and_they_belong_together(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))  # the model is made there first
    recorder, results = Recorder(), tmp_path / "results"
    hosts = ("laptop", "me@studio")
    plans = [HostPlan(host, ("tiny-random", *THREE_RUNS)) for host in hosts]
    with ExitStack() as stack:
        for number, host in enumerate(hosts):
            stack.enter_context(worker(cluster, host, tmp_path / str(number)))
        measured = measure_fleet(plans, cluster, results, recorder)
    assert measured.exit_code == ExitCode.DONE
    assert set(measured.results) == set(hosts)
    stored = [load(path) for path in results.glob("*.jsonl")]
    parts = {it.experiment.fleet for it in stored}
    assert {part.host for part in parts if part} == set(hosts)
    assert len({part.id for part in parts if part}) == 1
    for each in stored:
        assert each.is_complete
        assert [run.index for run in each.runs] == [0, 1, 2]
        assert all(run.trials for run in each.runs)
        assert each.experiment.fleet is not None
        offset_ns = each.experiment.fleet.clock_offset_ns
        assert offset_ns is not None
        assert abs(offset_ns) < 10**9  # it is the same clock
        assert logs_folder(each.path).joinpath("run-001.log").read_text()
    assert recorder.of("laptop").count("finished a Run") == 3
    told = recorder.of("laptop") + recorder.of("me@studio")
    assert any(what.startswith("fetching tiny-random") for what in told)


def test_two_names_of_one_machine_take_turns(cluster: Cluster, tmp_path: Path) -> None:
    recorder = Recorder()
    plans = [HostPlan(host, ("tiny-random", *LONG)) for host in "ab"]
    # One folder for temporary files: so one lock, as on one machine.
    with (
        worker(cluster, "a", tmp_path / "tmp"),
        worker(cluster, "b", tmp_path / "tmp"),
    ):
        measured = measure_fleet(plans, cluster, tmp_path / "results", recorder)
    assert measured.exit_code == ExitCode.DONE
    runs = [run for host in "ab" for run in recorder.runs[host]]
    assert len(runs) == 4
    assert not overlap(runs)


def test_a_killed_workers_cell_is_done_by_the_next_worker(cluster: Cluster, tmp_path: Path) -> None:
    with ExitStack() as stack:
        started: list[WorkerProcess] = []
        orphans: list[psutil.Process] = []

        def start() -> None:
            started.append(stack.enter_context(worker(cluster, "a", tmp_path / "tmp")))

        def kill(host: str, number: int) -> None:
            if number == 2 and len(started) == 1:
                orphans.append(started[0].measuring())
                started[0].process.kill()

        recorder = Recorder(on_sent=kill, on_lost=lambda host: start())
        start()
        plans = [HostPlan("a", ("tiny-random", *LONG))]
        measured = measure_fleet(plans, cluster, tmp_path / "results", recorder)
    assert measured.exit_code == ExitCode.DONE
    assert not orphans or not orphans[0].is_running()
    assert recorder.of("a").count("lost") == recorder.of("a").count("back") == 1
    (path,) = (tmp_path / "results").glob("*.jsonl")
    runs = load(path).runs
    assert [run.index for run in runs] == [0, 1]
    assert {run.outcome.status for run in runs} == {"ok"}
    assert not overlap(runs)


def test_a_cell_that_ends_its_worker_each_time_is_a_failed_run(
    cluster: Cluster, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        places = itertools.count()

        def start() -> None:
            started.append(stack.enter_context(worker(cluster, "a", tmp_path / str(next(places)))))

        def next_one(host: str) -> None:
            start()
            if len(started) <= 3:
                started[-1].measuring()
                started[-1].process.kill()

        def kill(host: str, number: int) -> None:
            if number == 1 and len(started) == 1:
                started[0].measuring()
                started[0].process.kill()

        started: list[WorkerProcess] = []
        recorder = Recorder(on_sent=kill, on_lost=next_one)
        start()
        plans = [HostPlan("a", ("tiny-random", *LONG))]
        measured = measure_fleet(plans, cluster, tmp_path / "results", recorder)
    runs = recorder.runs["a"]
    assert [run.outcome.reason for run in runs] == ["killed", None]
    assert runs[0].outcome.message is not None
    assert "lost each time" in runs[0].outcome.message
    assert measured.exit_code == ExitCode.ERROR


def test_a_machine_that_stays_away_is_given_up_and_its_plan_goes_on_later(
    cluster: Cluster, tmp_path: Path
) -> None:
    results, plans = tmp_path / "results", [HostPlan("a", ("tiny-random", *THREE_RUNS))]
    with ExitStack() as stack:
        process = stack.enter_context(worker(cluster, "a", tmp_path / "tmp"))
        process.answer()

        def kill(host: str, number: int) -> None:
            if number == 2:
                process.process.kill()

        recorder = Recorder(on_sent=kill)
        measured = measure_fleet(plans, cluster, results, recorder, patience_s=2)
        assert measured.exit_code == ExitCode.ERROR
        assert measured.failures == {"a": "it was lost for too long"}
        (path,) = results.glob("*.jsonl")
        assert load(path).was_interrupted
        before = load(path).runs
        stack.enter_context(worker(cluster, "a", tmp_path / "tmp"))
        later = Recorder()
        again = measure_fleet(plans, cluster, results, later)
    assert again.exit_code == ExitCode.DONE
    assert later.of("a")[:3] == ["joined", "resumed", "prepared"]
    assert list(results.glob("*.jsonl")) == [path]
    stored = load(path)
    assert stored.runs[: len(before)] == before
    assert len(stored.runs) == 3
    assert not stored.was_interrupted
    third = measure_fleet(plans, cluster, results, Recorder())
    assert third.complete == ("a",)
    assert third.results["a"].result.runs == list(stored.runs)


def test_a_host_that_refuses_its_words_leaves_the_others_alone(
    cluster: Cluster, tmp_path: Path
) -> None:
    plans = [
        HostPlan("a", ("no-such-model", *ONE_RUN)),
        HostPlan("b", ("tiny-random", *ONE_RUN, "--split-mode", "sideways")),
        HostPlan("c", ("tiny-random", *ONE_RUN)),
    ]
    with ExitStack() as stack:
        for host in "abc":
            stack.enter_context(worker(cluster, host, tmp_path / host))
        recorder = Recorder()
        measured = measure_fleet(plans, cluster, tmp_path / "results", recorder)
    assert set(measured.results) == {"c"}
    assert "no-such-model" in measured.failures["a"]
    assert "split-mode" in measured.failures["b"]
    assert measured.exit_code == ExitCode.ERROR


def test_the_end_of_its_input_ends_a_worker_and_what_measures_for_it(
    cluster: Cluster, tmp_path: Path
) -> None:
    gone: list[psutil.Process] = []
    with worker(cluster, "a", tmp_path / "tmp") as process:
        process.answer()

        def end(host: str, number: int) -> None:
            assert number == 1
            gone.append(process.measuring())
            process.end()
            wait_for(lambda: not gone[0].is_running())

        plans = [HostPlan("a", ("tiny-random", *ENDLESS))]
        measured = measure_fleet(
            plans,
            cluster,
            tmp_path / "results",
            Recorder(on_sent=end),
            patience_s=1,
        )
    assert len(gone) == 1
    assert measured.results["a"].result.is_interrupted


def test_a_job_that_nobody_waits_for_any_longer_measures_no_longer(
    cluster: Cluster, tmp_path: Path
) -> None:
    argv = ("tiny-random", "--runs", "1", "--trials", "1", "--threads", "1", "-w", "sustain30")
    with worker(cluster, "a", tmp_path / "tmp") as process:
        process.answer()
        where = Office(cluster, Watch(cluster.members), Recorder(), None, 30 * 10**9)
        desk = Desk(where, "a")
        desk.join()
        asked = Prepare(argv=argv, fleet=FleetPart(id="0a1b2c3d", host="a"))
        prepared = desk.ask(asked).answer
        assert isinstance(prepared, Prepared)
        plan = prepared.experiment.plan
        cell = Cell(
            index=0,
            round_index=0,
            model=plan.models[0].key,
            settings=plan.settings[0],
            workloads=plan.workloads,
            seed=1,
            is_cold=False,
            left_ns=10**12,
        )
        job = Measure(argv=argv, experiment=prepared.experiment, cells=(cell,))
        thread = threading.Thread(target=_ask, args=(desk, job))
        thread.start()
        measuring = process.measuring()
        where.stopping.set()
        thread.join()
        wait_for(lambda: not measuring.is_running())
        # Its lock is free again, and it does the next job.
        again = Desk(replace(where, stopping=threading.Event()), "a")
        again.join()
        assert isinstance(again.ask(asked).answer, Prepared)


def _ask(desk: Desk, job: Measure) -> None:
    with contextlib.suppress(KeyboardInterrupt):
        desk.ask(job)


def test_what_was_begun_on_another_engine_does_not_go_on(cluster: Cluster, tmp_path: Path) -> None:
    results, plans = tmp_path / "results", [HostPlan("a", ("tiny-random", *THREE_RUNS))]
    with worker(cluster, "a", tmp_path / "tmp") as process:
        process.answer()
        assert measure_fleet(plans, cluster, results, Recorder()).exit_code == ExitCode.DONE
        (path,) = results.glob("*.jsonl")
        head, *lines = path.read_text("utf-8").splitlines()
        changed = head.replace('"binding_version":"', '"binding_version":"0.')
        path.write_text("\n".join((changed, *lines[:2], "")), "utf-8")
        measured = measure_fleet(plans, cluster, results, Recorder())
    assert "the engine was" in measured.failures["a"]
    assert "--again" in measured.failures["a"]
    assert len(load(path).runs) == 2
