"""Ctrl-C, killed workers, killed parents, two at once: what is measured stays, nothing is left."""

from __future__ import annotations

import random
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import psutil
import pytest

from cli.commandline import ONE_THREAD, QUICK, Done, Home, is_gone, wait_until, workers
from harness.measure.lock import machine_held
from harness.records.store import load

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")

# A second and more in each Run, so that there is time to do it harm.
LONG = ("run", "tiny-random", "--runs", "3", "--trials", "1", "-w", "tg1500", *ONE_THREAD)
QUICK_SWEEP = ("run", "tiny-random", "--runs", "4", "--trials", "1", "-w", "tg8", *ONE_THREAD)


@dataclass(frozen=True)
class Interrupted:
    """One run interrupted while it measured its second Run, another one waiting for it."""

    home: Home
    worker: psutil.Process
    first: Done
    refused: Done
    waited: Done


@pytest.fixture(scope="module")
def interrupted(new_home: Callable[[], Home]) -> Interrupted:
    home = new_home()
    with home.started(*LONG) as first:
        first.said("run  1  ")
        worker = first.worker_of_run(2)
        worker.suspend()  # however fast the machine is, it does not get done meanwhile
        refused = home.harness("run", "tiny-random", *QUICK)
        arguments = (*QUICK, "--wait", "90s", "--results", "other")
        with home.started("run", "tiny-random", *arguments) as second:
            second.said("Waiting for another measurement to end: tiny-random:Q8_0, process ")
            first.interrupt()
            done = first.done()
            waited = second.done()
    return Interrupted(home, worker, done, refused, waited)


@pytest.mark.slow
def test_a_second_measurement_is_refused_and_told_who_holds_the_machine(
    interrupted: Interrupted,
) -> None:
    assert interrupted.refused.exit_code == 1
    error = interrupted.refused.error()
    assert "tiny-random:Q8_0, process " in error
    assert "--wait" in error


@pytest.mark.slow
def test_a_second_measurement_can_wait_for_the_first(interrupted: Interrupted) -> None:
    assert interrupted.waited.exit_code == 0, interrupted.waited.stderr
    assert "run  1  tiny-random:Q8_0" in interrupted.waited.stderr


@pytest.mark.slow
def test_ctrl_c_keeps_and_shows_what_is_measured(interrupted: Interrupted) -> None:
    done = interrupted.first
    assert done.exit_code == 130
    assert "Traceback" not in done.stderr
    assert "interrupted" in done.stderr
    assert done.stdout.startswith("tiny-random:Q8_0")
    assert "tg1500" in done.stdout
    assert f"Record: results/{interrupted.home.record().name}" in done.stderr


@pytest.mark.slow
def test_ctrl_c_ends_the_worker(interrupted: Interrupted) -> None:
    assert is_gone(interrupted.worker)


@pytest.mark.slow
def test_ctrl_c_closes_the_record_with_its_end(interrupted: Interrupted) -> None:
    stored = load(interrupted.home.record())
    assert stored.end
    assert [stop.reason for stop in stored.end.stops] == ["interrupted"]
    assert [run.outcome.reason for run in stored.runs] == [None, "interrupted"]
    assert stored.n_torn == 0


@pytest.mark.slow
def test_ctrl_c_in_the_only_run_is_not_taken_for_the_end_of_the_plan(home: Home) -> None:
    with home.started(*LONG, "--runs", "1", "--json") as run:
        run.worker_of_run(1).suspend()
        run.interrupt()
        done = run.done()

    assert done.exit_code == 130
    assert [stop["reason"] for stop in done.document["stops"]] == ["interrupted"]


@pytest.mark.parametrize(
    ("name", "exit_code"),
    [
        pytest.param("SIGTERM", 143, marks=pytest.mark.slow),
        pytest.param("SIGHUP", 129, marks=pytest.mark.slow),
        pytest.param("SIGQUIT", 131, marks=pytest.mark.slow),
    ],
)
def test_other_signals_end_a_rehearsal_as_ctrl_c_does(
    home: Home, name: str, exit_code: int
) -> None:
    options = (*LONG[1:], "--offline", "--dir", "twins", "--json")
    with home.started("rehearse", *options) as run:
        worker = run.worker_of_run(1)
        worker.suspend()
        run.signal(getattr(signal, name))
        done = run.done()

    assert done.exit_code == exit_code
    assert "Traceback" not in done.stderr
    assert [stop["reason"] for stop in done.document["stops"]] == ["interrupted"]
    assert is_gone(worker)
    assert load(home.record()).end
    assert list((home.folder / "twins").iterdir()) == []
    assert list(home.temporary.glob("*.harness-tmp")) == []


@pytest.mark.slow
def test_what_a_killed_rehearsal_left_is_removed_by_the_next(home: Home) -> None:
    options = ("tiny-random", "--offline", "--dir", "twins")
    with home.started("rehearse", *options, *LONG[2:]) as run:
        worker = run.worker_of_run(1)
        run.kill()
    await_the_end_of([worker])
    assert list((home.folder / "twins").rglob("*.gguf"))
    done = home.harness("rehearse", *options, *QUICK)
    assert done.exit_code == 0, done.stderr
    assert list((home.folder / "twins").iterdir()) == []
    assert list(home.temporary.glob("*.harness-tmp")) == []


def test_ctrl_c_before_the_first_run_is_one_word(home: Home) -> None:
    with (
        machine_held("another", lock_file=home.lock),
        home.started(*LONG, "--wait", "5m") as run,
    ):
        run.said("Waiting for another measurement to end: another, process ")
        run.interrupt()
        done = run.done()

    assert (done.exit_code, done.stdout) == (130, "")
    assert done.stderr.splitlines()[-1] == "Error: interrupted"
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_worker_killed_from_outside_fails_its_row_and_the_sweep_goes_on(home: Home) -> None:
    with home.started(*LONG, "--runs", "2", "--json") as run:
        run.worker_of_run(1).kill()
        done = run.done()

    assert done.exit_code == 1
    assert "killed by the system" in done.stderr
    assert [r["outcome"]["reason"] for r in home.runs()] == ["killed", None]
    (case,) = done.document["cases"]
    assert case["n_runs_failed"] == 1
    assert case["outcome"]["reason"] == "killed"
    assert case["metrics"] | case["disturbed"]


@pytest.mark.slow
def test_a_killed_parent_leaves_a_readable_record_no_worker_and_a_free_machine(home: Home) -> None:
    with home.started(*LONG) as run:
        run.said("run  1  ")
        worker = run.worker_of_run(2)
        run.kill()
    await_the_end_of([worker])

    stored = load(home.record())
    assert (len(stored.runs), stored.end, stored.n_torn) == (1, None, 0)
    shown = home.harness("show", "latest")
    assert shown.exit_code == 0
    assert "cut short" in shown.stderr
    with machine_held("the next", lock_file=home.lock):
        pass


def await_the_end_of(workers: list[psutil.Process]) -> None:
    wait_until(lambda: all(map(is_gone, workers)), "the end of the worker")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_records_survive_a_storm_of_kills(home: Home) -> None:
    rng = random.Random(20)
    for number in range(20):
        with home.started(*QUICK_SWEEP, "--results", f"results-{number}") as run:
            time.sleep(rng.uniform(0.2, 6))
            left = workers(run.pid)
            run.kill()
        await_the_end_of(left)
        for path in (home.folder / f"results-{number}").glob("*.jsonl"):
            assert load(path).n_torn == 0
        with machine_held("the next", lock_file=home.lock):
            pass
    assert home.harness("run", "tiny-random", *QUICK).exit_code == 0


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_ctrl_c_at_any_moment_ends_in_130_and_a_whole_record(home: Home) -> None:
    rng = random.Random(21)
    for number in range(20):
        with home.started(*QUICK_SWEEP, "--results", f"results-{number}") as run:
            # Before that, Python itself may still be starting.
            time.sleep(rng.uniform(1.5, 6))
            run.interrupt()
            done = run.done()
        assert done.exit_code in (0, 130), done
        assert "Traceback" not in done.stderr
        for path in (home.folder / f"results-{number}").glob("*.jsonl"):
            assert load(path).n_torn == 0
            assert load(path).end
