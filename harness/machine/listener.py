"""The process that listens at a port of this machine, with those it started: what they take."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from harness.machine.memory import Moment, parse_status
from harness.machine.reading import read_text
from harness.schema.machine import MemoryMark

_NS_PER_S = 1_000_000_000
_FORWARDERS = frozenset(
    (
        *("docker-proxy", "com.docker.backend", "vpnkit", "rootlessport", "rootlesskit"),
        *("slirp4netns", "pasta", "gvproxy", "wslrelay", "wslhost", "kubectl", "ssh", "sshd"),
        *("socat", "nginx", "caddy", "haproxy", "envoy", "traefik", "cloudflared"),
    )
)
"""Programs that listen for a server which runs elsewhere, in a container or behind a tunnel."""

_SUMMED = ("resident_bytes", "peak_bytes", "anonymous_bytes", "file_backed_bytes", "swapped_bytes")


@dataclass(frozen=True)
class Listener:
    """A process by its id; processes that it has started count as its own (a server's runners)."""

    pid: int

    def cpu_ns(self) -> int:
        """CPU time so far, of all its threads; of processes that have ended since, none."""
        total_s = 0.0
        for process in self._processes():
            with suppress(psutil.Error):
                times = process.cpu_times()
                total_s += times.user + times.system
        return round(total_s * _NS_PER_S)

    def memory(self, at: Moment) -> MemoryMark | None:
        """Its memory now; None where the system does not tell it, or the process is gone."""
        marks = [mark for process in self._processes() if (mark := _mark(process, at))]
        if not marks:
            return None
        sums = {field: _sum([getattr(mark, field) for mark in marks]) for field in _SUMMED}
        return marks[0].model_copy(update=sums)

    def _processes(self) -> Iterator[psutil.Process]:
        with suppress(psutil.Error):
            process = psutil.Process(self.pid)
            yield process
            yield from process.children(recursive=True)


def listener_at(port: int) -> Listener | None:
    """
    Who listens at a TCP port of this machine; None where nobody does, where the system does not
    say, and where somebody only passes on what comes to a server in a container or elsewhere.

    Systems name the processes of other users to root alone, and macOS none of them in one call.
    """
    pid = _pid_in_one_call(port) or next(_pids_one_by_one(port), None)
    # The server of a test may be this very process, whose time is counted already.
    return None if pid is None or pid == os.getpid() or _passes_on(pid) else Listener(pid)


def _passes_on(pid: int) -> bool:
    with suppress(psutil.Error):
        return psutil.Process(pid).name().lower().removesuffix(".exe") in _FORWARDERS
    return False


def _pid_in_one_call(port: int) -> int | None:
    try:
        connections = psutil.net_connections("tcp")
    except psutil.Error:
        return None
    return next((it.pid for it in connections if _listens(it, port)), None)


def _pids_one_by_one(port: int) -> Iterator[int]:
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if any(_listens(it, port) for it in process.net_connections("tcp")):
                yield process.pid


def _listens(connection: object, port: int) -> bool:
    address = getattr(connection, "laddr", None)
    is_listening = getattr(connection, "status", "") == psutil.CONN_LISTEN
    return is_listening and bool(address) and getattr(address, "port", None) == port


def _mark(process: psutil.Process, at: Moment) -> MemoryMark | None:
    if sys.platform == "linux":
        text = read_text(Path(f"/proc/{process.pid}/status"))
        if text is None or "VmRSS" not in text:
            return None
        told = "/proc/PID/status: VmRSS, VmHWM, RssAnon+RssShmem, RssFile, VmSwap"
        return parse_status(text, at).model_copy(update={"source": told})
    else:
        with suppress(psutil.Error):
            source = "memory_info of the server's processes"
            return MemoryMark(at=at, source=source, resident_bytes=process.memory_info().rss)
        return None


def _sum(values: list[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None
