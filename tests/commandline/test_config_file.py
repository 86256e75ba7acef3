from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.commandline.config_file import lines_of_key, values_in, with_value, without

FILE = """\
# mine
results = "~/results"  # on the large disk
threads = 4

[run]  # what I measure
# three of them
workload = [
  "pp512",
  "tg128",  # and this
]
budget = "10m"

[ "fit" ]
ctx = 4096
"""
KEYS = st.sampled_from(["results", "threads", "run.workload", "run.budget", "fit.ctx", "gate.x"])
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def as_typed(values: dict[str, Any]) -> dict[str, list[str] | str]:
    """Numbers, which the file has bare, as text."""
    return {
        key: [str(each) for each in value] if isinstance(value, list) else str(value)
        for key, value in values.items()
    }


def test_a_key_is_found_on_its_lines() -> None:
    found = {key: lines_of_key(FILE, key) for key in values_in(FILE)}

    assert {key: (it.first, it.last) for key, it in found.items() if it} == {
        "results": (1, 1),
        "threads": (2, 2),
        "run.workload": (6, 9),
        "run.budget": (10, 10),
        "fit.ctx": (13, 13),
    }
    assert lines_of_key(FILE, "run.runs") is None


def test_a_changed_value_leaves_all_else_as_it_was() -> None:
    changed = with_value(FILE, "results", "here")

    assert changed == FILE.replace('"~/results"', '"here"')
    assert with_value(FILE, "threads", "8") == FILE.replace("threads = 4", "threads = 8")
    assert with_value(FILE, "run.workload", "chat").count("\n") == FILE.count("\n") - 3


def test_a_new_value_stands_with_its_like() -> None:
    above, _, table = with_value(FILE, "budget", "1m").partition("[run]")
    assert above.endswith('threads = 4\nbudget = "1m"\n\n')
    assert "budget" in table
    assert "[run]  # what I measure\nruns = 3\n" in with_value(FILE, "run.runs", "3")
    assert with_value(FILE, "gate.baseline", "main").endswith('\n\n[gate]\nbaseline = "main"\n')
    assert with_value("", "threads", "4") == "threads = 4\n"
    assert with_value("", "run.runs", "4") == "[run]\nruns = 4\n"
    assert with_value("a = 1", "threads", "4") == "a = 1\nthreads = 4\n"


@settings(max_examples=40)
@given(st.lists(st.tuples(KEYS, TEXTS | st.lists(TEXTS)), max_size=6), st.booleans())
def test_what_is_set_is_what_is_read_and_can_be_taken_back(
    changes: list[tuple[str, Any]], is_new: bool
) -> None:
    text = "" if is_new else FILE
    wanted = dict(values_in(text))
    for key, value in changes:
        text = with_value(text, key, value)
        wanted[key] = value
        assert as_typed(values_in(text)) == as_typed(wanted)
    for key in wanted:
        text = without(text, key)
    assert values_in(text) == {}


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("run = {workload = 'pp512', budget = '1m'}\n", "run.workload"),
        ("run.workload = 'pp512'\n", "run.budget"),
    ],
)
def test_what_only_a_person_can_change_is_left_alone(text: str, key: str) -> None:
    with pytest.raises(ValueError, match="only a person"):
        with_value(text, key, "7m")


@settings(max_examples=40)
@given(st.text())
def test_any_text_is_toml_or_is_not(text: str) -> None:
    try:
        values = values_in(text)
    except ValueError:
        return
    for key in values:
        lines_of_key(text, key)


@pytest.mark.parametrize("text", ["a = " + "[" * 9000, "a = " + "9" * 9000, "a." * 3000 + "b=1"])
def test_a_hostile_file_is_not_toml_or_one_value(text: str) -> None:
    with suppress(ValueError):
        assert len(values_in(text)) == 1
