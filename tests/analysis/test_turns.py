"""What conversations come to: figures of a Run, and turn by turn over Runs."""

from __future__ import annotations

import pytest
from make.records import make_experiment, make_model, run_of
from make.trials import PREFILL_PER_S, disturbed_counters, make_trial, make_turns

from harness.analysis.conversations import conversations
from harness.analysis.findings import findings
from harness.analysis.formulas import trial_values
from harness.analysis.measured import Measured, measured_of
from harness.schema.experiment import Trial
from harness.schema.request import Request, RequestFailure
from harness.schema.workload_turns import Turns

NAME = "turns4:1000+200+50"
TASK = Turns(4, 1000, 200, 50)
FULL = Request(
    turn=2,
    user=0,
    history="kept",
    n_prompt=1700,
    failure=RequestFailure(reason="context-full", message="turn 3 needs 1750 positions"),
)


def group_of(*runs: Trial, name: str = NAME) -> Measured:
    made = [run_of(trial, index=i, round=i) for i, trial in enumerate(runs)]
    (group,) = measured_of(make_experiment((name,), models=(make_model(),)), made)
    return group


def with_requests(*requests: Request) -> Trial:
    return make_trial(NAME, requests=requests, session=None)


def changed(trial: Trial, *turns: int, **changes: object) -> Trial:
    requests = (
        it.model_copy(update=changes) if it.turn in turns and it.history == "kept" else it
        for it in trial.requests
    )
    return trial.model_copy(update={"requests": tuple(requests)})


def told(group: Measured) -> str:
    return " ".join(it.text for it in findings([group]))


def test_each_figure_is_what_it_says() -> None:
    values = trial_values(make_trial(NAME, rate=50.0))
    ns = 1e9 / PREFILL_PER_S
    assert values["ttft"] == 1200 * ns
    # Later turns read their input alone, as all before it is in the cache.
    assert values["ttft_kept"] == 200 * ns
    n_last = 1000 + 3 * 250 + 200
    assert values["ttft_dropped"] == n_last * ns
    assert values["ttft_edited"] == (n_last - 1000) * ns
    assert values["kept_saves"] == pytest.approx(1 - 200 / n_last)
    assert values["decode_tok_per_s"] == pytest.approx(50)
    assert values["prefill_tok_per_s"] == pytest.approx(PREFILL_PER_S)
    assert values["itl_p50"] == 1e9 / 50
    # Turns 2 to 4, of which the middle one has 1,500 of 1,700 tokens in the cache.
    assert values["cached_ratio"] == pytest.approx(1500 / 1700)
    assert values["session_bytes"] == 20_000_000
    assert "full_turn" not in values
    assert "joules_per_token" not in values


def test_of_a_single_turn_there_is_no_later_one() -> None:
    values = trial_values(make_trial("turns1:1000+200+50"))
    assert "ttft_kept" not in values
    assert values["ttft"] == values["ttft_dropped"]


def test_several_users_are_judged_by_what_they_get_together() -> None:
    values = trial_values(make_trial("turns4x3:1000+200+50", rate=50.0))
    assert values["tok_per_s_per_user"] == pytest.approx(50)
    total_s = sum([0.2, *[0.2] * 3]) + 4 * 49 / 50
    assert values["tok_per_s"] == pytest.approx(4 * 3 * 50 / total_s, rel=0.01)
    assert values["ttft"] == 200 * 1e6  # two of three users find the system prompt
    assert not {"ttft_dropped", "kept_saves", "decode_tok_per_s"} & {*values}


def test_a_full_context_ends_it_and_what_came_before_counts() -> None:
    trial = with_requests(*make_turns(Turns(2, 1000, 200, 50))["requests"][:2], FULL)
    group = group_of(trial)
    values = trial_values(trial)
    assert values["full_turn"] == 3
    assert values["ttft_kept"] == 200 * 1e6
    assert "kept_saves" not in values
    (found,) = conversations(group)
    assert found.full == "turn 3 needs 1750 positions"
    assert [turn.number for turn in found.kept] == [1, 2]
    assert "ended early, as the context was full: turn 3 needs 1750 positions" in told(group)


def test_turn_by_turn_over_runs() -> None:
    group = group_of(*(make_trial(NAME, rate) for rate in (40.0, 50.0, 60.0)))
    (found,) = conversations(group)
    assert [turn.number for turn in found.turns] == [1, 2, 3, 4, 4, 4]
    assert [turn.history for turn in found.turns[3:]] == ["kept", "edited", "dropped"]
    assert [turn.n_cached for turn in found.turns] == [0, 1250, 1500, 1750, 1000, 0]
    last = found.kept[-1]
    assert last.tok_per_s is not None
    assert last.tok_per_s.value == pytest.approx(50)
    assert (last.ttft.n, last.ttft.kind) == (3, "range")
    assert not found.is_disturbed
    assert "cache use" not in told(group)
    assert NAME not in told(group)


def test_a_server_that_does_not_tell_leaves_it_unknown() -> None:
    group = group_of(changed(make_trial(NAME), 1, 2, 3, n_cached=None))
    (found,) = conversations(group)
    assert [turn.n_cached for turn in found.kept] == [0, None, None, None]
    assert "cached_ratio" not in found.case.metrics
    assert "cache use unknown" in told(group)


def test_a_cache_that_is_lost_at_one_turn_is_marked_there() -> None:
    group = group_of(changed(make_trial(NAME), 2, n_cached=10), make_trial(NAME))
    (found,) = conversations(group)
    assert [turn.is_evicted for turn in found.kept] == [False, False, True, False]
    assert "in 1 of 6 later turns more than half" in told(group)


def test_a_server_that_forgets_all_is_told_once() -> None:
    group = group_of(changed(make_trial(NAME), 1, 2, 3, n_cached=0))
    assert "nothing was kept from turn to turn" in told(group)
    assert "later turns more than half" not in told(group)


def test_without_a_clean_trial_all_of_them_are_shown_as_that() -> None:
    trial = make_trial(NAME, counters=disturbed_counters())
    (found,) = conversations(group_of(trial))
    assert found.is_disturbed
    assert len(found.turns) == 6


def test_what_was_not_answered_at_all_is_no_conversation() -> None:
    assert not [*conversations(group_of(make_trial("tg8"), name="tg8"))]


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("absent", "as ChatML: it has no chat template"),
        ("unknown", "as ChatML: the engine does not know its chat template"),
    ],
)
def test_of_a_model_without_a_template_it_says_which_was_taken(template: str, words: str) -> None:
    assert words in told(group_of(make_trial(NAME, chat_template=template)))
    assert "ChatML" not in told(group_of(make_trial("chat", chat_template=template), name="chat"))
