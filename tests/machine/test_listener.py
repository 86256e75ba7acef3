"""Whose process listens at a port, and what it takes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from harness.machine.listener import listener_at

_LISTEN = """
import socket, sys
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
block = b"x" * (32 << 20)
sum(range(3_000_000))
print("worked", flush=True)
sys.stdin.read()
"""


@contextmanager
def listening(program: str) -> Iterator[tuple[int, int]]:
    """The port and the process of somebody who listens and has worked."""
    command = (program, "-I", "-c", _LISTEN)
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdin
        assert process.stdout
        try:
            port = int(process.stdout.readline())
            process.stdout.readline()
            yield port, process.pid
        finally:
            process.stdin.close()


def test_a_listener_is_found_by_its_port_with_what_it_took() -> None:
    with listening(sys.executable) as (port, pid):
        found = listener_at(port)
        assert found is not None
        # On Windows a virtual environment's Python starts the real one.
        assert found.pid in (pid, *(child.pid for child in psutil.Process(pid).children()))
        assert found.cpu_ns() > 0
        mark = found.memory("end")
    assert mark is None or (mark.resident_bytes or 0) > 32 << 20
    assert listener_at(port) is None


@pytest.mark.skipif(sys.platform != "linux", reason="a process is called as its file here")
def test_who_only_passes_on_is_not_the_server(tmp_path: Path) -> None:
    forwarder = tmp_path / "docker-proxy"
    forwarder.symlink_to(os.path.realpath(sys.executable))
    with listening(str(forwarder)) as (port, pid):
        assert psutil.Process(pid).name() == "docker-proxy"
        assert listener_at(port) is None
