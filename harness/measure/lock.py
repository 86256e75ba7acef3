"""One measurement at a time on one machine: two at once would spoil each other."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from harness.errors import MachineBusy
from harness.files import cannot
from harness.machine.awake import keep_awake
from harness.measure.holder import Holder, described, read_note, remove_note, write_note

# In the system's temporary folder, not the user's cache: it is the machine that is busy.
LOCK_NAME = "inference-harness-measuring.lock"
_EVERYBODY = 0o666  # another user must be able to wait for it too


@contextlib.contextmanager
def machine_held(
    what: str,
    wait_ns: int = 0,
    on_wait: Callable[[str], None] | None = None,
    *,
    lock_file: Path | None = None,
) -> Iterator[None]:
    """
    Holds the machine for a measurement, and keeps it awake, for as long as the block runs.

    Args:
        what: Told to whoever finds the machine taken, e.g. "smollm2-135m:Q4_1".
        wait_ns: How long to wait for another measurement to end.
        on_wait: Told once, in a sentence, who is waited for.
        lock_file: What is locked instead of the file that is the same for everybody.

    Raises:
        MachineBusy: Another one is running; the message names it.
    """
    lock_file = lock_file or _of_everybody()
    holder = _note_of(lock_file)
    lock = FileLock(lock_file, mode=_EVERYBODY)
    try:
        _acquire(lock, holder, wait_ns / 1e9, on_wait)
    except Timeout:
        raise MachineBusy(
            f"Another measurement is running on this machine{described(holder)}. Two at once would "
            "spoil each other: wait for it (--wait 10m) or end it."
        ) from None
    except OSError as error:
        raise MachineBusy(
            cannot("locked", lock_file, error, "remove that file or set TMPDIR")
        ) from None
    is_noted = False
    try:
        is_noted = write_note(holder, what)
        with keep_awake():
            yield
    finally:
        if is_noted:
            remove_note(holder)
        lock.release()


def machine_holder() -> Holder | None:
    """
    Who holds the machine, by the note it left; None where nobody does.

    The lock itself is not tried: that would refuse whoever takes it in the same moment.
    """
    return read_note(_note_of(_of_everybody()))


def _of_everybody() -> Path:
    return Path(tempfile.gettempdir()) / LOCK_NAME


def _note_of(lock_file: Path) -> Path:
    return lock_file.with_suffix(".json")


def _acquire(
    lock: BaseFileLock, holder: Path, wait_s: float, on_wait: Callable[[str], None] | None
) -> None:
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if wait_s <= 0:
            raise
        if on_wait:
            on_wait(f"Waiting for another measurement to end{described(holder)}")
        lock.acquire(timeout=wait_s)
