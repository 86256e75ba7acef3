"""What a person sees of a fleet while it measures."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

from make.fleet_results import make_hello
from make.records import make_experiment, make_failed_run, make_run, make_runs

from harness.measure.session import SessionResult
from harness.measure.sweep import Result
from harness.report.progress.fleet import FleetProgress
from harness.report.terminal import Stderr
from harness.schema.configuration import configurations_of

EXPERIMENT = make_experiment(("tg128",))
(CONFIGURATION,) = configurations_of(EXPERIMENT.plan)


def told(watch: Callable[[FleetProgress], None], *, width: int | None = None) -> str:
    """What is on stderr, a terminal of `width` columns or a file."""
    output = io.StringIO()
    console = Stderr(
        file=output, force_terminal=width is not None, width=width or 160, no_color=True
    )
    progress = FleetProgress(console, ["laptop", "studio"])
    with progress.shown():
        watch(progress)
    return output.getvalue()


def measured(progress: FleetProgress) -> None:
    progress.joined("studio", make_hello())
    progress.prepared("studio", EXPERIMENT, ["its battery is in use"])
    progress.cell_sent("studio", 1, CONFIGURATION, 12)
    progress.run_finished("studio", make_run(0, ("tg128",)), None)


def test_each_run_gets_a_line_with_the_name_of_its_host() -> None:
    text = told(measured)
    assert "Warning: studio: its battery is in use" in text
    (line,) = [line for line in text.splitlines() if "tok/s" in line]
    assert line.startswith("studio  run  1")


def test_a_terminal_has_a_line_for_each_machine() -> None:
    text = told(measured, width=80)
    assert "laptop  waited for" in text
    assert "studio  run 1 of 12 at most" in text
    assert "left at most" in text


def test_a_narrow_terminal_keeps_how_long_it_takes() -> None:
    lines = told(measured, width=50).splitlines()
    rows = [line for line in lines if "left at most" in line]
    assert rows
    assert all("…" in row for row in rows if "at most ·" in row)


def test_a_machine_that_is_lost_and_back_is_told_of() -> None:
    def watch(progress: FleetProgress) -> None:
        measured(progress)
        progress.lost("studio", "no answer for 15 s")
        progress.back("studio")
        progress.gave_up("laptop", "it does not answer")

    text = told(watch)
    assert "Warning: studio is lost (no answer for 15 s); waiting for it." in text
    assert "studio  is back" in text
    assert "studio  run 1 of 12 at most" in told(watch, width=80).split("is back")[-1]
    assert "Warning: laptop is given up: it does not answer." in text


def test_who_goes_on_says_behind_what_and_expects_less() -> None:
    def resumed(progress: FleetProgress) -> None:
        progress.resumed("studio", make_runs(6, workloads=("tg128",)), ())
        progress.prepared("studio", EXPERIMENT, ())

    assert "studio  goes on behind 6 Runs" in told(resumed)


def test_a_failed_run_and_the_end_are_told() -> None:
    def watch(progress: FleetProgress) -> None:
        measured(progress)
        progress.run_finished("studio", make_failed_run(1, workloads=("tg128",)), None)
        done = SessionResult(EXPERIMENT, Result(runs=make_runs(2)), Path("x.jsonl"))
        progress.finished("studio", done)

    text = told(watch, width=120)
    assert "not enough memory" in text
    assert "studio  done, 2 Runs" in text
