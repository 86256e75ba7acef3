"""What saving a session does where there is no room, or where the engine cannot put it back."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import pytest

from harness.engine.context import Context
from harness.engine.kept_cache import KeptCache
from harness.measure.jobs import session_worker
from harness.measure.jobs.session_worker import session_of

N_BYTES = 1000


class State:
    """A state that can be taken, and put back as far as it is told."""

    n_bytes = N_BYTES

    def __init__(self, *, is_good: bool = True, is_written: bool = True) -> None:
        self.is_good, self.is_written = is_good, is_written
        self.n_put_back = 0

    def make_room(self) -> None: ...

    def take(self) -> None: ...

    def put_back(self) -> bool:
        self.n_put_back += 1
        return self.is_good

    def write(self, path: Path, tokens: Sequence[int]) -> bool:
        path.write_bytes(bytes(tokens))
        return self.is_written

    def read(self, path: Path, n_tokens: int) -> bool:
        return path.stat().st_size == n_tokens


class Holder:
    """A context with one sequence of three tokens, and a state of it."""

    n_sequences = 1

    def __init__(self, state: State) -> None:
        self.state = state

    def saved(self) -> State:
        return self.state

    def clear(self) -> None: ...


def held(state: State) -> tuple[Context, KeptCache]:
    context = cast(Context, Holder(state))
    cache = KeptCache(context, can_rewind=True)
    cache._held[0] = np.array([1, 2, 3], np.int32)
    return context, cache


class Usage(NamedTuple):
    free: int


def test_a_session_goes_into_memory_and_through_a_file() -> None:
    state = State()
    found = session_of(*held(state))
    assert found is not None
    assert (found.n_tokens, found.n_bytes, state.n_put_back) == (3, N_BYTES, 1)
    assert found.write_ns
    assert found.read_ns


def test_without_room_on_the_disk_it_is_put_back_from_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for state in (State(is_written=False), State()):
        found = session_of(*held(state))
        assert found is not None
        assert (found.write_ns, found.read_ns) == (None, None)
        assert found.save_ns
        assert state.n_put_back == 2
        monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(2 * N_BYTES - 1))


def test_without_room_in_memory_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_worker, "available_memory_bytes", lambda: 2 * N_BYTES - 1)
    context, cache = held(State())
    assert session_of(context, cache) is None
    assert len(cache.held()) == 3


def test_what_cannot_be_put_back_is_no_longer_taken_for_kept() -> None:
    context, cache = held(State(is_good=False))
    assert session_of(context, cache) is None
    assert len(cache.held()) == 0
