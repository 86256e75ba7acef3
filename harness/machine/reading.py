"""
Texts of files and commands of the operating system, or the reason why there are none.

Every reader in this room turns such a text into facts by a pure function, so that the formats of
a system that is not at hand can be tested on recordings.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from harness.files import system_reason

# A healthy query takes 5-300 ms (system_profiler is the slowest); one that hangs, as nvidia-smi
# does with a lost card, must not hold up a measurement.
COMMAND_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Answer:
    """What a command printed; `reason` says why there is no text."""

    text: str | None
    reason: str = ""


def ask(*command: str, timeout_s: float = COMMAND_TIMEOUT_S) -> Answer:
    """
    The standard output of `command`, in the C locale, with undecodable bytes replaced.

    A command that fails but prints something still answers: several tools exit 1 to say "none".
    """
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            check=False,
            env={**os.environ, "LC_ALL": "C"},
            # Without it each query would flash a console window on Windows.
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except FileNotFoundError:
        return Answer(None, f"{Path(command[0]).name} is not installed")
    except subprocess.TimeoutExpired:
        return Answer(None, f"{Path(command[0]).name} did not answer within {timeout_s:g} s")
    except OSError as error:
        return Answer(None, f"{Path(command[0]).name} cannot be started: {system_reason(error)}")
    text = done.stdout.decode("utf-8", errors="replace")
    if done.returncode != 0 and not text.strip():
        return Answer(None, f"{Path(command[0]).name} failed with status {done.returncode}")
    return Answer(text)


def read_text(path: Path) -> str | None:
    """
    The stripped text of a file of /proc or /sys, or None when it cannot be read.

    Reading may fail on a file that exists: platform_profile answers EINVAL on some laptops, and
    containers deny others.
    """
    try:
        return path.read_bytes().decode("utf-8", errors="replace").strip("\x00 \t\r\n")
    except OSError:
        return None


def read_int(path: Path) -> int | None:
    """The integer a file holds, or None."""
    return to_int(read_text(path))


def to_int(text: object) -> int | None:
    """`text` as an integer; None for anything else, "[N/A]" and "max" included."""
    if text is None:
        return None
    try:
        return int(str(text).strip())
    except ValueError:
        return None


def parse_cpu_list(text: str | None) -> tuple[int, ...]:
    """
    The kernel's list format as CPU numbers: "0-3,8" is 0, 1, 2, 3, 8.

    Nothing readable is the empty tuple.
    """
    cpus: list[int] = []
    for part in (text or "").split(","):
        first, _, last = part.strip().partition("-")
        low, high = to_int(first), to_int(last or first)
        if low is not None and high is not None:
            cpus.extend(range(low, high + 1))
    return tuple(cpus)
