r"""
Signals that end the harness, where they do no harm.

Ctrl-C, a job that is cancelled (SIGTERM), a terminal that closes (SIGHUP), Ctrl-\ (SIGQUIT) and
Ctrl-Break on Windows all end a command in one way: KeyboardInterrupt in the main thread, once, so
that everything is put away as after Ctrl-C; the exit code is 128 and the signal's number. One that
is ignored when the harness starts (nohup, a background job of a script) stays ignored.

Python would raise it between any two instructions: between a record's first line and the code
that would write its last one, in the middle of a line, after a Run and before it is kept. While
interrupts are held, a signal waits for a place that is ready for it.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from types import FrameType
from typing import NoReturn

_SIGNALS = tuple(
    signal.Signals(getattr(signal, name))
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGBREAK")
    if hasattr(signal, name)
)
# What the first signal began takes less. Should it hang all the same, another one is heard.
_PUTTING_AWAY_S = 5.0
# An interrupt that Python threw away comes again after so long.
_AGAIN_S = 0.02

_received: signal.Signals | None = None
_gate: _Gate | None = None
"""The one in force."""


class _Gate:
    """The handler of all of them; it raises once, and again only when that did not end it."""

    def __init__(self, *, is_open: bool) -> None:
        self.is_open = is_open
        self.is_pending = False
        self.raised_s: float | None = None

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        _note(number)
        if self.raised_s is not None and monotonic() - self.raised_s < _PUTTING_AWAY_S:
            return  # what the first one began is ending already
        self.is_pending = True
        if self.is_open:
            self.let_through()

    def let_through(self) -> None:
        """Raises what waits."""
        if self.is_pending:
            self.is_pending = False
            self.raised_s = monotonic()
            raise KeyboardInterrupt


def end_at_once() -> None:
    """From here on a signal ends the process with one line: nothing is under way yet."""
    for number in _SIGNALS:
        if not _is_ignored(number):
            signal.signal(number, _end)


def raise_once() -> None:
    """From here on a signal raises KeyboardInterrupt in the main thread; a second one nothing."""
    global _gate
    _gate = _Gate(is_open=True)
    for number in _SIGNALS:
        if not _is_ignored(number):
            signal.signal(number, _gate)
    sys.unraisablehook = _raise_again


def end_with_input() -> bool:
    """
    Whether there is a standard input; from here on its end is a SIGTERM.

    What comes before that is thrown away. A connection over ssh that breaks ends it, and without a
    terminal nothing else tells the far side.
    """
    try:
        descriptor = sys.stdin.fileno() if sys.stdin else -1
        os.fstat(descriptor)
    except (OSError, ValueError):
        return False
    thread = threading.Thread(target=_wait_for_end, args=(descriptor,), daemon=True)
    thread.start()
    return True


def _wait_for_end(descriptor: int) -> None:
    try:
        while os.read(descriptor, 65536):
            pass
    except OSError:
        pass  # gone is as good as ended
    _send(signal.SIGTERM)


def ignore() -> None:
    """From here on a signal does nothing: all is said and stored."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def exit_code() -> int:
    """What a process answers with that was ended by the signal that came; Ctrl-C if none did."""
    return 128 + (_received or signal.SIGINT)


def sentence() -> str:
    """What is said then."""
    if _received in (None, signal.SIGINT):
        return "interrupted"
    return f"interrupted by {_received.name}"


@contextmanager
def held() -> Iterator[None]:
    """
    A signal waits until the block opens a gate with `allowed`, or ends.

    A second one is ignored. Without effect outside the main thread, which gets no signals.

    Raises:
        KeyboardInterrupt: At the end of the block, where one came that no gate let through.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    global _gate
    outer, gate = _gate, _Gate(is_open=False)
    # Of a library's user only what Python itself turns into an exception.
    before = {each: now for each in _SIGNALS if callable(now := signal.getsignal(each))}
    _gate = gate
    for each in before:
        signal.signal(each, gate)
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
        _gate = outer
        if outer and gate.raised_s:
            outer.raised_s = gate.raised_s
    if gate.raised_s is None:
        gate.let_through()


@contextmanager
def allowed() -> Iterator[None]:
    """
    Within `held`, a signal may interrupt this block, as it may everywhere else without.

    Raises:
        KeyboardInterrupt: At once, where one has been waiting.
    """
    gate = _gate
    is_main = threading.current_thread() is threading.main_thread()
    if gate is None or gate.is_open or not is_main:
        yield
        return
    gate.is_open = True
    try:
        gate.let_through()
        yield
    finally:
        gate.is_open = False


def check() -> None:
    """Nothing; or KeyboardInterrupt, where a signal has been waiting for a good place like this."""
    with allowed():
        pass


def _is_ignored(number: signal.Signals) -> bool:
    return signal.getsignal(number) in (signal.SIG_IGN, None)


def _note(number: int) -> None:
    global _received
    _received = _received or signal.Signals(number)
    if _received.name == "SIGHUP":
        _leave_closed_terminal()


def _leave_closed_terminal() -> None:
    """What is still to be said goes nowhere: writing to a terminal that is gone is an error."""
    for descriptor in (1, 2):
        try:
            os.write(descriptor, b"")
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, descriptor)
            os.close(nowhere)


def _end(number: int, _frame: FrameType | None) -> NoReturn:
    _note(number)
    try:
        os.write(2, f"Error: {sentence()}\n".encode())
    finally:
        os._exit(exit_code())


def _raise_again(what: sys.UnraisableHookArgs) -> None:
    """
    Python throws away what is raised in a destructor or a callback of C, and prints a traceback.

    A KeyboardInterrupt that came there comes again a moment later.
    """
    if not isinstance(what.exc_value, KeyboardInterrupt) or _received is None:
        sys.__unraisablehook__(what)
        return
    if _gate:
        _gate.raised_s = None
    timer = threading.Timer(_AGAIN_S, _send, (_received,))
    timer.daemon = True
    timer.start()


def _send(number: signal.Signals) -> None:
    main = threading.main_thread().ident
    if main is not None and sys.platform != "win32":
        signal.pthread_kill(main, number)  # to that thread, or what it waits for is not broken off
    else:
        signal.raise_signal(number)
