"""Sides whose trials take turns, as the user of `compare`, `run` and `frontier` meets them."""

from __future__ import annotations

import re
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from cli.commandline import ONE_THREAD, Done, Home, workers
from harness.__main__ import main
from harness.analysis.device_memory import MemoryCapacity
from harness.measure import predictions

QUICK = ("--runs", "2", "--trials", "1", "-w", "tg8", *ONE_THREAD)
SIDES = ("--batch-size", "64,128")
LONG = ("--trials", "1", "-w", "tg1500", *ONE_THREAD, *SIDES)


def in_turns(home: Home) -> list[bool]:
    return [run.get("is_in_turns", False) for run in home.runs()]


@pytest.mark.slow
def test_compare_takes_turns_and_says_so(home: Home) -> None:
    done = home.harness("compare", "tiny-random", *QUICK, *SIDES, "--explain")
    assert done.exit_code == 0, done.stderr
    assert in_turns(home) == [True] * 4
    assert "geometric means over" in " ".join(done.stdout.split())
    assert "one process after the other" not in " ".join(done.stdout.split())
    runs = home.runs()
    for one, other in (runs[:2], runs[2:]):
        assert [it["index"] for it in one["trials"]] == [it["index"] for it in other["trials"]]


@pytest.mark.slow
@pytest.mark.parametrize("command", ["compare", "run"])
def test_never_is_one_process_after_the_other(home: Home, command: str) -> None:
    done = home.harness(command, "tiny-random", *QUICK, *SIDES, "--in-turns", "never", "--explain")
    assert done.exit_code == 0, done.stderr
    assert in_turns(home) == [False] * 4
    if command == "compare":
        assert "took turns" not in done.stdout


@pytest.mark.slow
def test_run_takes_turns_only_when_it_is_asked_to(home: Home) -> None:
    assert home.harness("run", "tiny-random", *QUICK, *SIDES).exit_code == 0
    assert in_turns(home) == [False] * 4
    home.record().unlink()
    done = home.harness("run", "tiny-random", *QUICK, *SIDES, "--in-turns", "auto")
    assert done.exit_code == 0, done.stderr
    assert in_turns(home) == [True] * 4


@pytest.mark.slow
def test_one_configuration_has_nobody_to_take_turns_with(home: Home) -> None:
    done = home.harness("run", "tiny-random", *QUICK, "--in-turns", "always")
    assert done.exit_code == 0, done.stderr
    assert in_turns(home) == [False] * 2


def test_what_is_stored_takes_no_turns_any_more(home: Home) -> None:
    done = home.harness("compare", "--stored", "a", "b", "--in-turns", "auto")
    assert done.exit_code == 2
    assert "--in-turns is for measuring" in done.error()


@pytest.fixture
def narrow(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    cache: Path,
) -> Callable[..., Done]:
    """A command on a machine that has memory for one worker, and not for two."""
    capacity = MemoryCapacity(free_bytes=100 << 20, total_bytes=1 << 40)
    monkeypatch.setattr(predictions, "capacity_here", lambda *_: capacity)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # a lock of its own
    monkeypatch.setenv("HARNESS_CACHE", str(cache))
    monkeypatch.setenv("HARNESS_RESULTS", str(tmp_path / "results"))

    def harness(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["harness", *arguments])
        with pytest.raises(SystemExit) as exited:
            main()
        return Done(int(exited.value.code or 0), *capsys.readouterr())

    return harness


@pytest.mark.slow
def test_sides_that_fit_only_apart_are_measured_apart(narrow: Callable[..., Done]) -> None:
    done = narrow("compare", "tiny-random", *QUICK, *SIDES, "--explain")
    assert done.exit_code == 0, done.stderr
    told = " ".join(done.stderr.split())
    why = "together they need [0-9]+ MiB of memory and 100 MiB are free"
    assert re.search(rf"Warning: The sides are measured one after the other: {why}\.", told)
    assert re.search(rf"One after the other: {why}", told)
    assert "took turns" not in done.stdout


@pytest.mark.slow
def test_whoever_insists_has_them_take_turns_all_the_same(narrow: Callable[..., Done]) -> None:
    done = narrow("compare", "tiny-random", *QUICK, *SIDES, "--in-turns", "always")
    assert done.exit_code == 0, done.stderr
    assert "one after the other" not in done.stderr


@pytest.mark.slow
def test_a_limit_that_strikes_in_the_middle_of_a_pair_is_a_failure_of_its_side(home: Home) -> None:
    done = home.harness("compare", "tiny-random", *LONG, "--runs", "2", "--timeout", "1ms")
    assert done.exit_code == 1
    assert {run["outcome"]["reason"] for run in home.runs()} == {"hung"}
    assert home.lines()[-1]["kind"] == "end"


@pytest.mark.slow
def test_time_that_is_spent_ends_it_behind_a_whole_round(home: Home) -> None:
    done = home.harness("compare", "tiny-random", *LONG, "--runs", "50", "--budget", "1s")
    assert done.exit_code == 0, done.stderr
    assert "then budget spent" in done.stderr
    runs = home.runs()
    assert len(runs) % 2 == 0
    assert in_turns(home) == [True] * len(runs)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_with_two_workers_alive_leaves_no_orphan(
    home: Home, number: signal.Signals
) -> None:
    with home.started("compare", "tiny-random", *LONG, "--runs", "9") as compare:
        compare.said("run  2  ")
        compare.worker_of_run(4)
        alive = workers(compare.pid)
        psutil.Process(compare.pid).send_signal(number)
        done = compare.done()
    assert done.exit_code == 128 + number, done.stderr
    assert len(alive) == 2
    assert not any(each.is_running() for each in alive)
    assert "Traceback" not in done.stderr
    assert [run["outcome"]["reason"] for run in home.runs()[2:]] == ["interrupted"] * 2
    assert home.lines()[-1]["kind"] == "end"


@pytest.mark.slow
def test_frontier_measures_in_turns(home: Home) -> None:
    made = home.harness("quantize", "tiny-random", "--to", "Q4_0,Q5_0", "--dir", "made")
    assert made.exit_code == 0, made.stderr
    few = ("--runs", "2", "--trials", "1", "-w", "tg8", "--chunks", "0")
    done = home.harness("frontier", "tiny-random", "--dir", "made", "--measure", *few)
    assert done.exit_code == 0, done.stderr
    assert in_turns(home) == [True] * 6
