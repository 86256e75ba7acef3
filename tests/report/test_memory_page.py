"""Memory as bars and as a table."""

from __future__ import annotations

import pytest
from make.gate import make_candidate, make_rounds
from make.records import make_experiment, make_failed_run, make_machine
from make.scopes import figures_of, pictures_of, scope_of, table_of

from harness.report.memory_page import memory_page

GIB = 1 << 30


def test_the_parts_of_a_bar_are_those_of_the_table_and_make_up_what_is_needed() -> None:
    experiment = make_candidate()
    page = memory_page(scope_of((experiment, make_rounds(experiment))))
    picture = pictures_of(page)["memory"]
    parts = {mark.series: float(mark.x) * GIB for mark in picture.marks}
    assert list(parts) == ["weights", "KV cache", "compute"]
    table = table_of(page)
    headers = [column.header for column in table.columns]
    values = dict(zip(headers[1:], figures_of(table), strict=True))
    for name, n_bytes in parts.items():
        assert n_bytes == pytest.approx(values[name].value)
    assert sum(parts.values()) == pytest.approx(values["needed"].value)


@pytest.mark.parametrize(
    ("facts", "limit", "word"),
    [({}, 24_000 << 20, "Memory of this machine"),
     ({"memory_limit_bytes": 2 * GIB}, 2 * GIB, "Limit of this container")],
)  # fmt: skip
def test_what_the_machine_has_is_a_rule(facts: dict[str, int], limit: int, word: str) -> None:
    experiment = make_candidate(machine=make_machine(**facts))
    page = memory_page(scope_of((experiment, make_rounds(experiment))))
    (rule,) = pictures_of(page)["memory"].rules
    assert rule.value == limit / GIB
    assert rule.label.startswith(word)


def test_without_a_figure_there_is_no_part() -> None:
    run = make_failed_run(weights=(), contexts=(), load=None)
    run = run.model_copy(update={"bandwidth_before": None, "bandwidth_after": None})
    assert memory_page(scope_of((make_experiment(), [run]))) == ()
