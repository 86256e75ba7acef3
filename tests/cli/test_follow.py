"""`harness show --follow`: what one sees from another terminal of a measurement under way."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from make.records import make_end, make_experiment, make_runs

from cli.commandline import ONE_THREAD, Home
from harness.measure.lock import machine_held
from harness.records.store import ExperimentWriter, whole

LONG = ("run", "tiny-random", "--runs", "3", "--trials", "1", "-w", "tg1500", *ONE_THREAD)
EXPERIMENT = make_experiment()
ID = EXPERIMENT.id


def keep(home: Home, n_runs: int = 2, *, has_end: bool = True) -> Path:
    home.results.mkdir(exist_ok=True)
    path = home.results / "x.jsonl"
    data = whole(EXPERIMENT, make_runs(n_runs), make_end(n_runs))
    path.write_bytes(data if has_end else b"".join(data.splitlines(keepends=True)[:-1]))
    return path


def test_an_experiment_that_is_over_is_told_to_its_end(home: Home) -> None:
    keep(home)
    done = home.harness("show", "--follow", ID)
    assert done.exit_code == 0, done.stderr
    first, second, end = done.stdout.splitlines()
    assert first.startswith("run  1  smollm2-135m:Q4_1  pp512 ")
    assert second.startswith("run  2  ")
    assert end == "smollm2-135m:Q4_1: precise enough after 2 Runs"
    assert done.stderr == f"Following {ID}: smollm2-135m:Q4_1, at most 12 Runs.\n"


def test_with_json_each_line_is_a_document(home: Home) -> None:
    keep(home)
    done = home.harness("show", "--follow", ID, "--json", "--quiet")
    run, _, end = map(json.loads, done.stdout.splitlines())
    assert done.stderr == ""
    assert (run["schema"], run["experiment"], run["run"], run["status"]) == (2, ID, 1, "ok")
    assert set(run["figures"]) == {"pp512", "tg128"}
    assert run["figures"]["tg128"]["tok_per_s"] == pytest.approx(120, rel=0.1)
    assert [stop["reason"] for stop in end["stops"]] == ["precise"]


def test_a_record_that_nobody_writes_any_more_is_told_and_is_an_error(home: Home) -> None:
    keep(home, has_end=False)
    done = home.harness("show", "--follow", ID)
    assert done.exit_code == 1
    assert len(done.stdout.splitlines()) == 2
    assert "was cut short: no process measures it any more; its 2 Runs are kept" in done.stderr


def test_nothing_is_followed_where_nothing_is_measured(home: Home) -> None:
    keep(home, has_end=False)
    done = home.harness("show", "--follow")
    assert done.exit_code == 1
    assert "Nothing is being measured" in done.error()
    assert home.harness("show", "--follow", "later.jsonl").exit_code == 1


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--all",), "--all does not go with --follow"),
        (("--verbose",), "--verbose does not go with --follow"),
        (("--html", "x.html"), "--html does not go with --follow"),
        (("--format", "csv"), "--format csv is of a whole table"),
    ],
)
def test_what_has_no_effect_is_refused(home: Home, options: tuple[str, ...], named: str) -> None:
    done = home.harness("show", "--follow", "latest", *options)
    assert done.exit_code == 2
    assert named in done.error()


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_ctrl_c_ends_the_following_with_130(home: Home) -> None:
    with (
        machine_held("another", lock_file=home.lock),
        home.started("show", "--follow", "results/later.jsonl") as follow,
        ExperimentWriter(home.results, EXPERIMENT) as writer,
    ):
        writer.path.rename(home.results / "later.jsonl")
        follow.said("Following")
        follow.interrupt()
        done = follow.done()
    assert (done.exit_code, done.stdout) == (130, "")
    assert done.stderr.endswith("Error: interrupted\n")


@pytest.mark.slow
def test_a_measurement_is_followed_from_before_its_first_run_to_its_end(home: Home) -> None:
    with home.started(*LONG) as run:
        run.said("Measuring takes at most")
        with home.started("show", "--follow") as follow:
            followed, measured = follow.done(), run.done()
    assert measured.exit_code == 0, measured.stderr
    assert followed.exit_code == 0, followed.stderr
    told = [line for line in measured.stderr.splitlines() if line.startswith("run  ")]
    assert [line.partition(" · all runs")[0] for line in told] == followed.stdout.splitlines()[:-1]
    assert followed.stdout.splitlines()[-1] == "tiny-random:Q8_0: all runs made after 3 Runs"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_a_killed_measurement_ends_the_following(home: Home) -> None:
    with home.started(*LONG) as run:
        run.said("run  1  ")
        with home.started("show", "--follow") as follow:
            follow.said("Following")
            run.kill()
            done = follow.done()
    assert done.exit_code == 1
    assert done.stdout.startswith("run  1  ")
    assert "no process measures it any more" in done.stderr
