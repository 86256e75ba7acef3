from __future__ import annotations

import io
import json
import os
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

pytest.importorskip("distributed", reason="the extra `fleet` is not installed")

from dask._task_spec import Task

from harness.fleet import plain_pickle
from harness.fleet.plain_pickle import NotPlain, plain

KNOWN = {("json", "loads"): json.loads}
DATA = some.recursive(
    some.none() | some.booleans() | some.integers() | some.text() | some.binary() | some.floats(),
    lambda inner: (
        some.lists(inner) | some.tuples(inner, inner) | some.dictionaries(some.text(), inner)
    ),
    max_leaves=20,
)
CALLABLES = (os.system, eval, exec, print, os.getpid, __import__, open, io.FileIO, pickle.loads)


class Calls:
    """What a pickle may be made of: a call of `function` when it is read."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self._call = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self._call


@given(DATA)
def test_data_is_read_as_it_was(value: Any) -> None:
    found = plain(pickle.dumps(value), KNOWN)
    assert pickle.dumps(found) == pickle.dumps(value)


@given(some.sampled_from(CALLABLES), some.integers(0, 5), some.booleans())
def test_no_function_of_this_process_is_called(function: Any, protocol: int, is_deep: bool) -> None:
    hostile: Any = Calls(function, "1")
    if is_deep:
        hostile = {"job": [("text", hostile)]}
    with pytest.raises(NotPlain):
        plain(pickle.dumps(hostile, protocol=protocol), KNOWN)


@given(some.text(max_size=30), some.text(max_size=30))
def test_no_name_is_looked_up_but_those_that_are_known(module: str, name: str) -> None:
    lines = f"c{module}\n{name}\n.".encode("utf-8", "replace")
    if (module, name) in KNOWN:
        return
    with pytest.raises((NotPlain, pickle.UnpicklingError, UnicodeDecodeError, EOFError)):
        plain(lines, KNOWN)


def test_a_known_name_reached_by_another_way_is_refused() -> None:
    with pytest.raises(NotPlain, match=r"json\.codecs\.builtins\.eval"):
        plain(b"\x80\x04\x8c\x04json\x8c\x14codecs.builtins.eval\x93.", KNOWN)


def test_a_task_that_names_a_function_is_one_that_fails_when_it_is_done() -> None:
    task = pickle.dumps(Task("key", os.getpid, 1))
    known = KNOWN | {("dask._task_spec", "Task"): Task, ("builtins", "dict"): dict}
    with pytest.raises(NotPlain) as caught:
        plain(task, known)
    instead = plain_pickle._in_place_of(task, known, caught.value)
    assert instead.key == "key"
    with pytest.raises(NotPlain, match=r"posix\.getpid"):
        instead()


def test_a_message_too_large_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain_pickle, "MOST_BYTES", 100)
    with pytest.raises(NotPlain, match="larger"):
        plain(pickle.dumps("x" * 100), KNOWN)
