"""What to say where the system refuses something that no command has words of its own for."""

from __future__ import annotations

import errno

from harness.commandline import stream
from harness.files import system_reason

_TOO_FEW_FILES = "this process may open too few files: raise the limit (`ulimit -n 1024`)"
_TOO_FEW_THREADS = (
    "no more processes or threads may be started here: end some, or raise the limit (`ulimit -u`)"
)
_NO_MEMORY = "the memory is used up: close programs, or raise the limit of this process"
_ADVICE = {
    errno.EMFILE: _TOO_FEW_FILES,
    errno.ENFILE: _TOO_FEW_FILES,
    errno.EAGAIN: _TOO_FEW_THREADS,
    errno.ENOMEM: _NO_MEMORY,
    errno.ENOSPC: "make room there and try again",
    errno.EDQUOT: "make room there and try again",
    errno.ENAMETOOLONG: "take a shorter name",
}
# threading has no exception of its own for it.
_NO_THREAD = "can't start new thread"


def refusal(error: BaseException) -> str | None:
    """One line about what the system refused; None where `error` is no refusal but a mistake."""
    if isinstance(error, MemoryError):
        return _NO_MEMORY
    if isinstance(error, RuntimeError):
        return _TOO_FEW_THREADS if _NO_THREAD in str(error) else None
    if not isinstance(error, OSError):
        return None
    what = stream.give_up() or error.filename
    advice = _ADVICE.get(error.errno or 0, "check it and try again")
    told = f"{what}: {system_reason(error)}" if what else system_reason(error)
    return f"{told}; {advice}"
