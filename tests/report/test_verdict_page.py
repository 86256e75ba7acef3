"""The board of verdicts, and the sentence above it."""

from __future__ import annotations

from make.gate import make_candidate, make_rounds
from make.records import make_failed_run, make_machine, make_model, make_run
from make.scopes import pictures_of, scope_of

from harness.analysis.measured import measured_of
from harness.report.page import Judged, Table
from harness.report.scope import Scope, scopes
from harness.report.verdict_page import conclusion, verdict_page
from harness.schema.experiment import Run


def models(*rates: float) -> Scope:
    """A machine with a model for each rate of decoding."""
    named = tuple(make_model(key=f"m{i}:Q4_0", sha256=f"{i:02}" * 32) for i in range(len(rates)))
    experiment = make_candidate(models=named, workloads=("pp1024", "tg128@d4096"))
    runs: list[Run] = []
    for number in range(6):
        for model, rate in zip(named, rates, strict=True):
            of_both = {"tg128@d4096": rate, "pp1024": 1000.0}
            made = make_run(
                len(runs), experiment.plan.workloads, of_both, model=model.key, round=number
            )
            runs.append(made)
    return scope_of((experiment, runs))


def test_every_configuration_stands_in_the_column_of_its_level() -> None:
    page = verdict_page([models(30.0, 10.0, 3.0)])
    board = pictures_of(page)["verdicts"]
    columns = {mark.y: (mark.x, mark.series) for mark in board.marks}
    assert columns == {
        "m0:Q4_0": ("comfortable", "comfortable"),
        "m1:Q4_0": ("usable", "usable"),
        "m2:Q4_0": ("slow", "slow"),
    }
    (table,) = (part for part in page if isinstance(part, Table))
    judged = [cell for row in table.rows for cell in row if isinstance(cell, Judged)]
    assert [it.word for it in judged] == ["comfortable", "usable", "slow"]
    assert [it.status for it in judged] == ["pass", "pass", "failure"]


def test_a_few_have_a_clause_each_and_many_are_counted() -> None:
    (few,) = conclusion([models(30.0, 3.0)])
    assert few.startswith("On AMD EPYC, 2 cores, 23.4 GiB: m0:Q4_0 is comfortable (decode ")
    assert "; m1:Q4_0 is slow (decode 2.9" in few
    (many,) = conclusion([models(30.0, 31.0, 10.0, 3.0, 32.0, 33.0)])
    assert "of 6 configurations: 4 comfortable (m0:Q4_0, m1:Q4_0, m4:Q4_0 and 1 more)" in many
    assert "1 usable (m2:Q4_0), 1 slow (m3:Q4_0)." in many
    assert "m5:Q4_0 writes fastest: 32.7 tok/s (tg128@d4096)" in many


def test_what_does_not_run_and_what_nobody_knows_is_said() -> None:
    dead = make_candidate("dead01")
    (said,) = conclusion([scope_of((dead, [make_failed_run()]))])
    assert "does not run (The system killed the worker" in said
    prompt = make_candidate("pp", workloads=("pp512",))
    (said,) = conclusion([scope_of((prompt, make_rounds(prompt)))])
    assert "has no verdict, decoding was not measured" in said


def test_of_several_machines_there_is_a_column_each() -> None:
    other = make_machine(id="feed", cpu="Apple M9")
    both = [make_candidate("one"), make_candidate("two", machine=other)]
    groups = [it for each in both for it in measured_of(each, make_rounds(each))]
    found = scopes(groups)
    page = verdict_page(found)
    assert {mark.x for mark in pictures_of(page)["verdicts"].marks} == {it.name for it in found}
    table = next(part for part in page if isinstance(part, Table))
    assert [column.header for column in table.columns[1:]] == [it.name for it in found]
    assert len(conclusion(found)) == 2
