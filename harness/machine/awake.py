"""Keep the machine from falling asleep while it measures."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from harness.machine.windows import native as windows_native

_STOP_S = 2.0


@contextlib.contextmanager
def keep_awake() -> Iterator[None]:
    """
    No idle sleep inside the block, where the system offers a way without privileges.

    A courtesy: when it is refused, the block runs all the same. Closing the lid still sleeps.
    On Windows the request belongs to the calling thread, which must live as long as the block.
    """
    if sys.platform == "win32":
        windows_native.keep_system_awake(True)
        try:
            yield
        finally:
            windows_native.keep_system_awake(False)
    else:
        child = _start_inhibitor(inhibitor_command())
        try:
            yield
        finally:
            _stop(child)


def inhibitor_command() -> list[str] | None:
    """
    The program that holds the machine awake as long as it runs; None where there is none.

    Both end by themselves when this process dies: caffeinate watches its pid, and under systemd
    `cat` waits for the end of a pipe that only this process can close.
    """
    if sys.platform == "darwin":
        return ["/usr/bin/caffeinate", "-i", "-m", "-w", str(os.getpid())]
    inhibit, cat = shutil.which("systemd-inhibit"), shutil.which("cat")
    # The command may be installed where systemd does not run: it would only fail, slowly.
    if inhibit is None or cat is None or not Path("/run/systemd/system").is_dir():
        return None
    who = ("--what=idle:sleep", "--who=harness", "--why=measuring", "--mode=block")
    return [inhibit, *who, cat]


def _start_inhibitor(command: list[str] | None) -> subprocess.Popen[bytes] | None:
    if command is None:
        return None
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            # Ctrl-C at the terminal must reach the measurement only.
            start_new_session=True,
        )
    except OSError:
        return None


def _stop(child: subprocess.Popen[bytes] | None) -> None:
    if child is None:
        return
    child.terminate()
    try:
        child.communicate(timeout=_STOP_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.communicate()
