from __future__ import annotations

import io
import re
import threading
from collections.abc import Sequence
from itertools import takewhile
from typing import Any

import pytest
from make.records import KEY, SETTINGS, make_experiment, make_model, make_run, make_runs, run_of
from make.trials import disturbed_counters, make_trial
from rich.cells import cell_len

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
BEFORE = "Measuring takes at most 5 min; one Run of each case is finished however long it takes.\n"


def told(
    runs: Sequence[tuple[Run, Sequence[Event]]],
    *,
    is_terminal: bool = False,
    width: int = 160,
    **plan: Any,
) -> str:
    """What is on stderr after these Runs, with what the workers told in each."""
    output = io.StringIO()
    console = Stderr(file=output, force_terminal=is_terminal, width=width, no_color=True)
    progress = Progress(console)
    experiment = make_experiment(("tg128",), **plan)
    with progress.shown(experiment):
        for number, (run, events) in enumerate(runs, start=1):
            (mine,) = [it for it in configurations_of(experiment.plan) if it.is_of(run)]
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
    busy = [make_trial("tg128", index=i, counters=disturbed_counters()) for i in range(2)]
    disturbed = run_of(*busy, make_trial("tg128", index=2))
    text = told([(disturbed, ()), (make_run(1, ("tg128",)), ())])
    before, first, second = text.splitlines(keepends=True)
    assert before == BEFORE
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
            assert f"run {number} · flash-attn {value} · memory bandwidth" in text


def test_one_configuration_alone_is_not_told_from_others() -> None:
    assert f"run  1  {KEY}  tg128 " in told([(make_run(0, ("tg128",)), ())])


def test_the_figure_of_a_run_is_of_a_clean_trial_and_else_marked() -> None:
    run = make_run(0, ("tg128",))
    clean = make_trial("tg128", 120.0)
    slow = make_trial("tg128", 0.12, index=1, counters=disturbed_counters())
    mixed = run.model_copy(update={"trials": (clean, slow)})
    alone = run.model_copy(update={"trials": (slow,)})

    assert "tg128 120 tok/s · " in told([(mixed, ())])
    assert "tg128 0.12 tok/s ? · " in told([(alone, ())])


def blocks(text: str) -> list[list[str]]:
    """What the terminal held at each redraw, line by line, without the moves of the cursor."""
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "\n", text)
    found = [list(filter(None, part.splitlines())) for part in re.split(r"(?=round \d)", plain)]
    # A line that is printed above it draws it again.
    drawn = (takewhile(lambda line: not line.startswith("run  "), lines) for lines in found[1:])
    return [list(block) for block in dict.fromkeys(map(tuple, drawn))]


def test_the_block_says_which_round_and_how_long_it_may_still_take() -> None:
    runs = [(run, ()) for run in make_runs(3)]
    found = blocks(told(runs, is_terminal=True))
    heads = [block[0] for block in found]
    assert heads[0] == "round 1 of 12 at most · about 5 min left at most"
    assert [head.split(" of ")[0] for head in heads] == ["round 1", "round 2", "round 3"]
    assert found[0][1:3] == [f"run 1 · {KEY} · memory bandwidth", "  tg128 no figure yet"]


def test_figures_come_with_their_interval_as_soon_as_there_is_one() -> None:
    runs = [(run, ()) for run in make_runs(7)]
    lines = [block[2] for block in blocks(told(runs, is_terminal=True))]
    assert re.fullmatch(r"  tg128 1\d\d tok/s, n = 1", lines[1])
    assert re.search(r"tok/s, range: 1\d\d – 1\d\d, n = 3$", lines[3])
    assert re.search(r"tok/s, 95 %: 1\d\d – 1\d\d, n = 6$", lines[6])


@pytest.mark.parametrize(
    "name", [KEY, "owner/a-very-long-name-of-a-repository:Q4_K_M", "模型" * 30]
)
def test_the_block_fits_60_columns_and_names_what_happens(name: str) -> None:
    models = (make_model(key=name), make_model(key="b"))
    runs = [(run, [TrialEvent(trial=make_trial("tg128", index=2))]) for run in make_runs(6)]
    runs = [(run.model_copy(update={"model": name}), events) for run, events in runs]
    text = told(runs, is_terminal=True, width=60, models=models)
    found = [line for block in blocks(text) for line in block]
    assert max(cell_len(line) for line in found) <= 60
    assert any(line.endswith(" · memory bandwidth") for line in found)
    assert any(line.endswith(", n = 5") for line in found)


def test_nothing_is_redrawn_between_two_events(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a thread would redraw while a worker measures")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert "round 1 of 12" in told([(make_run(0, ("tg128",)), [DISTURBED])], is_terminal=True)


def test_how_long_it_takes_is_said_before_the_first_run() -> None:
    assert told([]) == BEFORE
    several = told([], models=(make_model(key="a"), make_model(key="b")), budget_ns=60 * 10**9)
    assert several.startswith("Measuring takes at most 2 min, 60 s for each of 2 models; ")
