from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import pytest
from make.records import KEY, SETTINGS, make_experiment, make_run
from make.trials import make_trial

from harness.measure.jobs.measure import RepeatEvent, TrialEvent
from harness.measure.protocol import Event
from harness.report.progress import measuring
from harness.report.progress.measuring import Progress
from harness.report.terminal import Stderr
from harness.schema.configuration import configurations_of
from harness.schema.experiment import Run

REPEAT = RepeatEvent(
    workload="tg128",
    n_disturbed=2,
    n_trials=3,
    n_trials_max=9,
    disturbed_by="others took 40.0 % of the CPUs",
)
DISTURBED = TrialEvent(trial=make_trial("tg128"), disturbed_by="others took 40.0 % of the CPUs")


def told(
    runs: Sequence[tuple[Run, Sequence[Event]]], *, is_terminal: bool = False, **plan: Any
) -> str:
    """What is on stderr after these Runs, with what the workers told in each."""
    output = io.StringIO()
    console = Stderr(file=output, force_terminal=is_terminal, width=160, no_color=True)
    progress = Progress(console)
    planned = make_experiment(("tg128",), **plan).plan
    with progress.shown(planned):
        for number, (run, events) in enumerate(runs, start=1):
            (mine,) = [it for it in configurations_of(planned) if it.is_of(run)]
            progress.run_started(number, mine)
            for event in events:
                progress.event(number, event)
            progress.run_finished(run, None)
    return output.getvalue()


def test_repeating_is_said_while_it_measures_and_where_there_is_no_terminal() -> None:
    for is_terminal in (False, True):
        text = told([(make_run(0, ("tg128",)), [DISTURBED, REPEAT])], is_terminal=is_terminal)
        assert (
            "Warning: tg128: 2 of 3 trials were disturbed (others took 40.0 % of the CPUs); "
            "repeating, up to 9 trials."
        ) in text


def test_repeating_is_said_again_only_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [(make_run(n, ("tg128",)), [DISTURBED, REPEAT, REPEAT]) for n in range(5)]
    assert told(runs).count("repeating") == 1
    monkeypatch.setattr(measuring, "_TELL_AGAIN_S", 0.0)
    assert told(runs).count("repeating") == 10


def test_the_line_of_a_run_says_how_many_trials_were_disturbed() -> None:
    text = told([(make_run(0, ("tg128",)), [DISTURBED, DISTURBED]), (make_run(1, ("tg128",)), [])])
    first, second = text.splitlines()
    assert "2 of 3 trials disturbed" in first
    assert "disturbed" not in second


@pytest.mark.parametrize("is_terminal", [False, True])
def test_every_line_of_a_sweep_names_the_setting_that_tells_its_run(is_terminal: bool) -> None:
    swept = [SETTINGS.model_copy(update={"flash_attn": value}) for value in ("on", "off")]
    runs = [(make_run(n, ("tg128",), settings=settings), ()) for n, settings in enumerate(swept)]
    text = told(runs, is_terminal=is_terminal, settings=tuple(swept))
    for number, value in ((1, "on"), (2, "off")):
        assert f"run  {number}  {KEY} · flash-attn {value}  tg128 " in text
        if is_terminal:
            assert f"at most · {KEY} · flash-attn {value} · " in text


def test_one_configuration_alone_is_not_told_from_others() -> None:
    assert f"run  1  {KEY}  tg128 " in told([(make_run(0, ("tg128",)), ())])


def test_the_figure_of_a_run_is_of_a_clean_trial_and_else_marked() -> None:
    run = make_run(0, ("tg128",))
    clean, slow = make_trial("tg128", 120.0), make_trial("tg128", 0.12, index=1)
    mixed = run.model_copy(update={"trials": (clean, slow)})
    alone = run.model_copy(update={"trials": (slow,)})
    events = [TrialEvent(trial=slow, disturbed_by="others took 40.0 % of the CPUs")]

    assert "tg128 120 tok/s · " in told([(mixed, events)])
    assert "tg128 0.12 tok/s ? · " in told([(alone, events)])
