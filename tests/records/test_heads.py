from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.records.heads import Head, heads_of

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda below: st.lists(below) | st.dictionaries(st.text() | st.sampled_from(["key"]), below),
    max_leaves=8,
)
PARTS = ("machine", "provenance", "plan", "models", "settings", "engine", "devices", "n_threads")


def test_a_head_tells_what_the_record_begins_with(tmp_path: Path) -> None:
    path = tmp_path / "one.jsonl"
    record = {
        "id": "3f9a",
        "machine": {"id": "17887f"},
        "provenance": {
            "engine": {"library_commit": "c1b9", "devices": [{"name": "CPU", "description": "x"}]}
        },
        "plan": {
            "models": [{"key": "a:Q8_0"}, {"key": "b:Q8_0"}],
            "settings": [{"n_threads": 2, "repack": True}, {"n_threads": 4, "repack": False}],
        },
    }
    path.write_text(json.dumps(record) + "\nmore\n", "utf-8")

    [head] = heads_of([path])
    assert head.models == ["a:Q8_0", "b:Q8_0"]
    assert head.devices == {"CPU": "x"}
    assert head.values("n_threads") == ["2", "4"]
    assert head.values("repack") == ["on", "off"]
    assert [head.values(fact) for fact in ("experiment", "machine", "build")] == [
        ["3f9a"],
        ["17887f"],
        ["c1b9"],
    ]


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "[[[[", '{"id": 1e999}', "\xff"])
def test_what_is_no_experiment_is_passed_over(tmp_path: Path, text: str) -> None:
    (tmp_path / "x").write_bytes(text.encode("latin-1"))

    assert [*heads_of([tmp_path / "x", tmp_path, tmp_path / "missing"])] == []


@settings(max_examples=30)
@given(st.dictionaries(st.sampled_from(PARTS), st.dictionaries(st.sampled_from(PARTS), JSON)))
def test_a_head_of_any_form_can_be_asked(record: dict[str, Any]) -> None:
    head = Head(record)

    fields = ("model", "machine", "build", "experiment", "n_threads")
    values = [*head.models, *head.devices, *(it for each in fields for it in head.values(each))]
    assert all(isinstance(value, str) for value in values)
