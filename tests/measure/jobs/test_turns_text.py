from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.measure.jobs.turns_text import message_text, short_of, system_text, texts_of
from harness.schema.workload_turns import Turns

_LENGTHS = st.integers(1, 6000)
_TURNS = st.integers(0, 99)


@given(st.integers(0, 99), _TURNS, _LENGTHS, _LENGTHS)
def test_a_longer_text_begins_with_the_shorter_one_and_is_always_the_same(
    user: int, turn: int, a: int, b: int
) -> None:
    short, long = (message_text(user, turn, n) for n in sorted((a, b)))
    assert len(short) >= min(a, b)
    assert long.startswith(short)
    assert message_text(user, turn, a) in (short, long)


@given(_LENGTHS)
def test_the_system_prompt_is_one_text(n_characters: int) -> None:
    text = system_text(n_characters)
    assert len(text) >= n_characters
    assert system_text(12_000).startswith(text) or text.startswith(system_text(12_000))


def test_its_tools_are_schemas_within_three_thousand_tokens() -> None:
    lines = system_text(20_000).splitlines()
    tools = [json.loads(line) for line in lines if line.startswith("{")]
    assert len(tools) == 15
    for tool in tools:
        assert tool["parameters"]["required"][0] in tool["parameters"]["properties"]
    # Four characters a token: the last tool ends before the text is cut.
    assert system_text(20_000).rindex('"ask_user"') < 12_000


@pytest.mark.parametrize("user", [0, 3])
def test_no_two_texts_are_alike_and_no_gap_is_left_open(user: int) -> None:
    texts = [message_text(user, turn, 3200) for turn in range(28)]
    texts.append(message_text(user, 0, 3200, is_edited=True))
    texts.append(message_text(user + 1, 0, 3200))
    seen: set[str] = set()
    for text in texts:
        blocks = {text[start : start + 400] for start in range(0, len(text) - 400)}
        assert not blocks & seen
        seen |= blocks
        assert "{noun" not in text
        assert "{n}" not in text
        assert "\\n" not in text


def test_texts_are_cut_by_whoever_counts_and_told_of_which_kind_they_are() -> None:
    asked: list[tuple[int, int]] = []

    def cut(write: object, n_tokens: int, kind: int) -> str:
        assert callable(write)
        asked.append((n_tokens, kind))
        return str(write(n_tokens))[:n_tokens]

    task = Turns(9, 700, 80, 5)
    texts = texts_of(task.among(2), cut)  # type: ignore[arg-type]  # of two, as is said below
    assert len(texts.inputs) == 2
    assert len(texts.inputs[0]) == 9
    assert texts.inputs[0] != texts.inputs[1]
    assert texts.edited not in texts.inputs[0]
    kinds = {kind for n_tokens, kind in asked if n_tokens == 80}
    assert len(kinds) == 7
    assert {kind for n_tokens, kind in asked if n_tokens == 700}.isdisjoint(kinds)
    short, few = short_of(task, texts)
    assert (short.n_turns, short.n_output) == (1, 5)
    assert len(few.system) <= 200
