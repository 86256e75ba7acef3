from __future__ import annotations

from make.records import SETTINGS, make_run, run_of
from make.shown import result_of, shown
from make.trials import disturbed_counters, make_trial

from harness.report import plain
from harness.report.trials_page import trials_part


def test_every_trial_is_a_bar_and_a_disturbed_one_is_marked() -> None:
    spoilt = make_trial("tg128", 1, 1, counters=disturbed_counters())
    runs = [
        run_of(make_trial("tg128", 50, is_warm_up=True), make_trial("tg128", 100), spoilt),
        run_of(make_trial("tg128", 170), make_trial("tg128", 135, 1), index=1, round=1),
    ]
    text = shown(result_of(runs, ("tg128",)), is_full=True)
    assert "\ntg128  ▁x █▅  100 – 170 tok/s\n" in text
    assert "▁x" not in shown(result_of(runs, ("tg128",)))


def test_of_a_sweep_each_configuration_has_its_own() -> None:
    other = SETTINGS.model_copy(update={"n_threads": 1})
    runs = [make_run(n, ("tg128",), settings=(SETTINGS, other)[n % 2]) for n in range(4)]
    groups = result_of(runs, ("tg128",), settings=(SETTINGS, other)).groups
    (facts,) = trials_part(groups)
    text = plain.render((facts,))
    assert "threads 2 tg128  " in text
    assert "threads 1 tg128  " in text


def test_one_trial_alone_is_no_picture() -> None:
    assert trials_part(result_of([run_of(make_trial("tg128", 100))], ("tg128",)).groups) == ()


def test_of_very_many_runs_the_rest_is_counted() -> None:
    runs = [
        run_of(make_trial("tg128", 100 + n), index=n % 60, round=n).model_copy(update={"index": n})
        for n in range(103)
    ]
    (facts,) = trials_part(result_of(runs, ("tg128",)).groups)
    assert "and 3 Runs more  100 – 202 tok/s" in plain.render((facts,)).replace("\n       ", " ")
