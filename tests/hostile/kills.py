"""Signals at any moment into any command: nothing is left behind, lost or said wrongly."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Generator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

import psutil
from cli.commandline import Done
from make.bench_rows import make_row
from make.hub_server import Repository, random_bytes, running_hub

from harness.records.store import load
from hostile.attempt import Attempt
from hostile.desk import COMMANDS, N_ROWS, Command, Desk, new_desk
from hostile.remains import clear, remains

_MODEL_BYTES = 3_000_000
# A pull of some seconds, so that a signal meets it.
_PULL_BYTES_PER_S = 1_500_000
_LIMIT_S = 8
# Python is up after a tenth of that, and catches nothing of what comes before.
_START_S = 5
_END_S = 60
_OTHERS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT")
SIGNALS = (*_OTHERS, "SIGKILL")


def attempts(folder: Path, rng: Random) -> Generator[Attempt, None, None]:
    """Each command in turn with a signal of each kind, at moments of all its length."""
    for name in _OTHERS:
        if signal.getsignal(signal.Signals[name]) is signal.SIG_IGN:
            signal.signal(signal.Signals[name], signal.SIG_DFL)  # or children ignore it too
    content = random_bytes(_MODEL_BYTES)
    with running_hub(**{"owner/small": Repository({"small-Q8_0.gguf": content})}) as hub:
        hub.bytes_per_s = _PULL_BYTES_PER_S
        desk = new_desk(folder, hub.endpoint)
        while True:
            command, name = rng.choice(COMMANDS), rng.choice(SIGNALS)
            if command.name not in desk.durations_s:
                yield Attempt(f"{command.name} alone", _alone(desk, command))
            moment = rng.random()
            desk.n += 1
            fault = _Trial(desk, command, signal.Signals[name], moment, rng).fault()
            yield Attempt(f"{name} to {command.name} at {moment:.0%}", fault)
            shutil.rmtree(desk.home.folder / desk.results, ignore_errors=True)
            clear(desk.home)


def _alone(desk: Desk, command: Command) -> str | None:
    """How long it takes is found out, and whether it leaves anything when nobody disturbs it."""
    started_s = time.monotonic()
    done = _done(desk, command)
    desk.durations_s[command.name] = min(_LIMIT_S, time.monotonic() - started_s)
    shutil.rmtree(desk.hub_cache, ignore_errors=True)
    shutil.rmtree(desk.home.folder / desk.results, ignore_errors=True)
    if done.exit_code not in (0, 143):
        return f"exit code {done.exit_code}: {done.stderr[-200:]!r}"
    return None


def _done(desk: Desk, command: Command) -> Done:
    """What it answers; ended where it goes on, as a comparison does until it is decided."""
    with desk.home.started(*command.arguments(desk), environment=desk.environment) as started:
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(started.pid)
            try:
                process.wait(_LIMIT_S)
            except psutil.TimeoutExpired:
                process.terminate()
        return started.done()


@dataclass
class _Trial:
    """One command that meets one signal."""

    desk: Desk
    command: Command
    number: signal.Signals
    moment: float
    rng: Random

    def fault(self) -> str | None:
        """What went wrong, if anything did."""
        home, arguments = self.desk.home, self.command.arguments(self.desk)
        with home.started(*arguments, environment=self.desk.environment) as started:
            _await_start(started.pid)
            time.sleep(self.moment * self.desk.durations_s[self.command.name])
            children = _children(started.pid)
            self._send(started.pid)
            try:
                psutil.Process(started.pid).wait(_END_S)
            except psutil.TimeoutExpired:
                return f"still there after {_END_S} s"
            except psutil.NoSuchProcess:
                pass
            done = started.done()
        faults = [self._answer_fault(done.exit_code, done.stderr), _orphan_fault(children)]
        is_killed = self.number == signal.SIGKILL
        if is_killed or self.command.is_resumed:
            faults.append(self._remains(may_be_temporary=is_killed))
            again = self._again()
            faults.append(again and f"the next one: {again}")
        faults.append(self._remains(may_be_temporary=False))
        if self.command.name == "pull":
            shutil.rmtree(self.desk.hub_cache, ignore_errors=True)
        return "; ".join(fault for fault in faults if fault) or None

    def _remains(self, *, may_be_temporary: bool) -> str | None:
        return remains(
            self.desk.home,
            self.desk.results,
            may_be_cut_short=self.number == signal.SIGKILL,
            may_be_temporary=may_be_temporary,
        )

    def _send(self, pid: int) -> None:
        try:
            # Ctrl-C reaches the whole group, as a closing terminal does.
            is_group = self.number == signal.SIGINT and self.rng.random() < 0.5
            (os.killpg if is_group else os.kill)(pid, self.number)
            if self.rng.random() < 0.25:
                time.sleep(self.rng.uniform(0, 0.3))
                os.kill(pid, self.number)
        except ProcessLookupError:
            pass

    def _answer_fault(self, exit_code: int, stderr: str) -> str | None:
        if "Traceback" in stderr:
            return f"a traceback: {stderr.strip().splitlines()[-1][:120]}"
        wanted = -self.number if self.number == signal.SIGKILL else 128 + self.number
        if exit_code not in (0, wanted):
            return f"exit code {exit_code}: {stderr.strip()[-160:]!r}"
        lines = [line for line in stderr.splitlines() if line.startswith("Error")]
        return f"more than one line: {lines}" if len(lines) > 1 else None

    def _again(self) -> str | None:
        """What the next of the kind does; it removes what a kill left, and completes the rest."""
        home = self.desk.home
        done = _done(self.desk, self.command)
        if done.exit_code not in (0, 143):
            return f"exit code {done.exit_code}: {done.stderr.strip()[-160:]!r}"
        if self.command.name == "pull":
            (made,) = self.desk.hub_cache.rglob("small-Q8_0.gguf")
            if made.read_bytes() != random_bytes(_MODEL_BYTES):
                return "another content"
        if self.command.name == "import":
            paths = (home.folder / self.desk.results).glob("*.jsonl")
            found = sum(len(run.trials) for path in paths for run in load(path).runs)
            found //= len(make_row()["samples_ns"])
            if found != N_ROWS:
                return f"{found} of {N_ROWS} rows"
        return None


def _await_start(pid: int) -> None:
    """Until the program itself sees signals; what comes before meets Python alone."""
    deadline_s = time.monotonic() + _START_S
    caught = 1 << (signal.SIGTERM - 1)
    while time.monotonic() < deadline_s:
        try:
            status = Path(f"/proc/{pid}/status").read_text()
        except OSError:
            return
        (mask,) = [line.split()[1] for line in status.splitlines() if line.startswith("SigCgt")]
        if int(mask, 16) & caught:
            return
        time.sleep(0.005)


def _children(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _orphan_fault(children: list[psutil.Process]) -> str | None:
    _, alive = psutil.wait_procs(children, timeout=10)
    names = [_named(each) for each in alive]
    return f"orphans: {', '.join(names)}" if names else None


def _named(process: psutil.Process) -> str:
    try:
        return subprocess.list2cmdline(process.cmdline())[-80:]
    except psutil.Error:
        return str(process.pid)
