from __future__ import annotations

from typing import Any

from make.loads import SERVED
from make.records import SETTINGS, make_experiment, make_model, make_run, make_runs, run_of
from make.trials import disturbed_counters, make_trial

from harness.report.progress.so_far import SoFar
from harness.schema.configuration import configurations_of
from harness.schema.experiment import Experiment, Stop

BATCHES = tuple(SETTINGS.model_copy(update={"n_batch": n}) for n in range(1, 9))
S = 10**9


def planned(**plan: Any) -> Experiment:
    return make_experiment(("pp512", "tg128", "chat"), **plan)


def test_one_configuration_has_a_line_for_each_workload() -> None:
    lines = SoFar(planned(), make_runs(2)).lines(80)
    assert [line.split()[0] for line in lines] == ["pp512", "tg128", "chat"]
    assert lines[2].endswith("chat no figure yet")


def test_of_several_each_has_its_decoding_and_the_rest_is_counted() -> None:
    lines = SoFar(planned(settings=BATCHES)).lines(80)
    assert lines[0] == "  batch-size 1  tg128 no figure yet"
    assert (len(lines), lines[-1]) == (7, "  and 2 more")


def test_a_chat_is_told_by_its_time_to_the_first_token() -> None:
    chat = make_experiment(("chat",))
    (line,) = SoFar(chat, [make_run(0, ("chat",))]).lines(80)
    assert line.endswith("chat TTFT 800 ms, n = 1")


def test_a_model_that_only_reads_is_told_by_its_prompt() -> None:
    models = (make_model(kind="embeds"), make_model(key="b"))
    first, second = SoFar(planned(models=models)).lines(80)
    assert (first.split()[-4], second.split()[-4]) == ("pp512", "tg128")


def test_disturbed_trials_make_no_figure() -> None:
    run = run_of(make_trial("tg128", counters=disturbed_counters()))
    (line,) = SoFar(make_experiment(("tg128",)), [run]).lines(80)
    assert line.endswith("no figure yet")


def test_what_an_earlier_session_measured_counts() -> None:
    swept = planned(settings=BATCHES[:2], budget_ns=300 * S, n_runs_max=4)
    first, second = configurations_of(swept.plan)
    runs = [
        make_run(
            n,
            settings=BATCHES[n % 2],
            duration_ns=10 * S,
            started_at=f"2026-11-23T17:00:{10 * n:02}+00:00",
        )
        for n in range(4)
    ]
    stop = Stop(model=first.model.key, settings=first.settings, reason="precise", n_runs=2)
    assert SoFar(swept, runs).most_left_ns == 40 * S
    so_far = SoFar(swept, runs, [stop])
    assert so_far.most_left_ns == 20 * S
    assert so_far.round_of(second) == 3
    assert all(line.endswith("n = 2") for line in so_far.lines(80))


def test_what_a_search_goes_on_to_stands_above_what_it_had() -> None:
    plan: dict[str, Any] = {"models": (SERVED,), "settings": (SERVED.served.settings,)}
    so_far = SoFar(make_experiment(("chat",), search="users", **plan))
    assert [line.split()[0] for line in so_far.lines(80)] == ["chat"]
    about: dict[str, Any] = {"model": SERVED.key, "settings": SERVED.served.settings}
    for name in ("chat", "chatx2", "chatx4", "chatx4"):
        so_far.take(make_run(0, (name,), **about), None)
    lines = so_far.lines(80)
    assert [line.split()[0] for line in lines] == ["chatx4", "chatx2", "chat"]
    assert lines[0].endswith("n = 2")
