from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from make.records import make_experiment, make_failed_run, make_model, make_runs

from harness.errors import ExitCode, ResultsUnwritable, UsageError
from harness.machine.probe import default_threads, probe_machine
from harness.measure.session import MeasureRequest, SessionResult, prepare
from harness.measure.sweep import Result


def request(**changes: Any) -> MeasureRequest:
    usual = MeasureRequest(
        workloads=("tg128",),
        settings={},
        n_runs_max=12,
        n_trials=3,
        n_cold_loads=1,
        budget_ns=1,
        results=Path("results"),
    )
    return MeasureRequest(**{**vars(usual), **changes})


def test_what_is_not_asked_for_is_as_the_machine_has_it() -> None:
    plan = prepare(request(), [make_model()]).plan
    (settings,) = plan.engine_settings
    assert settings.n_threads == default_threads(probe_machine())
    assert settings.n_batch == 2048


def test_lists_of_settings_become_every_combination() -> None:
    asked = request(settings={"n_threads": (1, 2), "flash_attn": ("on", "off")})
    plan = prepare(asked, [make_model()]).plan
    found = [(settings.n_threads, settings.flash_attn) for settings in plan.engine_settings]
    assert found == [(1, "on"), (1, "off"), (2, "on"), (2, "off")]


def test_a_seed_is_kept_and_one_is_drawn_where_none_is_asked_for() -> None:
    models = [make_model()]
    assert prepare(request(seed=7), models).plan.seed == 7
    assert len({prepare(request(), models).plan.seed for _ in range(4)}) > 1


def test_settings_that_cannot_be_are_wrong_usage() -> None:
    with pytest.raises(UsageError, match="load_mode"):
        prepare(request(settings={"load_mode": ("sideways",)}), [make_model()])


def test_the_exit_code_tells_failures_and_interruptions() -> None:
    def code(result: Result) -> int:
        return SessionResult(make_experiment(), result, Path("x")).exit_code

    assert code(Result(runs=make_runs(2))) == ExitCode.DONE
    assert code(Result(runs=[*make_runs(1), make_failed_run()])) == ExitCode.ERROR
    assert code(Result(runs=[make_failed_run()], is_interrupted=True)) == ExitCode.INTERRUPTED
    with pytest.raises(ResultsUnwritable):
        code(Result(error=ResultsUnwritable("the disk is full")))
