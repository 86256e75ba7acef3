"""Machines that a test has for itself: a network namespace each, with a memory limit if wanted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.machine.rpc import PORT, RpcFailed, greet

_GROUPS = Path("/sys/fs/cgroup")
_ENTER = 'echo $$ > "$0"/cgroup.procs && exec "$@"'


@dataclass(frozen=True)
class OwnMachine:
    """
    A network namespace at the other end of a cable; `address` is its own, `group` its memory's.
    """

    name: str
    address: str
    cable: str
    group: Path | None

    def command(self, *words: str) -> tuple[str, ...]:
        """The command line that runs `words` there."""
        # Not `ip netns exec`: that mounts another /sys, in which no control group is to be seen.
        there = ("nsenter", f"--net=/run/netns/{self.name}", *words)
        return limited(self.group, *there) if self.group else there

    def harness(self, *words: str) -> tuple[str, ...]:
        """The command line of harness there."""
        return self.command(sys.executable, "-P", "-m", "harness", *words)

    @contextmanager
    def serving(self, *options: str, port: int = PORT) -> Iterator[str]:
        """The address of `harness rpc serve` there, which answers."""
        asked = ("rpc", "serve", "--host", self.address, "--listen-insecurely")
        words = self.harness(*asked, "--port", str(port), "--threads", "1", *options)
        address = f"{self.address}:{port}"
        with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as server:
            try:
                _answered(address, server)
                yield address
            finally:
                server.terminate()
                server.wait()

    def pull_cable(self) -> None:
        """From here on nothing passes, and nobody is told."""
        _ip("-n", self.name, "link", "set", self.cable, "down")

    def plug_in_cable(self) -> None:
        """As it was."""
        _ip("-n", self.name, "link", "set", self.cable, "up")

    @property
    def gateway(self) -> str:
        """The address of the machine here, as it is seen from there."""
        return f"{self.address.rpartition('.')[0]}.1"

    def pids(self) -> list[int]:
        """Of all processes there."""
        return [int(pid) for pid in _ip("netns", "pids", self.name).split()]

    def signal_all(self, number: signal.Signals) -> None:
        """To all processes there, as to a machine that falls asleep or wakes up."""
        for pid in self.pids():
            with suppress(ProcessLookupError):
                os.kill(pid, number)


def limited(group: Path, *words: str) -> tuple[str, ...]:
    """The command line that runs `words` in a control group."""
    return ("sh", "-c", _ENTER, str(group), *words)


@contextmanager
def own_machine(number: int, memory_bytes: int | None = None) -> Iterator[OwnMachine]:
    """
    Machine `number` of this process, with a cable to the one here; skips where none can be made.
    """
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("a network namespace takes root on Linux")
    name = f"h{os.getpid() % 100_000}n{number}"
    net = f"198.18.{number}"
    near, far = f"{name}a", f"{name}b"
    with ExitStack() as stack:
        try:
            _ip("netns", "add", name)
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("no network namespace can be made here")
        stack.callback(_ip, "netns", "del", name)
        _ip("link", "add", near, "type", "veth", "peer", "name", far, "netns", name)
        # Before the namespace, which is taken away only some time after it is told to.
        stack.callback(_ip, "link", "del", near)
        _ip("addr", "add", f"{net}.1/24", "dev", near)
        _ip("link", "set", near, "up")
        _ip("-n", name, "addr", "add", f"{net}.2/24", "dev", far)
        for device in (far, "lo"):
            _ip("-n", name, "link", "set", device, "up")
        group = stack.enter_context(memory_group(name, memory_bytes)) if memory_bytes else None
        yield OwnMachine(name, f"{net}.2", far, group)


@contextmanager
def memory_group(name: str, memory_bytes: int) -> Iterator[Path]:
    """A control group of so much memory; skips where none can be made."""
    is_v2 = (_GROUPS / "cgroup.controllers").exists()
    folder = _GROUPS / name if is_v2 else _GROUPS / "memory" / name
    limits: Mapping[str, int] = (
        {"memory.max": memory_bytes, "memory.swap.max": 0}
        if is_v2
        else {"memory.limit_in_bytes": memory_bytes}
    )
    try:
        folder.mkdir()
        for file, value in limits.items():
            (folder / file).write_text(str(value))
    except OSError:
        with suppress(OSError):
            folder.rmdir()
        pytest.skip("no control group for memory can be made here")
    try:
        yield folder
    finally:
        _emptied(folder)
        folder.rmdir()


def _emptied(folder: Path) -> None:
    """Waits for processes of the group that have been told to end."""
    for _ in range(100):
        if not (folder / "cgroup.procs").read_text():
            return
        time.sleep(0.05)


def _answered(address: str, server: subprocess.Popen[bytes]) -> None:
    while True:
        try:
            return greet(address)
        except RpcFailed:
            assert server.poll() is None, server.stderr and server.stderr.read()
            time.sleep(0.1)


def _ip(*words: str) -> str:
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout
