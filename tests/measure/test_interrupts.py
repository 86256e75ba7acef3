"""Ctrl-C between any two lines of a measurement; workers are replaced by recorded reports."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from make.records import make_experiment, make_run

from harness.measure import interrupts
from harness.measure import sweep as sweeps
from harness.measure.jobs.measure import MeasureReport
from harness.measure.sweep import Sweep
from harness.records.store import ExperimentWriter, load
from harness.schema.experiment import Outcome
from measure.test_sweep import BANDWIDTH, Silent

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
                result = Sweep(experiment, paths, writer, Silent()).measure()
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
    monkeypatch.setattr(sweeps, "read_now", lambda *_: (BANDWIDTH, None))
    monkeypatch.setattr(sweeps, "measure", lambda *_, **__: report)
    _, is_interrupted, n_lines = measure(tmp_path / "whole", n_line=-1)
    assert not is_interrupted
    for n_line in range(1, n_lines, max(1, n_lines // N_MOMENTS)):
        path, is_interrupted, n_run = measure(tmp_path / str(n_line), n_line)
        assert is_interrupted == (n_run >= n_line), n_line
        stored = load(path)
        assert stored.n_torn == 0
        assert stored.end, n_line
        assert sum(stop.n_runs for stop in stored.end.stops) == len(stored.runs)
