"""
Running a long command so that a person sees it is alive, and what it said when it fails.

Everything the command prints goes to a log file; the terminal gets one line that moves, or a
plain line now and then where there is no terminal.
"""

from __future__ import annotations

import contextlib
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from setup.checks import SetupError

# Seconds between plain lines: often enough that no CI system takes the job for dead (the
# strictest wait minutes), seldom enough that a ten-minute build stays within one screen.
PLAIN_EVERY_S = 30
# How long a command may clean up after itself when interrupted; pip removes its build folders.
GRACE_S = 10
_N_TAIL = 400
_STEP = re.compile(r"^\s*\[\s*(\d+/\d+|\d+%)\]")  # ninja's [12/193], make's [ 12%]
_TELLING = re.compile(r"CMake Error|\berror:|No space left|Killed|Error:", re.IGNORECASE)
# pip's wrapping around the failure of what it started says nothing of the cause.
_WRAPPING = re.compile(r"subprocess-exited-with-error|Failed building wheel|Could not build wheels")

# What the last lines of a failed command mean; the first that matches is said.
_ADVICE = (
    (r"No space left on device", "the disk is full: free some or set TMPDIR, then run make again"),
    (
        r"Killed signal|signal terminated program|Cannot allocate memory|out of memory",
        "out of memory: run it again as CMAKE_BUILD_PARALLEL_LEVEL=1 make",
    ),
    (
        r"nvcc|CUDA Toolkit|CUDAToolkit|CMAKE_CUDA_COMPILER",
        "CMAKE_ARGS asks for CUDA and its compiler was not found: put nvcc on PATH",
    ),
    (r"Could NOT find Vulkan|glslc", "CMAKE_ARGS asks for Vulkan: install its SDK with glslc"),
    (r"hipcc|hip-config|hip-lang", "CMAKE_ARGS asks for ROCm: install its HIP compiler"),
    (
        r"NewConnectionError|name resolution|getaddrinfo|nodename nor servname|dns error"
        r"|Name or service not known|Network is unreachable|ConnectTimeout|Connection refused"
        r"|ProxyError|error sending request|Failed to establish a new connection",
        "the package index cannot be reached: check the network, then run make again",
    ),
    (
        r"SSLCertVerificationError|CERTIFICATE_VERIFY_FAILED|invalid peer certificate",
        "the package index shows a certificate this machine does not trust: check PIP_CERT",
    ),
)


class Display:
    """One moving line on a terminal; elsewhere a plain line every `PLAIN_EVERY_S` seconds."""

    def __init__(
        self, label: str, stream: IO[str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.label = label
        self.step = ""
        self._stream = stream
        self._clock = clock
        self._start = clock()
        self._shown = self._start
        self._is_moving = stream.isatty()

    def say(self, text: str) -> None:
        """`text` on a line of its own."""
        self._write(f"\r\033[K{text}\n" if self._is_moving else f"{text}\n")

    def beat(self) -> None:
        """The line once more, when it is time for it."""
        now = self._clock()
        if self._is_moving:
            self._write(f"\r\033[K{self._line(now)}")
        elif now - self._shown >= PLAIN_EVERY_S:
            self._shown = now
            self._write(f"{self._line(now)}\n")

    def end(self) -> None:
        """The last word on a step that went well."""
        self.step = "done"
        self.say(self._line(self._clock()))

    def clear(self) -> None:
        """The moving line taken away."""
        if self._is_moving:
            self._write("\r\033[K")

    def _line(self, now: float) -> str:
        minutes, seconds = divmod(round(now - self._start), 60)
        step = f"{self.step}  " if self.step else ""
        return f"  {self.label}  {step}{minutes}m{seconds:02}s"

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def run_logged(
    command: Sequence[str],
    *,
    label: str,
    log: Path,
    environ: Mapping[str, str],
    stream: IO[str] | None = None,
    announce: Mapping[str, str] | None = None,
) -> None:
    """
    Runs `command` to its end, its output appended to `log`.

    Args:
        command: The program and its arguments.
        label: What is being done, in a person's words.
        log: The file that keeps everything said.
        environ: The whole environment of the command.
        stream: Where progress goes; stderr when None.
        announce: Text to look for in the output, and the line to show once when it comes.

    Raises:
        SetupError: It did not start or ended badly; with advice, the telling lines and the log.
        KeyboardInterrupt: Passed on after the command and its children were ended.
    """
    display = Display(label, stream or sys.stderr)
    pending = dict(announce or {})
    tail: deque[str] = deque(maxlen=_N_TAIL)
    with log.open("a", encoding="utf-8") as kept:
        kept.write(f"$ {' '.join(command)}\n")
        child = _start(command, environ)
        try:
            for line in _lines(child, display):
                kept.write(line)
                kept.flush()
                tail.append(line.rstrip())
                _notice(line, display, pending)
        except BaseException:
            _end(child)
            display.clear()
            raise
    if child.wait() != 0:
        display.clear()
        raise SetupError(explain(label, child.returncode, list(tail), log))
    display.end()


def explain(label: str, exit_code: int, tail: Sequence[str], log: Path) -> str:
    """Why a command failed: one line, up to four telling lines of its output, and the log."""
    text = "\n".join(tail)
    advice = next((said for pattern, said in _ADVICE if re.search(pattern, text, re.I)), None)
    reason = advice or f"it ended with exit code {exit_code}"
    quoted = "".join(f"\n    {line}" for line in _telling(tail))
    return f"{label} failed: {reason}; everything it said is in {log}{quoted}"


def _telling(tail: Sequence[str]) -> list[str]:
    """The first lines that look like a cause, with what follows them; else the last lines."""
    said = [line.strip()[:160] for line in tail if line.strip() and not _WRAPPING.search(line)]
    first = next((at for at, line in enumerate(said) if _TELLING.search(line)), len(said) - 4)
    return said[max(0, first) :][:4]


def _notice(line: str, display: Display, pending: dict[str, str]) -> None:
    if found := _STEP.match(line):
        display.step = f"[{found[1]}]"
    for text in [text for text in pending if text in line]:
        display.say(pending.pop(text))


def _start(command: Sequence[str], environ: Mapping[str, str]) -> subprocess.Popen[str]:
    try:
        return subprocess.Popen(
            command,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            # A group of its own: compilers started by pip outlive it unless all are told.
            start_new_session=os.name != "nt",
        )
    except OSError as error:
        raise SetupError(f"cannot start {command[0]}: {error.strerror}") from None


def _lines(child: subprocess.Popen[str], display: Display) -> Iterator[str]:
    """The child's output as it comes; the display beats once a second in between."""
    arrived: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    assert child.stdout is not None
    output = child.stdout

    def read() -> None:
        # A program that dies in the middle of a line may leave the pipe broken.
        with contextlib.suppress(ValueError, OSError), output:
            for line in output:
                arrived.put(line)
        arrived.put(None)

    threading.Thread(target=read, daemon=True).start()
    last_beat = 0.0
    while True:
        with contextlib.suppress(queue.Empty):
            line = arrived.get(timeout=1)
            if line is None:
                return
            yield line
        if time.monotonic() - last_beat >= 1:
            last_beat = time.monotonic()
            display.beat()


def _end(child: subprocess.Popen[str]) -> None:
    """Ends `child` and whatever it started: asked first, then made to."""
    for sign in (signal.SIGINT, getattr(signal, "SIGKILL", signal.SIGTERM)):
        with contextlib.suppress(OSError):
            if os.name == "nt":
                child.terminate()
            else:
                os.killpg(child.pid, sign)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(timeout=GRACE_S)
            if os.name == "nt":
                return
