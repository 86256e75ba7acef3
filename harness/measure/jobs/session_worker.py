"""What a conversation's cache takes to be saved and put back: into memory, and into a file."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from time import perf_counter_ns

from harness import scratch
from harness.engine.context import Context
from harness.engine.kept_cache import KeptCache
from harness.engine.saved_state import LEAST_FREE, SavedState
from harness.machine.memory import available_memory_bytes
from harness.schema.request import SessionState


def session_of(context: Context, cache: KeptCache) -> SessionState | None:
    """
    What it takes to save and restore what the first sequence holds, which it holds afterwards too;
    None where there is no room for a copy, or where the engine cannot.
    """
    tokens = cache.held()
    state = context.saved()
    n_bytes = state.n_bytes
    if not n_bytes or available_memory_bytes() < LEAST_FREE * n_bytes:
        return None
    state.make_room()
    save_ns, _ = _timed(state.take)
    context.clear()
    restore_ns, is_restored = _timed(state.put_back)
    if not is_restored:
        cache.forget()
        return None
    write_ns, read_ns = _through_file(context, state, tokens.tolist()) or (None, None)
    if read_ns is None:
        context.clear()
        state.put_back()
    return SessionState(
        n_tokens=len(tokens),
        n_bytes=n_bytes,
        save_ns=save_ns,
        restore_ns=restore_ns,
        write_ns=write_ns,
        read_ns=read_ns,
    )


def _through_file(
    context: Context, state: SavedState, tokens: Sequence[int]
) -> tuple[int, int] | None:
    """How long writing and reading took; None where there is no room, or one of both failed."""
    try:
        with scratch.own_folder("harness-session") as folder:
            if shutil.disk_usage(folder).free < LEAST_FREE * state.n_bytes:
                return None
            path = folder / "session.bin"
            write_ns, is_written = _timed(lambda: state.write(path, tokens))
            if not is_written:
                return None
            context.clear()
            read_ns, is_read = _timed(lambda: state.read(path, len(tokens)))
            return (write_ns, read_ns) if is_read else None
    except OSError:
        return None


def _timed(what: Callable[[], bool | None]) -> tuple[int, bool]:
    start_ns = perf_counter_ns()
    done = what()
    return max(1, perf_counter_ns() - start_ns), done is not False
