from __future__ import annotations

from make.records import make_machine, make_run, make_runs, run_of
from make.trials import disturbed_counters, make_trial

from harness.analysis.precision import Precision
from harness.schema.experiment import Run


def is_precise(runs: list[Run], workloads: tuple[str, ...], precision: float) -> bool:
    found = Precision(make_machine())
    for run in runs:
        found.add(run)
    return found.is_reached(workloads, precision)


def test_precision_needs_six_runs() -> None:
    assert is_precise(make_runs(6, 0.005), ("pp512", "tg128"), 0.02)
    assert not is_precise(make_runs(5, 0.005), ("pp512", "tg128"), 0.02)
    assert not is_precise([], ("tg128",), 0.02)
    assert not is_precise(make_runs(6), (), 0.02)


def test_every_workload_has_to_be_precise() -> None:
    runs = [make_run(i, rates={"pp512": 310, "tg128": 100 + 5 * i}) for i in range(6)]
    assert is_precise(runs, ("pp512",), 0.02)
    assert not is_precise(runs, ("pp512", "tg128"), 0.02)


def test_runs_without_clean_trials_do_not_count_towards_precision() -> None:
    runs = make_runs(5, 0.001)
    spoilt = run_of(make_trial("tg128", 120, counters=disturbed_counters()))
    assert not is_precise([*runs, spoilt], ("tg128",), 0.02)


def test_chat_is_precise_when_its_first_token_is() -> None:
    runs = [make_run(i, ("chat",), rates={"chat": 50 + 9 * i}) for i in range(6)]
    assert is_precise(runs, ("chat",), 0.02)
