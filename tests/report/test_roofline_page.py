"""Decoding below the memory's bandwidth."""

from __future__ import annotations

import pytest
from make.gate import make_candidate, make_rounds
from make.records import make_machine, make_model
from make.scopes import pictures_of, scope_of, table_of

from harness.report.roofline_page import roofline_page
from harness.schema.experiment import Trial
from harness.schema.figure import Figure


def test_mbu_is_where_a_case_lies_below_the_ceiling() -> None:
    model = make_model(
        n_bytes=1_000_000_000,
        weights_bytes=1_000_000_000,
        token_read_bytes=1_000_000_000,
        kv_read_bytes_per_position=0,
    )
    experiment = make_candidate(models=(model,), workloads=("tg128",))
    runs = [
        run.model_copy(update={"trials": tuple(_slowed(it) for it in run.trials)})
        for run in make_rounds(experiment)
    ]
    page = roofline_page(scope_of((experiment, runs)))
    picture = pictures_of(page)["roofline"]
    mark, ceiling = picture.marks
    assert float(ceiling.x) * float(ceiling.y) == pytest.approx(picture.rules[0].value)
    assert (ceiling.evidence, ceiling.is_faint) == ("predicted", True)
    (rule,) = picture.rules
    (row,) = table_of(page).rows
    mbu = row[5]
    assert isinstance(mbu, Figure)
    assert float(mark.x) * float(mark.y) / rule.value == pytest.approx(mbu.value)
    assert "MBU 4" in mark.label
    assert not mark.is_faint
    assert row[6] == ""


def test_where_the_ceiling_says_nothing_the_table_says_why() -> None:
    experiment = make_candidate(machine=make_machine(last_level_cache_bytes=64 << 20))
    page = roofline_page(scope_of((experiment, make_rounds(experiment))))
    assert pictures_of(page) == {}
    (row,) = table_of(page).rows
    assert (row[5], row[6]) == (None, "too much of the model fits in the cache")


def _slowed(trial: Trial) -> Trial:
    steps = tuple(8 * step for step in trial.step_ns)
    return trial.model_copy(update={"step_ns": steps, "total_ns": 8 * trial.total_ns})
