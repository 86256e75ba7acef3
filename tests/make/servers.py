"""Real model servers of other makers, started for the tests on free ports of the loopback."""

from __future__ import annotations

import http.client
import os
import socket
import stat
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from harness.schema.settings import Settings
from harness.serving.process import Supervised
from harness.serving.program import ServerSetup, server_program
from harness.serving.server import RunningServer, serve

HOST = "127.0.0.1"
N_CTX = 2048
N_SLOTS = 2
_READY_S = 60


@dataclass(frozen=True)
class OtherServer:
    """A server that answers at `url`; a request calls its model `model`."""

    url: str
    model: str
    pid: int


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def status_of(port: int, path: str) -> int | None:
    """What a GET is answered with; None: nobody answers."""
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


@contextmanager
def llama_server(model: Path, folder: Path) -> Iterator[RunningServer]:
    """xllamacpp's llama-server with `N_SLOTS` slots of `N_CTX` positions."""
    setup = ServerSetup(model, Settings(n_threads=1), N_CTX, N_SLOTS)
    with serve(server_program(None), setup, log=folder / "server.log") as server:
        yield server


def has_llama_cpp_python() -> bool:
    return all(find_spec(name) for name in ("fastapi", "uvicorn", "sse_starlette"))


@contextmanager
def llama_cpp_python(model: Path, folder: Path) -> Iterator[OtherServer]:
    """
    llama-cpp-python's own server: no token counts in its streams, one request after the other.

    By its default a second request would cut the first one short.
    """
    port = free_port()
    command = (
        *(sys.executable, "-m", "llama_cpp.server", "--model", str(model)),
        *("--host", HOST, "--port", str(port), "--n_ctx", "1024", "--n_threads", "1"),
        *("--interrupt_requests", "false"),
    )
    with _started(command, {}, port, "/v1/models", folder / "llama-cpp-python.log") as pid:
        yield OtherServer(f"http://{HOST}:{port}", str(model), pid)


def mlx_python() -> Path | None:
    """The Python that has mlx-lm: HARNESS_MLX_PYTHON, or this one; None where there is none."""
    if chosen := os.environ.get("HARNESS_MLX_PYTHON"):
        return Path(chosen)
    return Path(sys.executable) if find_spec("mlx_lm") else None


@contextmanager
def mlx_lm(python: Path, model: Path, folder: Path) -> Iterator[OtherServer]:
    """`mlx_lm.server`, the server of Macs, here on the CPU."""
    port = free_port()
    command = (
        *(str(python), "-m", "mlx_lm", "server", "--model", str(model)),
        *("--host", HOST, "--port", str(port), "--prompt-cache-size", "0"),
    )
    # Without such a folder it does not tell its models; and it asks no hub for them.
    hub = folder / "hub"
    hub.mkdir()
    variables = {"HF_HUB_CACHE": str(hub), "HF_HUB_OFFLINE": "1"}
    with _started(command, variables, port, "/health", folder / "mlx-lm.log") as pid:
        yield OtherServer(f"http://{HOST}:{port}", str(model), pid)


@contextmanager
def _started(
    command: Sequence[str], variables: Mapping[str, str], port: int, path: str, log: Path
) -> Iterator[int]:
    with Supervised(command, {**os.environ, **variables}, log) as process:
        deadline = time.monotonic() + _READY_S
        while status_of(port, path) != http.HTTPStatus.OK:
            is_late = process.exit_code() is not None or time.monotonic() > deadline
            assert not is_late, log.read_text("utf-8", "replace")
            time.sleep(0.05)
        yield process.pid


_HELP = """--model FNAME --ctx-size N --parallel N --host HOST --port PORT --threads N
--threads-batch N --batch-size N --ubatch-size N --n-gpu-layers N"""


def fake_llama_server(path: Path, serve: str, version: str = "version: 77 (abcdef)") -> Path:
    """
    A program that says of itself what a llama-server does.

    Args:
        path: Where it is written.
        serve: Python that it runs when it is to serve, with `arguments` its command line.
        version: What it answers to --version.
    """
    text = f"""#!{sys.executable}
import os, sys, time
arguments = sys.argv[1:]
if arguments == ["--help"]:
    print({_HELP!r})
elif arguments == ["--version"]:
    print({version!r}, file=sys.stderr)
else:
    {serve}
"""
    path.write_text(text, "utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path
