"""What guessing gained, as it is read."""

from __future__ import annotations

from make.guesses import made_guesses
from make.records import make_failed_run
from make.scopes import scope_of
from make.shown import PATH, read, shown, shown_of
from make.trials import disturbed_counters

from harness.report.document import document
from harness.report.measured_page import measured_result
from harness.report.page import Table
from harness.report.picture import Picture
from harness.report.speculation_page import guessing_page


def cheap(n: int) -> float:
    return 1 + 0.1 * (n - 1)


def dear(n: int) -> float:
    return 1 + 2.0 * (n > 1)


def words(*texts: list[int], **changes: object) -> str:
    return " ".join(shown_of(*made_guesses(texts, **changes)).split())  # type: ignore[arg-type]


def test_the_page_says_where_it_pays_and_where_not() -> None:
    pays = words([3, 3, 3], [2, 3], cost=cheap)
    assert "Guessing by n-grams, up to 3 tokens ahead pays in rewrite (1." in pays
    assert "times as fast)." in pays
    assert "not what acceptance" not in pays
    loses = words([1, 0], [0], cost=dear)
    assert "tokens ahead does not pay in rewrite (0." in loses
    assert "cannot be told to pay or not in rewrite" in words([1], cost=cheap, n_rounds=1)


def test_what_lies_outside_of_the_prediction_is_said() -> None:
    told = words([3, 3], [2], cost=cheap, real_cost=dear)
    assert "That is not what acceptance and batches predict of rewrite (0." in told


def test_both_tables_have_the_task_and_the_sweep_does_not_repeat_it() -> None:
    page = shown_of(*made_guesses([[3, 3], [1]], cheap))
    assert "Guessing by n-grams, up to 3 tokens ahead\n" in page
    assert "Whether that is as predicted: guessing by n-grams, up to 3 tokens ahead\n" in page
    rows = [line for line in page.splitlines() if line.startswith("rewrite ")]
    assert len(rows) == 3  # the second table is too wide for one piece
    assert "5–6" in page
    assert "What a batch costs beside one token, behind 256" in page


def test_without_batches_it_says_what_to_measure() -> None:
    assert "add verify1@d256,verify4@d256 to --workload" in words([3], cost=cheap, batches=())
    experiment, runs = made_guesses([[3]], cheap)
    spoilt = [
        run.model_copy(
            update={
                "trials": tuple(
                    it.model_copy(update={"counters": disturbed_counters()})
                    if it.workload.startswith("verify")
                    else it
                    for it in run.trials
                )
            }
        )
        for run in runs
    ]
    told = " ".join(shown_of(experiment, spoilt).split())
    assert "Nothing is predicted: no round has clean trials of batches and of answers." in told


def test_a_side_that_failed_is_a_row_with_its_reason() -> None:
    experiment, runs = made_guesses([[3]], cheap)
    failed = [
        make_failed_run(run.index, round=run.round, settings=run.settings, workloads=run.workloads)
        if run.index % 2
        else run
        for run in runs
    ]
    page = shown_of(experiment, failed)
    row = next(line.split() for line in page.splitlines() if line.startswith("rewrite "))
    assert "failed" in row
    (told,) = read(document(measured_result(experiment, failed, (), PATH)))["speculation"]
    (task,) = told["tasks"]
    assert task["speed_up"] is None
    assert task["note"].startswith("B failed: The system killed the worker")


def test_programs_read_the_same() -> None:
    result = measured_result(*made_guesses([[3, 3], [1]], cheap), (), PATH)
    (told,) = read(document(result))["speculation"]
    assert told["settings"]["draft"] == "ngram"
    (task,) = told["tasks"]
    assert task["workload"] == "rewrite"
    assert task["speed_up"]["ratio"]["value"] > 1
    assert task["speed_up"]["ratio"]["n"] == 6
    assert task["over_texts"]["ratio"]["n"] == 2
    assert task["same_tokens"] == [5, 6]
    assert task["accepted_ratio"]["value"] == 7 / 9
    assert task["as_predicted"] in (True, False)
    assert "accepted_ratio" in shown(result, "csv", is_full=True)


def test_the_picture_has_what_was_measured_and_what_was_to_be_expected() -> None:
    page = guessing_page(scope_of(made_guesses([[3, 3], [1]], cheap)))
    (picture,) = (part for part in page if isinstance(part, Picture))
    assert [(mark.y, mark.evidence) for mark in picture.marks] == [
        ("rewrite", "measured"), ("rewrite, predicted", "predicted"),
    ]  # fmt: skip
    assert len([part for part in page if isinstance(part, Table)]) == 2
    experiment, runs = made_guesses([[1]], cheap)
    assert guessing_page(scope_of((experiment, runs[:1]))) != ()
    plan = experiment.plan.model_copy(update={"settings": experiment.plan.settings[:1]})
    alone = experiment.model_copy(update={"plan": plan})
    assert guessing_page(scope_of((alone, runs))) == ()
