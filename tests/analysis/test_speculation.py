"""What guessing gains, and what acceptance and batches make of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from make.guesses import BATCHES, GUESSING, PLAIN, made_guesses
from make.records import make_experiment, make_run, make_served
from make.trials import make_trial

from harness.analysis.comparison import compare
from harness.analysis.measured import measured_of
from harness.analysis.speculation import (
    GuessedTask,
    batch_workloads,
    cost_of,
    guessed_workloads,
    guessings,
    n_alike,
)
from harness.analysis.verdict import Verdict
from harness.analysis.verdict_measured import NoVerdict, judge
from harness.schema.experiment import Run
from harness.schema.request import Request, ServerTimes


def guessed(*texts: list[int], **changes: object) -> GuessedTask:
    experiment, runs = made_guesses(texts, **changes)  # type: ignore[arg-type]
    (found,) = guessings(measured_of(experiment, runs))
    (task,) = found.tasks
    return task


@given(st.floats(1.0, 8.0), st.lists(st.integers(0, 3), min_size=1, max_size=5))
def test_the_gain_is_what_acceptance_and_batches_make_of_it(
    of_four: float, accepted: list[int]
) -> None:
    task = guessed(accepted, cost=lambda n: 1 + (of_four - 1) * (n - 1) / 3)
    n_single = 24 - sum(accepted) - len(accepted)
    expected = 24 / (len(accepted) * of_four + n_single)
    assert task.speed_up is not None
    assert task.predicted is not None
    # Drift is common to a round, and falls out.
    assert task.speed_up.ratio == pytest.approx(expected, rel=0.02)
    assert task.predicted.ratio == pytest.approx(expected, rel=0.02)
    assert task.speed_up.n == task.predicted.n == 6


def test_what_steps_really_cost_may_lie_outside_of_what_is_predicted() -> None:
    def cheap(n: int) -> float:
        return 1 + 0.1 * (n - 1)

    assert guessed([3, 3], [2], cost=cheap).is_as_predicted is True
    assert guessed([3, 3], [2], cost=cheap, n_rounds=1).is_as_predicted is None
    dear = guessed([3, 3], [2], cost=cheap, real_cost=lambda n: 1 + 1.5 * (n - 1))
    assert dear.is_as_predicted is False
    assert dear.speed_up is not None
    assert dear.of_predicted is not None
    assert dear.of_predicted.ratio < 1
    assert dear.speed_up.verdict == "worse"


def test_texts_have_a_spread_of_their_own() -> None:
    task = guessed([3, 3, 3], [0], [1], [2], cost=lambda n: 1 + 0.5 * (n > 1))
    assert task.of_texts is not None
    assert task.of_texts.n == 4
    assert task.of_texts.confidence == 0.95
    assert task.speed_up is not None
    assert task.of_texts.low < task.speed_up.ratio < task.of_texts.high
    # Rounds agree with each other far better than texts do.
    assert task.of_texts.high / task.of_texts.low > task.speed_up.high / task.speed_up.low
    # The prompt takes as long as ever.
    assert task.whole is not None
    assert 1 < task.whole.ratio < task.speed_up.ratio
    assert task.n_alike == (5, 6, 7, 8)


def test_without_batches_nothing_is_predicted() -> None:
    task = guessed([3], cost=lambda n: 1.0, batches=())
    assert task.predicted is None
    assert task.is_as_predicted is None
    assert guessed([3], cost=lambda n: 1.0, batches=BATCHES[:1]).predicted is None


def test_what_guesses_stands_beside_its_like_alone() -> None:
    experiment, runs = made_guesses([[1]], lambda n: 1.0)
    groups = measured_of(experiment, runs)
    assert [guessed_workloads(group) for group in groups] == [{"rewrite"}, {"rewrite"}]
    assert guessings(groups[1:]) == ()
    alone = experiment.model_copy(
        update={"plan": experiment.plan.model_copy(update={"settings": (PLAIN,)})}
    )
    (group,) = measured_of(alone, runs)
    assert guessed_workloads(group) == set()
    threads = GUESSING.model_copy(update={"n_threads": 1})
    other = experiment.plan.model_copy(update={"settings": (PLAIN, threads)})
    assert guessings(measured_of(experiment.model_copy(update={"plan": other}), runs)) == ()


def test_batches_between_two_that_were_measured_cost_what_lies_between() -> None:
    costs = {1: 1.0, 4: 4.0, 8: 5.0}
    assert cost_of(4, costs) == 4.0
    assert cost_of(2, costs) == pytest.approx(2.0)
    assert cost_of(6, costs) == pytest.approx(4.5)
    assert cost_of(9, costs) is None
    assert cost_of(2, {1: 1.0}) is None
    assert batch_workloads([3, 7, 3]) == ("verify1@d256", "verify4@d256", "verify8@d256")


@given(st.lists(st.integers(0, 2)), st.lists(st.integers(0, 2)))
def test_two_texts_are_alike_up_to_where_they_part(a: list[int], b: list[int]) -> None:
    n = n_alike(a, b)
    assert a[:n] == b[:n]
    assert n == min(len(a), len(b)) or a[n] != b[n]


def test_servers_are_set_side_by_side_by_what_one_of_them_says_of_its_guesses() -> None:
    silent, guessing = (make_served(key=f"m@{name}") for name in "ab")
    settings = silent.served.settings
    runs: list[Run] = []
    for at in range(4):
        for model, told in ((silent, None), (guessing, 12)):
            server = ServerTimes(n_draft=told, n_draft_accepted=told and 8, prompt_ns=1)
            one = Request(ttft_ns=5, gap_ns=(10_000_000,) * 24, n_tokens=25, server=server)
            trial = make_trial("story", requests=(one,), n_tokens=25, total_ns=240_000_000)
            runs.append(make_run(len(runs), ("story",), trials=[trial], round=at,
                                 model=model.key, settings=settings))  # fmt: skip
    made = make_experiment(("story",), models=(silent, guessing), settings=(settings,))
    found = {it.metric: it for it in compare(*measured_of(made, runs)) if it.workload}
    assert found["decode_tok_per_s"].comparison is not None
    assert found["decode_tok_per_s"].comparison.verdict == "same"
    for metric, value in (("accepted_ratio", 8 / 12), ("tokens_per_step", 24 / 16)):
        figure = found[metric]
        assert figure.a is None
        assert figure.b is not None
        assert figure.b.value == pytest.approx(value)
        assert figure.note == "A has no such figure"


def test_there_is_no_verdict_on_what_depends_on_the_text() -> None:
    plain, guessing = measured_of(*made_guesses([[3, 3]], lambda n: 1.0))
    assert isinstance(judge(plain), Verdict)
    found = judge(guessing)
    assert isinstance(found, NoVerdict)
    assert "depends on the text" in found.reason
