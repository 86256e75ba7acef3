"""Speed over the depth of the context, as sentence, curves and tables."""

from __future__ import annotations

from make.gate import make_candidate, make_rounds
from make.records import make_experiment, make_failed_run, make_run, run_of
from make.scopes import pictures_of, scope_of
from make.trials import disturbed_counters, make_trial

from harness.report.depth_page import depth_page
from harness.report.page import Note, Page, Table
from harness.schema.experiment import StoredPrediction

WORKLOADS = ("pp512", "pp512@d4096", "tg128", "tg128@d4096", "tg128@d16384", "chat")


def tables_of(page: Page) -> dict[str, Table]:
    return {part.title: part for part in page if isinstance(part, Table)}


def test_depth_is_pictured_where_two_depths_were_measured() -> None:
    experiment = make_candidate(workloads=WORKLOADS)
    page = depth_page(scope_of((experiment, make_rounds(experiment))))
    assert {name: [m.x for m in it.marks] for name, it in pictures_of(page).items()} == {
        "depth-decode": [0, 4096, 16384],
        "depth-prefill": [0, 4096],
    }
    tables = tables_of(page)
    assert [row[0] for row in tables["Decoding by depth, tg128"].rows] == ["0", "4096", "16384"]
    assert [row[0] for row in tables["Prefill by depth, pp512"].rows] == ["0", "4096"]
    flat = make_candidate()
    assert depth_page(scope_of((flat, make_rounds(flat)))) == ()


def test_what_was_predicted_stands_beside_it() -> None:
    told = StoredPrediction(
        model=make_candidate().plan.models[0].key,
        workload="tg128@d4096",
        component="tok_per_s",
        value=90.0,
        low=70.0,
        high=110.0,
        method="machine-class",
    )
    experiment = make_candidate(workloads=("tg128", "tg128@d4096"))
    experiment = experiment.model_copy(update={"predictions": (told,)})
    page = depth_page(scope_of((experiment, make_rounds(experiment))))
    (table,) = tables_of(page).values()
    assert [column.header for column in table.columns] == [
        *("depth", "tok/s", "predicted", "context", "decode is", "n")
    ]
    assert [getattr(row[2], "value", None) for row in table.rows] == [None, 90.0]
    (picture,) = (it for it in pictures_of(page).values() if it.marks)
    (mark,) = (it for it in picture.marks if it.evidence == "predicted")
    assert (mark.x, mark.y, mark.low, mark.high) == (4096, 90.0, 70.0, 110.0)


def test_a_depth_that_failed_is_a_row_with_its_reason() -> None:
    names = ("tg128", "tg128@d65536")
    runs = [make_run(0, names[:1]), make_failed_run(1, workloads=names)]
    page = depth_page(scope_of((make_experiment(workloads=names), runs)))
    (table,) = tables_of(page).values()
    assert [row[:2][-1] for row in table.rows][1] == "failed"
    assert any("tg128@d65536 failed: " in line for line in table.legend)


def test_by_disturbed_trials_nothing_is_judged() -> None:
    names = ("tg128", "tg128@d4096")
    trials = [make_trial(it, 60.0, counters=disturbed_counters()) for it in names]
    experiment = make_experiment(workloads=names)
    page = depth_page(scope_of((experiment, [run_of(*trials)])))
    (table,) = tables_of(page).values()
    assert [(row[0], row[3]) for row in table.rows] == [("0 ?", ""), ("4096 ?", "")]
    assert not any(isinstance(part, Note) for part in page)


def test_the_sentence_says_how_far_it_is_enough() -> None:
    rates = {"tg128": 60.0, "tg128@d4096": 15.0}
    experiment = make_experiment(workloads=tuple(rates))
    runs = [make_run(index, tuple(rates), rates) for index in range(6)]
    page = depth_page(scope_of((experiment, runs)))
    text = " ".join(line for part in page if isinstance(part, Note) for line in part.lines)
    assert "tg128: comfortable up to a depth of about 2700" in text
    assert "usable up to a depth of 4096, the deepest" in text
