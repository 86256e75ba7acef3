from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from make.records import make_experiment, make_run
from pydantic import ValidationError

from harness.schema.workload import (
    FORMS,
    KINDS,
    SUSTAIN_SECONDS,
    Decode,
    ParallelDecode,
    ParallelPrefill,
    Prefill,
    Sustain,
    Verify,
    parse_workload,
    split_workloads,
)
from harness.schema.workload_kind import Workload
from harness.schema.workload_requests import (
    CHAT_CONTEXT,
    CHAT_PROMPT_TOKENS,
    CHAT_TOKENS,
    Chat,
    Exchange,
    UserLoad,
)
from harness.schema.workload_tasks import TASK_PROMPTS, TextTask
from harness.schema.workload_turns import Turns, TurnsTogether

_COUNTED = st.integers(1, 999_999), st.integers(0, 999_999)
_PARALLEL = (*_COUNTED, st.integers(2, 9_999))
_TURNS = (st.integers(1, 100), *[st.integers(1, 9_999)] * 3)
WORKLOADS: st.SearchStrategy[Workload] = st.one_of(
    st.builds(Prefill, *_COUNTED),
    st.builds(Decode, *_COUNTED),
    st.builds(ParallelPrefill, *_PARALLEL),
    st.builds(ParallelDecode, *_PARALLEL),
    st.builds(Verify, *_COUNTED),
    st.builds(Sustain, st.integers(1, 9_999)),
    st.builds(Exchange, st.integers(1, 9_999), st.integers(1, 9_999)),
    st.builds(UserLoad, st.just(Chat()), st.integers(2, 1_999)),
    st.builds(
        UserLoad,
        st.builds(Exchange, st.just(8), st.just(9)),
        per_s=st.integers(1, 9_999_999).map(lambda n: n / 1000),
    ),
    st.just(Chat()),
    st.sampled_from(tuple(TASK_PROMPTS)).map(TextTask),
    st.builds(Turns, *_TURNS),
    st.builds(TurnsTogether, *_TURNS, st.integers(2, 9_999)),
)
N_CTX_TRAIN = st.none() | st.integers(0, 1 << 20)


@given(WORKLOADS)
def test_a_name_reads_back_as_the_workload_it_names(workload: Workload) -> None:
    assert parse_workload(workload.name) == workload


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pp512", Prefill(512)),
        ("TG128", Decode(128)),
        (" tg128 @ d4096 ", Decode(128, 4096)),
        ("pp512x4", ParallelPrefill(512, n_sequences=4)),
        ("tg128x4@d4096", ParallelDecode(128, 4096, 4)),
        (" TG128 X 16 @ d8 ", ParallelDecode(128, 8, 16)),
        ("tg128x1", Decode(128)),
        ("pp512x1@d9", Prefill(512, 9)),
        ("verify8", Verify(8)),
        (" Verify16 @ d256", Verify(16, 256)),
        ("sustain", Sustain(SUSTAIN_SECONDS)),
        ("sustain5", Sustain(5)),
        ("chat", Chat()),
        (" pp512 + tg128", Exchange(512, 128)),
        ("chat x4", UserLoad(Chat(), n_users=4)),
        ("pp512+tg128x16", UserLoad(Exchange(512, 128), n_users=16)),
        ("chat@r0.50", UserLoad(Chat(), per_s=0.5)),
        ("pp8+tg8@r12", UserLoad(Exchange(8, 8), per_s=12)),
        (" Rewrite", TextTask("rewrite")),
        ("turns8", Turns(8)),
        ("Turns 8".replace(" ", ""), Turns(8, 3000, 800, 150)),
        ("turns100:3000+800+150", Turns(100)),
        ("turns8 : 1000 + 200+50", Turns(8, 1000, 200, 50)),
        ("turns8x4", TurnsTogether(8, n_sequences=4)),
        ("turns8 x 16:10+20+3", TurnsTogether(8, 10, 20, 3, n_sequences=16)),
        ("turns8x1", Turns(8)),
    ],
)
def test_workloads_are_written_as_llama_bench_prints_them(text: str, expected: Workload) -> None:
    assert parse_workload(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "pp", "pp0", "tg-1", "tg128@4096", "chat@d5", "sustain0", "pg512", "tg128@d0"),
        *(
            "tg128x",
            "tg128x0",
            "tg128x04",
            "tg128@d4096x4",
            "tgx4",
            "x4",
            "sustain60x4",
            "chatx0",
            "chat@r",
            "pp512+tg128@d9",
            "pp512+",
            "tasks",
            "storyx4",
            "rewrite@d9",
            "turns",
            "turns-1",
            "turns8:",
            "turns8:100+20",
            "turns8:0+1+1",
            "turns8:10+20+3x4",
            "turns8@d5",
        ),
    ],
)
def test_what_is_no_workload_says_how_they_are_written(text: str) -> None:
    with pytest.raises(
        ValueError,
        match=r"write pp512, tg128, tg128@d4096, pp512x4, tg128x4, chat, pp512[+]tg128, chatx4, "
        r"chat@r0.5, turns8, turns8x4, rewrite, extract, summary, question, story, verify8 or "
        r"sustain60",
    ):
        parse_workload(text)
    assert FORMS == (
        "ppN[xM][@dDEPTH], tgN[xM][@dDEPTH], chat, ppN+tgM, chatxM, chat@rPER_S, "
        "turnsN[xM][:SYSTEM+INPUT+OUTPUT], rewrite|extract|summary|question|story, "
        "verifyN,M[@dDEPTH], sustainSECONDS"
    )


@given(WORKLOADS)
def test_a_workload_never_needs_more_than_it_is_given(workload: Workload) -> None:
    assert 0 < workload.n_ctx_min <= workload.n_ctx
    n_each = workload.n_ctx // (1 if workload.shares_context else workload.n_sequences)
    assert workload.n_prompt + workload.n_generated <= n_each - workload.depth
    assert workload.depth < workload.mean_positions <= n_each


@given(WORKLOADS)
def test_the_same_of_one_sequence_does_as_much_for_it(workload: Workload) -> None:
    alone = workload.alone
    assert alone.n_sequences == 1
    # Of conversations the rate of one is that of their answers alone.
    rates = () if workload.shares_context else ("rate_metric",)
    for name in ("n_prompt", "n_generated", "depth", "mean_positions", *rates):
        assert getattr(alone, name) == getattr(workload, name)
    assert (alone == workload) == (workload.n_sequences == 1)


@pytest.mark.parametrize("text", ["turns0", "turns101", "turns10000", "turns0x4", "TURNS999999999"])
def test_a_conversation_has_few_turns(text: str) -> None:
    with pytest.raises(ValueError, match=rf"{text.lower()}: a conversation has 1 to 100 turns"):
        parse_workload(text)


def test_a_conversation_can_do_with_its_first_turn_and_shares_its_beginning() -> None:
    turns = Turns(8, 1000, 200, 50)
    assert turns.n_ctx_min == 1000 + 96 + 282
    assert turns.context_length(2048) == 2048
    assert turns.n_ctx == 3584  # 1000 + 96 + 8 * 282, padded
    together = turns.among(4)
    # Four times the turns, and once what they have in common.
    assert 1000 + 4 * 8 * 250 < together.n_ctx < 4 * turns.n_ctx
    assert turns.of_lengths(None, 100, None).name == "turns8:1000+100+50"
    assert Turns(8).mean_positions == 3000 + 4.5 * 800 + 4 * 150


def test_context_is_what_llama_bench_gives() -> None:
    assert parse_workload("pp512").n_ctx == 512
    assert parse_workload("tg128@d4096").n_ctx == 4224
    assert parse_workload("chat").n_ctx == CHAT_CONTEXT


def test_several_sequences_get_what_the_engine_makes_of_the_part_of_each() -> None:
    assert parse_workload("tg128x4").n_ctx == 4 * 256
    assert parse_workload("pp512x3").n_ctx == 3 * 512
    assert parse_workload("tg128x4@d4096").n_ctx == 4 * (4096 + 256)
    # Trained for 200 positions, each of them has room for 200.
    assert parse_workload("tg128x4").context_length(200) == 800


@given(WORKLOADS, N_CTX_TRAIN, st.integers(1, 1 << 20))
def test_the_context_is_what_was_asked_for_or_what_the_model_and_the_workload_allow(
    workload: Workload, trained: int | None, asked: int
) -> None:
    assert workload.context_length(trained, asked) == asked
    usual = workload.context_length(trained)
    assert workload.n_ctx_min <= usual <= workload.n_ctx
    if not trained:
        assert usual == workload.n_ctx
    elif usual != workload.n_ctx:
        assert usual == max(trained * workload.n_sequences, workload.n_ctx_min)


def test_a_chat_of_a_model_whose_training_nobody_knows_gets_its_whole_context() -> None:
    assert [Chat().context_length(trained) for trained in (None, 0, 512, 64)] == [
        CHAT_CONTEXT, CHAT_CONTEXT, 512, 4 * CHAT_TOKENS
    ]  # fmt: skip


def test_steps_read_what_is_cached_before_them() -> None:
    assert Decode(128, 4096).mean_positions == 4096 + 64.5
    assert Sustain(60).mean_positions == 256.5
    assert Chat().mean_positions == CHAT_PROMPT_TOKENS + CHAT_TOKENS / 2


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_says_how_it_is_written(kind: type[Workload]) -> None:
    assert [type(parse_workload(example)) for example in kind.examples] == [
        kind for _ in kind.examples
    ]


@pytest.mark.parametrize(
    ("record", "name"),
    [
        (make_experiment().plan, "workloads"),
        (make_run(), "workloads"),
        (make_run().trials[0], "workload"),
        (make_run().contexts[0], "workload"),
    ],
)
def test_no_record_holds_a_workload_that_nobody_knows(record: object, name: str) -> None:
    facts = record.model_dump(by_alias=True)  # type: ignore[attr-defined]  # each its own type
    value = ("xx9",) if name == "workloads" else "xx9"
    with pytest.raises(ValidationError, match="'xx9' is not a workload"):
        type(record).model_validate(facts | {name: value})  # type: ignore[attr-defined]  # as above


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pp512,tg128", ["pp512", "tg128"]),
        ("verify1,2, 4@d256", ["verify1@d256", "verify2@d256", "verify4@d256"]),
        ("tg8, verify1,16,pp4", ["tg8", "verify1", "verify16", "pp4"]),
        ("Verify1,2,chat", ["verify1", "verify2", "chat"]),
        ("verify8", ["verify8"]),
    ],
)
def test_one_word_names_several_sizes_of_batches(text: str, expected: list[str]) -> None:
    assert split_workloads(text) == expected


@given(st.lists(WORKLOADS.map(lambda it: it.name), min_size=1, max_size=5))
def test_a_list_of_names_is_split_into_them(names: list[str]) -> None:
    assert split_workloads(", ".join(names)) == names


@given(WORKLOADS, st.integers(0, 9_999))
def test_behind_a_depth_it_is_the_same_work(workload: Workload, depth: int) -> None:
    try:
        deeper = workload.behind(depth)
    except ValueError:
        return
    assert deeper.n_generated == workload.n_generated
    assert deeper.depth == depth or deeper.n_prompt == (depth or workload.n_prompt)
    assert deeper.rate_metric == workload.rate_metric


@given(st.integers(1, 600))
def test_a_trial_of_batches_is_about_as_much_to_compute_whatever_their_size(n: int) -> None:
    task = Verify(n)
    assert task.n_steps >= 8
    assert n * task.n_steps <= max(64, 8 * n)
