"""A record that comes over a line, and a measurement that ends with it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cli.commandline import ONE_THREAD, QUICK, Home, wait_until, workers
from harness.records.store import load

LONG = ("--runs", "50", "--trials", "1", "-w", "tg1500", *ONE_THREAD)


def test_what_comes_is_the_record(home: Home, tmp_path: Path) -> None:
    done = home.harness("run", "tiny-random", "--jsonl", *QUICK)
    assert done.exit_code == 0, done.stderr
    copied = tmp_path / "copied.jsonl"
    copied.write_text(done.stdout, "utf-8")
    here, there = load(copied), load(home.record())
    assert (here.experiment, here.runs, here.end) == (
        there.experiment, there.runs, there.end,
    )  # fmt: skip
    assert "Record: " in done.stderr


@pytest.mark.parametrize("other", [("--json",), ("--format", "csv"), ("--html", "x.html")])
def test_one_thing_goes_to_stdout(home: Home, other: tuple[str, ...]) -> None:
    done = home.harness("run", "tiny-random", "--jsonl", *other, *QUICK)
    assert done.exit_code == 2
    assert "take one" in done.stderr + done.stdout
    assert not home.results.exists()


@pytest.mark.slow
def test_measuring_ends_with_its_input_and_what_was_measured_is_kept(home: Home) -> None:
    command = [
        sys.executable,
        "-m",
        "harness",
        "run",
        "tiny-random",
        "--jsonl",
        "--end-with-stdin",
        *LONG,
    ]
    with subprocess.Popen(
        command,
        cwd=home.folder,
        env=home.environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdout
        assert process.stdin
        lines = [process.stdout.readline() for _ in range(2)]  # the experiment and a Run
        assert all(line.endswith(b"\n") for line in lines)
        process.stdin.close()
        process.wait(60)
        wait_until(lambda: not workers(process.pid), "the worker's end")
    assert process.returncode == 128 + 15
    stored = load(home.record())
    assert stored.end is not None
    assert {stop.reason for stop in stored.end.stops} == {"interrupted"}
    assert any(run.outcome.status == "ok" for run in stored.runs)


def test_without_an_input_nothing_begins(home: Home) -> None:
    script = " ".join(["exec", '"$@"', "<&-"])
    command = [sys.executable, "-m", "harness", "run", "tiny-random", "--end-with-stdin", *QUICK]
    done = subprocess.run(
        ["sh", "-c", script, "sh", *command],
        cwd=home.folder,
        env=home.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "there is no standard input" in done.stderr
