"""
Ctrl-C where it does no harm.

Python raises KeyboardInterrupt between any two instructions: between a record's first line and
the code that would write its last one, in the middle of a line, after a Run and before it is
kept. While interrupts are held, Ctrl-C waits for a place that is ready for it.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class _Gate:
    """The handler of SIGINT while interrupts are held; it raises once at most."""

    def __init__(self) -> None:
        self.is_open = False
        self.is_pending = False
        self.has_raised = False

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        if self.has_raised:
            return  # what the first one began is ending already
        self.is_pending = True
        if self.is_open:
            self.let_through()

    def let_through(self) -> None:
        """Raises what waits."""
        if self.is_pending and not self.has_raised:
            self.has_raised = True
            raise KeyboardInterrupt


@contextmanager
def held() -> Iterator[None]:
    """
    Ctrl-C waits until the block opens a gate with `allowed`, or ends.

    A second Ctrl-C is ignored. Without effect outside the main thread, which gets no signals.

    Raises:
        KeyboardInterrupt: At the end of the block, where one came that no gate let through.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    gate = _Gate()
    before = signal.signal(signal.SIGINT, gate)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    gate.let_through()


@contextmanager
def allowed() -> Iterator[None]:
    """
    Within `held`, Ctrl-C may interrupt this block, as it may everywhere else without.

    Raises:
        KeyboardInterrupt: At once, where one has been waiting.
    """
    gate = signal.getsignal(signal.SIGINT)
    if not isinstance(gate, _Gate):
        yield
        return
    gate.is_open = True
    try:
        gate.let_through()
        yield
    finally:
        gate.is_open = False
