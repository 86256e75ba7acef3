"""
Keeps a server no longer than somebody keeps this process's stdin open.

Started by process.py only, with the server's command line as arguments. It tells on a private copy
of fd 1 what it has started, and how that ended; fd 1 and 2, its own and the server's, are the log.
A server knows nothing of who measures it, and nobody could end it for a parent that was killed. On
Linux the server dies with this process too, however that is ended.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from time import perf_counter_ns
from types import FrameType
from typing import Any

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> None:
    """Starts the server, tells of it, and ends with it or with stdin, whichever comes first."""
    out = os.dup(1)
    os.dup2(2, 1)
    started_ns = perf_counter_ns()
    try:
        server = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, preexec_fn=_dies_with_us())
    except OSError as error:
        _tell(out, error=error.strerror or str(error))
        return

    def end(_number: int, _frame: FrameType | None) -> None:
        server.kill()

    for name in ("SIGTERM", "SIGINT", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), end)
    _volunteer_for_the_oom_killer(server.pid)
    _tell(out, pid=server.pid, started_ns=started_ns)
    threading.Thread(target=_end_with_stdin, args=(server,), daemon=True).start()
    _tell(out, exit_code=server.wait())
    # Not by the interpreter's own end, which waits for the thread that reads.
    os._exit(0)


def _end_with_stdin(server: subprocess.Popen[bytes]) -> None:
    while os.read(0, 4096):
        pass
    server.kill()


def _dies_with_us() -> Callable[[], None] | None:
    """What the server does before it is one, so that the kernel ends it when this process is."""
    if sys.platform != "linux":
        return None
    prctl, parent = ctypes.CDLL(None).prctl, os.getpid()

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return ask


def _volunteer_for_the_oom_killer(pid: int) -> None:
    # When memory runs out the server should go, not the user's editor. Linux only.
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/oom_score_adj").write_text("1000")


def _tell(out: int, **facts: Any) -> None:
    with contextlib.suppress(OSError):  # nobody listens any more
        os.write(out, json.dumps(facts).encode() + b"\n")


if __name__ == "__main__":
    main()
