"""
A worker that does something terrible in its second tg trial; started by test_runner.py.

The real worker and the real engine, except for the fault named by the first argument; of "load"
alone, which is that others disturb its first two tg trials.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence

from harness.analysis import disturbance
from harness.analysis.disturbance import Disturbance
from harness.engine.context import Context
from harness.measure import worker

_N_LOADED = 2
_WHOLE_STEPS = Context.steps


def _noise() -> None:
    ctypes.CDLL(None).puts(b'{"event": "done"} said a C library on fd 1')
    ctypes.CDLL(None).fflush(None)
    print("and Python on sys.stdout", flush=True)


def _raise() -> None:
    raise RuntimeError("a bug in the harness")


_FAULTS: dict[str, Callable[[], object]] = {
    "abort": os.abort,
    "segv": lambda: ctypes.string_at(0),
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "hang": lambda: time.sleep(3600),
    "noise": _noise,
    "exit": lambda: os._exit(7),
    "raise": _raise,
    "memory": lambda: bytearray(1 << 60),
    "load": lambda: None,
}


def main() -> None:
    n_calls = 0

    def steps(self: Context, tokens: Sequence[int]) -> Callable[[int | None], list[int]]:
        whole = _WHOLE_STEPS(self, tokens)

        def run(until_ns: int | None) -> list[int]:
            nonlocal n_calls
            n_calls += 1
            if n_calls == 3:  # warm-up, first trial, second trial
                _FAULTS[sys.argv[1]]()
            return whole(until_ns)

        return run

    def disturbed(*_counters: object, **_machine: int) -> Disturbance | None:
        # The first call of `steps` is the warm-up.
        return Disturbance("others", 0.4) if n_calls - 1 <= _N_LOADED else None

    if sys.argv[1] == "load":
        vars(disturbance)["why_disturbed"] = disturbed
    Context.steps = steps  # type: ignore[method-assign]
    worker.main()


if __name__ == "__main__":
    main()
