from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.commands.exchange import elements as module
from harness.commands.exchange.elements import elements, lines, loaded

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**18), 10**18) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=12,
)


@given(st.lists(values, max_size=30), st.sampled_from([None, 1, "\t"]), st.integers(200, 400))
def test_an_array_is_read_as_json_reads_it_however_small_the_window(
    array: list[Any], indent: int | str | None, most: int
) -> None:
    text = json.dumps(array, indent=indent)
    longest = max((len(json.dumps(each, indent=indent)) * 3 for each in array), default=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MOST_RECORD_CHARACTERS", max(most, longest))
        patch.setattr(module, "_STEP_CHARACTERS", 50)
        assert list(elements(f" {text}\n")) == loaded(text) == array


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[\n{},\n", "line 3: Expecting value"),
        ("[\n{},\n]", "line 3: Expecting value"),
        ("[\n{}\n", "line 3: Expecting ',' delimiter"),
        ("[\n{} {}]", "line 2: Expecting ',' delimiter"),
        ("[\n{}]\n]", "line 3: Extra data"),
        ("[] x", "line 1: Extra data"),
        ("[", "line 1: Expecting value"),
        ('[\n{},\n{"a": tru', "line 3: Expecting value"),
    ],
)
def test_what_is_no_array_is_refused_with_the_line(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=f"^it is not JSON at {reason}$"):
        list(elements(text))


def test_an_element_is_no_longer_than_a_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_RECORD_CHARACTERS", 1000)
    monkeypatch.setattr(module, "_STEP_CHARACTERS", 250)
    most = "[" + "1," * 499 + "1]"
    for n_before in range(0, 600, 7):
        text = "[" + "1," * n_before
        assert len(list(elements(text + most[:999].rstrip(",") + "]]"))) == n_before + 1
        for n_beyond in (1, 200, 5000):
            with pytest.raises(ValueError, match="a record has more than 1,000 characters"):
                list(elements(f"{text}[{'1,' * (500 + n_beyond)}1]]"))


def test_lines_keep_their_ends() -> None:
    assert list(lines("a\r\n\nb")) == ["a\r\n", "\n", "b"]
