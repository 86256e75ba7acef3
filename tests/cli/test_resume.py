"""`harness run --resume`: an interrupted measurement gone on with."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli.commandline import ONE_THREAD, Home, is_gone, wait_until
from harness.records.store import load

PLAN = ("run", "tiny-random", "--runs", "2", "--trials", "1", "-w", "tg8", *ONE_THREAD)
LONG = ("run", "tiny-random", "--runs", "3", "--trials", "1", "-w", "tg500", *ONE_THREAD)


@pytest.fixture(scope="module")
def whole(new_home: Callable[[], Home]) -> Path:
    """The record of a plan that came to its end."""
    home = new_home()
    done = home.harness(*PLAN)
    assert done.exit_code == 0, done.stderr
    return home.record()


@pytest.fixture
def cut(home: Home, whole: Path) -> Callable[..., str]:
    """A record that ends behind so many lines of it; its id."""

    def record(n_lines: int, **changes: Any) -> str:
        home.results.mkdir()
        head, *lines = whole.read_text("utf-8").splitlines(keepends=True)
        first = json.loads(head)
        for name, change in changes.items():
            change(first[name])
        path = home.results / whole.name
        path.write_text(json.dumps(first) + "\n" + "".join(lines[: n_lines - 1]), "utf-8")
        return str(first["id"])

    return record


@pytest.mark.slow
def test_what_is_left_of_a_plan_is_measured_into_its_record(
    home: Home, cut: Callable[..., str], whole: Path
) -> None:
    name = cut(2)
    done = home.harness("run", "--resume", name, "--runs", "2", "--json")
    assert done.exit_code == 0, done.stderr
    before, after = load(whole), load(home.record())
    assert after.experiment == before.experiment
    assert after.runs[0] == before.runs[0]
    assert [(run.index, run.round) for run in after.runs] == [(0, 0), (1, 1)]
    assert after.end
    assert [stop.reason for stop in after.end.stops] == ["max-runs"]
    # All of it is one answer.
    (case,) = done.document["cases"]
    assert (done.document["experiment"], case["n_runs"]) == (name, 2)
    assert "run  1  " not in done.stderr
    assert "run  2  tiny-random:Q8_0  " in done.stderr


def test_what_came_to_its_end_is_refused(home: Home, cut: Callable[..., str]) -> None:
    name = cut(4)
    done = home.harness("run", "--resume", "latest")
    assert done.exit_code == 2
    assert f"{name} was not interrupted, it came to its end" in done.error()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--runs", "5"), "--runs contradicts the plan of {}, which has 2"),
        (("-w", "tg8,pp16"), "--workload contradicts the plan of {}, which has tg8"),
        (("--threads", "1,2"), "--threads contradicts the plan of {}, which has 1"),
        (("--flash-attn", "on"), "--flash-attn contradicts the plan of {}, which has auto"),
        (("--seed", "1"), "--seed contradicts the plan of {}, which has "),
        (("--in-turns", "always"), "--in-turns contradicts the plan of {}, which has --in-turns n"),
        (("tiny-random:Q4_0",), "not"),
    ],
)
def test_what_contradicts_the_plan_is_refused_by_name(
    home: Home, cut: Callable[..., str], options: tuple[str, ...], named: str
) -> None:
    name = cut(2)
    before = home.record().read_bytes()
    done = home.harness("run", "--resume", name, *options)
    assert done.exit_code in (1, 2)
    assert named.format(name) in done.error()
    assert home.record().read_bytes() == before


@pytest.mark.slow
def test_another_machine_and_another_file_are_refused(home: Home, cut: Callable[..., str]) -> None:
    cut(2, machine=lambda machine: machine.update(id="0123456789ab", cpu="another"))
    done = home.harness("run", "--resume", "latest")
    assert done.exit_code == 1
    assert "cannot go on: the machine was 0123456789ab (another) and is" in done.error()

    shutil.rmtree(home.results)
    cut(2, plan=lambda plan: plan["models"][0].update(sha256="ab" * 32))
    done = home.harness("run", "--resume", "latest")
    assert done.exit_code == 1
    assert "the file of tiny-random:Q8_0 had sha256 abababababab and has" in done.error()


def test_a_file_that_is_not_found_by_its_name_is_passed(
    home: Home, cut: Callable[..., str]
) -> None:
    name = cut(1, plan=lambda plan: plan["models"][0].update(key="mine.gguf"))
    done = home.harness("run", "--resume", name)
    assert done.exit_code == 1
    assert f"pass its path: harness run --resume {name} PATH" in done.error()


def test_what_may_have_been_a_comparison_is_said_to_go_on_as_a_sweep(
    home: Home, cut: Callable[..., str]
) -> None:
    def twice(plan: dict[str, Any]) -> None:
        (settings,) = plan["settings"]
        plan["settings"] = [settings, {**settings, "n_threads": 2}]
        plan["models"][0].update(key="mine.gguf")

    name = cut(1, plan=twice)
    how = "To go on with it, each of 2 models and settings until it is precise: harness run --re"
    assert how in " ".join(home.harness("show", name).stderr.split())
    done = home.harness("run", "--resume", name)
    told = " ".join(done.stderr.split())
    assert f"Whether {name} was a comparison is not in its record" in told


def test_show_says_how_to_go_on(home: Home, cut: Callable[..., str]) -> None:
    name = cut(2)
    how = f"To go on with it: harness run --resume {name}"
    assert how in home.harness("show", name).stderr
    shutil.rmtree(home.results)
    cut(4)
    assert how not in home.harness("show", name).stderr
    path = home.record()
    path.write_text(path.read_text("utf-8").replace('"max-runs"', '"interrupted"'), "utf-8")
    assert how in home.harness("show", name).stderr


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_ctrl_c_and_a_kill_lose_nothing_on_the_way(home: Home) -> None:
    with home.started(*LONG) as run:
        run.said("run  1  ")
        run.worker_of_run(2).suspend()
        run.interrupt()
        done = run.done()
    assert done.exit_code == 130
    name = load(home.record()).experiment.id
    assert f"To go on with it: harness run --resume {name}" in done.stderr

    with home.started("run", "--resume", "latest") as again:
        worker = again.worker_of_run(3)
        again.kill()
    wait_until(lambda: is_gone(worker), "the end of the worker")
    assert [run.outcome.reason for run in load(home.record()).runs] == [None, "interrupted"]

    done = home.harness("run", "--resume", name)
    assert done.exit_code == 0, done.stderr
    stored = load(home.record())
    assert [run.outcome.reason for run in stored.runs] == [None, "interrupted", None, None]
    assert stored.end
    assert [stop.reason for stop in stored.end.stops] == ["max-runs"]
    assert home.harness("run", "--resume", name).exit_code == 2
