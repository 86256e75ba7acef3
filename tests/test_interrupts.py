"""Ctrl-C between any two lines of a measurement; workers are replaced by recorded reports."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from make.records import make_experiment, make_run
from measure.test_sweep import BANDWIDTH, Silent

from harness import interrupts
from harness.measure import bandwidth_here, rounds
from harness.measure.jobs.measure import MeasureReport
from harness.measure.rounds import RunMaker
from harness.measure.sweep import Sweep
from harness.records.store import ExperimentWriter, load
from harness.schema.outcome import Outcome

N_MOMENTS = 120


def test_a_held_interrupt_comes_at_the_end_of_the_block() -> None:
    done = []

    @interrupts.held()
    def block() -> None:
        signal.raise_signal(signal.SIGINT)
        done.append("the rest")

    with pytest.raises(KeyboardInterrupt):
        block()
    assert done == ["the rest"]


def test_a_held_interrupt_comes_where_it_is_allowed() -> None:
    with interrupts.held():
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt), interrupts.allowed():
            pytest.fail("the block was entered")
        signal.raise_signal(signal.SIGINT)  # a second one adds nothing
        with interrupts.allowed():
            pass


def test_an_allowed_interrupt_comes_at_once() -> None:
    done = []

    @interrupts.allowed()
    def block() -> None:
        signal.raise_signal(signal.SIGINT)
        done.append("the rest")

    with interrupts.held(), pytest.raises(KeyboardInterrupt):
        block()
    assert done == []


def test_without_holding_nothing_changes() -> None:
    before = signal.getsignal(signal.SIGINT)
    with interrupts.allowed():
        assert signal.getsignal(signal.SIGINT) is before
    with interrupts.held():
        pass
    assert signal.getsignal(signal.SIGINT) is before


needs_posix = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT")


def python(code: str) -> subprocess.CompletedProcess[str]:
    """What a fresh process does, whose handlers are its own."""
    before = "import os, signal, sys, time\nfrom harness import interrupts\n"
    command = [sys.executable, "-c", before + code]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@needs_posix
@pytest.mark.parametrize("name", NAMES)
def test_each_signal_interrupts_and_has_its_exit_code(name: str) -> None:
    done = python(f"""
interrupts.raise_once()
try:
    signal.raise_signal(signal.{name})
except KeyboardInterrupt:
    signal.raise_signal(signal.{name})  # a second one does nothing
    signal.raise_signal(signal.SIGINT)
    print(interrupts.sentence())
    sys.exit(interrupts.exit_code())
""")
    suffix = "" if name == "SIGINT" else f" by {name}"
    assert (done.returncode, done.stdout) == (128 + signal.Signals[name], f"interrupted{suffix}\n")


@needs_posix
@pytest.mark.parametrize("name", NAMES)
def test_before_there_is_anything_to_put_away_a_signal_is_one_line(name: str) -> None:
    done = python(f"interrupts.end_at_once(); signal.raise_signal(signal.{name}); time.sleep(9)")
    assert done.returncode == 128 + signal.Signals[name]
    assert done.stderr.startswith("Error: interrupted")
    assert len(done.stderr.splitlines()) == 1


@needs_posix
@pytest.mark.parametrize("name", NAMES)
def test_a_signal_that_was_ignored_before_stays_ignored(name: str) -> None:
    done = python(f"""
signal.signal(signal.{name}, signal.SIG_IGN)
interrupts.end_at_once()
signal.raise_signal(signal.{name})
interrupts.raise_once()
with interrupts.held(), interrupts.allowed():
    signal.raise_signal(signal.{name})
""")
    assert (done.returncode, done.stderr) == (0, "")


@needs_posix
def test_an_interrupt_that_python_throws_away_comes_again() -> None:
    done = python("""
class Thing:
    def __del__(self):
        signal.raise_signal(signal.SIGTERM)

interrupts.raise_once()
try:
    Thing()
    time.sleep(30)
except KeyboardInterrupt:
    sys.exit(interrupts.exit_code())
""")
    assert (done.returncode, done.stderr) == (143, "")


@needs_posix
@pytest.mark.parametrize("name", NAMES)
def test_a_held_signal_of_any_kind_comes_where_it_is_allowed(name: str) -> None:
    done = python(f"""
interrupts.raise_once()
with interrupts.held():
    signal.raise_signal(signal.{name})
    print("the rest")
    try:
        interrupts.check()
    except KeyboardInterrupt:
        print("there")
sys.exit(interrupts.exit_code())
""")
    assert (done.returncode, done.stdout) == (128 + signal.Signals[name], "the rest\nthere\n")


class _At:
    """A trace function that sends SIGINT at the n-th line."""

    def __init__(self, n: int) -> None:
        self._n = n
        self.n_lines = 0

    def __call__(self, frame: FrameType, event: str, _: Any) -> _At:
        self.n_lines += event == "line"
        if self.n_lines == self._n:
            self._n = -1
            signal.raise_signal(signal.SIGINT)
        return self


def measure(folder: Path, n_line: int) -> tuple[Path, bool, int]:
    """The record, whether Ctrl-C ended it, and how many lines of Python ran."""
    experiment = make_experiment(("tg128",), n_runs_max=2, precision=0.0001)
    paths = {model.key: Path(model.key) for model in experiment.plan.models}
    at = _At(n_line)
    before = sys.gettrace()
    is_interrupted = False
    path = folder
    try:
        with interrupts.held():
            sys.settrace(at)
            with ExperimentWriter(folder, experiment) as writer:
                path = writer.path
                result = Sweep(
                    experiment, RunMaker(experiment, paths, writer.path, Silent()), writer, Silent()
                ).measure()
                is_interrupted = result.is_interrupted
    except KeyboardInterrupt:
        is_interrupted = True
    finally:
        sys.settrace(before)
    return path, is_interrupted, at.n_lines


def test_ctrl_c_between_any_two_lines_leaves_a_whole_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trials = make_run(workloads=("tg128",), rates={"tg128": 120}).trials
    report = MeasureReport(outcome=Outcome(status="ok"), trials=trials)
    interrupted = MeasureReport(
        outcome=Outcome(status="failed", reason="interrupted", message="interrupted"), trials=trials
    )

    def answer(*_: object, **__: object) -> MeasureReport:
        """As a worker is heard that ends well, or is interrupted."""
        try:
            with interrupts.allowed():
                return report
        except KeyboardInterrupt:
            return interrupted

    monkeypatch.setattr(bandwidth_here, "read_now", lambda *_: (BANDWIDTH, None))
    monkeypatch.setattr(rounds, "measure", answer)
    _, is_interrupted, n_lines = measure(tmp_path / "whole", n_line=-1)
    assert not is_interrupted
    for n_line in range(1, n_lines, max(1, n_lines // N_MOMENTS)):
        path, is_interrupted, n_run = measure(tmp_path / str(n_line), n_line)
        assert is_interrupted == (n_run >= n_line), n_line
        stored = load(path)
        assert stored.n_torn == 0
        assert stored.end, n_line
        assert sum(stop.n_runs for stop in stored.end.stops) == len(stored.runs)
