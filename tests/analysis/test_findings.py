from __future__ import annotations

import re
from typing import Any

import pytest
from make.records import (
    MIB,
    SETTINGS,
    make_experiment,
    make_failed_run,
    make_model,
    make_run,
    make_runs,
    run_of,
)
from make.trials import disturbed_counters, make_counters, make_trial

from harness.analysis.finding import Finding
from harness.analysis.findings import case_findings, findings, tally
from harness.analysis.measured import measured_of
from harness.schema.experiment import Run
from harness.schema.machine import Counters


def lines_of(runs: list[Run], **changes: Any) -> str:
    experiment = make_experiment(**changes)
    return "\n".join(found.text for found in findings(measured_of(experiment, runs)))


def test_a_quiet_and_precise_experiment_needs_one_sentence() -> None:
    text = lines_of(make_runs(12, 0.01))
    assert text == (
        "The machine was quiet: other programs took 1.0 % of the CPUs; "
        "none of 72 trials was disturbed."
    )


@pytest.mark.parametrize(("rate", "is_less"), [(80.0, True), (122.0, False), (240.0, False)])
def test_several_sequences_that_get_less_than_one_alone_are_named(
    rate: float, *, is_less: bool
) -> None:
    names = ("tg128", "tg128x2", "pp8x2")
    runs = [make_run(at, names, {"tg128": 120.0 + at % 3, "tg128x2": rate}) for at in range(6)]
    text = lines_of(runs, workloads=names)
    assert ("2 sequences together got less than one alone" in text) == is_less
    assert not is_less or "tok/s in tg128x2 and" in text


def test_nothing_measured_is_said() -> None:
    assert lines_of([make_failed_run()]) == "Nothing was measured."


def test_few_runs_are_called_too_few_and_the_right_option_named() -> None:
    assert "raise --budget" in lines_of(make_runs(3))
    assert "raise --runs" in lines_of(make_runs(3), n_runs_max=3)


def test_wide_intervals_ask_for_more_runs() -> None:
    assert "not the ±2.0 % asked for" in lines_of(make_runs(6, 0.2))


def test_what_is_only_compared_is_not_blamed_for_wide_intervals() -> None:
    experiment, runs = make_experiment(), make_runs(6, 0.2)
    groups = measured_of(experiment, runs)
    assert any("asked for" in found.text for found in findings(groups))
    compared = findings(groups, is_compared=True)
    assert compared
    assert not any("asked for" in found.text for found in compared)


def test_disturbed_trials_and_what_helps_are_named() -> None:
    spoilt = run_of(make_trial("tg128", 30, counters=disturbed_counters()))
    text = lines_of([spoilt])
    assert "1 of 1 trials was disturbed" in text
    assert "tg128: no clean trial at all" in text
    assert "Close other programs" in text


def test_warnings_of_the_machine_and_labels_are_passed_on() -> None:
    runs = make_runs(6, 0.01)
    paging = make_counters(swap_in_bytes=80 * MIB)
    runs[0] = run_of(*(make_trial("tg128", 120, i, counters=paging) for i in range(3)))
    text = lines_of(runs, warnings=("Running on battery: plug in",))
    assert "Running on battery: plug in.\n" in text
    assert "smaller quantization" in text


def doubled(load_mode: str) -> str:
    model = make_model(weights_bytes=1000 * MIB)
    mark = (
        make_run()
        .memory[0]
        .model_copy(update={"anonymous_bytes": 980 * MIB, "file_backed_bytes": 950 * MIB})
    )
    settings = SETTINGS.model_copy(update={"load_mode": load_mode})
    runs = make_runs(6, 0.01, memory=(mark,), settings=settings)
    return lines_of(runs, models=(model,), settings=(settings,))


def test_a_second_copy_of_the_weights_names_the_option_that_avoids_it() -> None:
    assert "--load-mode none" in doubled("auto")
    assert "--load-mode none" not in doubled("none")


def tallied(runs: list[Run]) -> dict[str, int]:
    (measured,) = measured_of(make_experiment(("tg128",)), runs)
    return tally(measured, measured.cases[0])


def found_of(runs: list[Run], workload: str = "tg128", **plan: Any) -> list[Finding]:
    (measured,) = measured_of(make_experiment((workload,), **plan), runs)
    return case_findings(measured, measured.cases[0])


def test_what_was_noticed_is_counted() -> None:
    slow_first = run_of(*(make_trial("tg128", rate, i) for i, rate in enumerate((60, 100, 101))))
    paging = run_of(make_trial("tg128", 90, counters=make_counters(disk_read_bytes=9 * MIB)))
    assert tallied([slow_first, paging]) == {"paging": 1, "slow first trial": 1}


def test_a_drift_over_the_runs_is_found() -> None:
    runs = [make_run(i, rates={"tg128": 120 - 4 * i}) for i in range(8)]
    (finding,) = found_of(runs)
    assert "drifted by -2" in finding.text
    assert finding.level == "warning"
    assert found_of(make_runs(8)) == []


def test_a_loop_slowed_by_others_says_nothing_of_the_host() -> None:
    slow = disturbed_counters().model_copy(update={"reference_ns": 2_000_000})
    by_others = run_of(make_trial("tg128", 30, counters=slow))
    by_host = run_of(make_trial("tg128", 80, counters=make_counters(reference_ns=2_000_000)))
    assert "slow host" not in tallied([*make_runs(3), by_others])
    assert tallied([*make_runs(3), by_host])["slow host"] == 1


def test_a_figure_above_the_memorys_speed_is_not_believed() -> None:
    model = make_model(weights_bytes=2 * 10**9, token_read_bytes=10**9)
    (finding,) = found_of([run_of(make_trial("tg128", 60))], models=(model,))
    assert finding.level == "error"
    assert "not believable" in finding.text
    assert found_of([run_of(make_trial("tg128", 24))], models=(model,)) == []


def load_of(counters: Counters, n_runs: int = 3, n_trials: int = 1) -> str:
    """What is said of the machine while trials with these counters were measured."""
    runs = [
        run_of(*(make_trial("tg128", 120, i, counters=counters) for i in range(n_trials)), index=n)
        for n in range(n_runs)
    ]
    return findings(measured_of(make_experiment(("tg128",)), runs))[0].text


def test_trials_too_short_for_the_counters_are_no_evidence_of_quiet() -> None:
    short = make_counters(wall_ns=4_000_000, process_cpu_ns=4_000_000, system_busy_ns=0)
    text = load_of(short)
    assert "too short to tell" in text
    assert "none of 3 trials was disturbed" in text
    assert "quiet" not in text
    assert "%" not in text


def whole_runs(share: float, trial: Counters) -> str:
    """The same where others took `share` of the CPUs over the whole Run."""
    whole = make_counters(
        10**10, process_cpu_ns=10**10, system_busy_ns=round(10**10 * (1 + 2 * share))
    )
    runs = [
        run_of(make_trial("tg128", 120, counters=trial), index=n, counters=whole) for n in range(3)
    ]
    return findings(measured_of(make_experiment(("tg128",)), runs))[0].text


def test_where_trials_are_too_short_the_whole_run_is_the_evidence() -> None:
    short = make_counters(wall_ns=4_000_000, process_cpu_ns=4_000_000, system_busy_ns=0)
    assert whole_runs(0.013, short) == (
        "The machine was quiet: other programs took 1.3 % of the CPUs over whole Runs (trials of "
        "12.0 ms in all are too short to tell); none of 3 trials was disturbed."
    )
    assert whole_runs(0.4, short) == (
        "The machine was busy: other programs took 40.0 % of the CPUs over whole Runs; "
        "none of 3 trials was disturbed."
    )


def test_a_machine_that_was_busy_outside_of_its_trials_is_not_called_quiet() -> None:
    assert whole_runs(0.4, make_counters()) == (
        "The machine was busy: other programs took 40.0 % of the CPUs over whole Runs, during "
        "trials 1.0 %; none of 3 trials was disturbed."
    )


@pytest.mark.parametrize(
    ("trial", "is_busy"),
    [
        (make_counters(), False),
        (disturbed_counters(), True),
        (make_counters(run_delay_ns=400_000_000), True),
        (make_counters(wall_ns=9_000_000, run_delay_ns=8_000_000), True),
        (make_counters(wall_ns=9_000_000, process_cpu_ns=0, system_busy_ns=70_000_000), False),
    ],
)
def test_the_evidence_beside_a_judgement_is_evidence_of_it(trial: Counters, is_busy: bool) -> None:
    text = load_of(trial, n_runs=9)
    assert text.startswith("The machine was busy") == is_busy
    shares = [float(share) for share in re.findall(r"([\d.-]+) %", text)]
    assert all(0 <= share <= 100 for share in shares)
    if is_busy:
        assert max(shares) >= 5
    elif "quiet" in text:
        assert max(shares) < 5


def test_a_machine_is_not_quiet_when_most_trials_were_disturbed() -> None:
    waited = make_counters(run_delay_ns=400_000_000)
    text = load_of(waited, n_runs=6)
    assert text.startswith("The machine was busy: ")
    assert "6 of 6 trials were disturbed" in text


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("applied", ""),
        ("absent", "as bare text: it has no chat template"),
        ("unknown", "as bare text: the engine does not know its chat template"),
    ],
)
def test_a_chat_without_its_template_says_so(template: str, told: str) -> None:
    trial = make_trial("chat", 100).model_copy(update={"chat_template": template})
    texts = [finding.text for finding in found_of([run_of(trial)], "chat")]
    assert [text for text in texts if "bare text" in text] == (
        [f"chat reached the model {told}"] if told else []
    )


def test_what_is_true_of_several_workloads_is_said_once() -> None:
    trials = [
        make_trial(name, 100).model_copy(update={"chat_template": "absent"})
        for name in ("chat", "story")
    ]
    text = lines_of([run_of(*trials)], workloads=("chat", "story"))
    told = "smollm2-135m:Q4_1: chat, story reached the model as bare text: it has no chat template."
    assert text.count("bare text") == 1
    assert told in text
