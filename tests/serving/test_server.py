"""A llama-server that the harness starts: what it is told, and that nothing of it stays behind."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
from make.servers import HOST, N_CTX, N_SLOTS, fake_llama_server

from harness.schema.settings import Settings
from harness.serving import server as serving
from harness.serving.process import ServerFailed
from harness.serving.program import ServerSetup, server_program
from harness.serving.server import RunningServer, serve

SETTINGS = Settings(n_threads=1)
posix_only = pytest.mark.skipif(os.name == "nt", reason="scripts stand in for programs")

# Serves the model it is given, tells the process, and waits to be ended.
SERVE_AND_WAIT = """
import sys, time
import psutil
from pathlib import Path
from harness.serving.program import ServerSetup, server_program
from harness.serving.server import serve
from harness.schema.settings import Settings

setup = ServerSetup(Path(sys.argv[1]), Settings(n_threads=1), 256)
with serve(server_program(None), setup, log=Path(sys.argv[2])) as server:
    print(server.pid, psutil.Process(server.pid).ppid(), flush=True)
    time.sleep(60)
"""


def answer(url: str, path: str) -> Any:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    try:
        connection.request("GET", path)
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


def is_gone(pid: int, within_s: float = 10) -> bool:
    deadline = time.monotonic() + within_s
    while psutil.pid_exists(pid):
        if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True  # ended, and not yet fetched by the process that took it over
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_a_server_is_ready_with_the_slots_and_the_context_that_were_asked_for(
    llama_server: RunningServer,
) -> None:
    props = answer(llama_server.url, "/props")
    assert props["total_slots"] == N_SLOTS
    assert props["default_generation_settings"]["n_ctx"] == N_CTX
    assert llama_server.ready_ns > 0
    assert llama_server.failure() is None
    assert psutil.Process(llama_server.pid).is_running()
    assert (llama_server.program.build or "").startswith("xllamacpp 20")


def test_after_the_block_the_server_is_gone_and_its_log_is_there(
    tiny_model: Path, tmp_path: Path
) -> None:
    log = tmp_path / "server.log"
    setup = ServerSetup(tiny_model, Settings(n_threads=2, type_k="q8_0", flash_attn="on"), 256)
    with serve(server_program(None), setup, log=log) as server:
        assert psutil.pid_exists(server.pid)
    assert is_gone(server.pid)
    assert "n_threads = 2" in log.read_text("utf-8", "replace")


@pytest.mark.slow
@pytest.mark.parametrize("how", ["SIGKILL", "SIGTERM", "SIGINT", "supervisor"])
@posix_only
def test_no_server_outlives_who_started_it(tiny_model: Path, tmp_path: Path, how: str) -> None:
    if how == "supervisor" and sys.platform != "linux":
        pytest.skip("only Linux ends a process with its parent")
    command = [sys.executable, "-c", SERVE_AND_WAIT, str(tiny_model), str(tmp_path / "log")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        try:
            assert parent.stdout
            server, supervisor = map(int, parent.stdout.readline().split())
            os.kill(supervisor if how == "supervisor" else parent.pid, _SIGNALS[how])
            assert is_gone(server)
            assert is_gone(supervisor)
        finally:
            parent.kill()


_SIGNALS = {
    "SIGKILL": getattr(signal, "SIGKILL", signal.SIGTERM),
    "SIGTERM": signal.SIGTERM,
    "SIGINT": signal.SIGINT,
    "supervisor": getattr(signal, "SIGKILL", signal.SIGTERM),
}


def test_a_server_that_dies_while_it_serves_says_how(tiny_model: Path, tmp_path: Path) -> None:
    setup = ServerSetup(tiny_model, SETTINGS, 256)
    with serve(server_program(None), setup, log=tmp_path / "log") as server:
        psutil.Process(server.pid).kill()
        failed = server.failure()
    assert failed is not None
    assert str(failed) == (
        "the llama-server of xllamacpp was killed by the system while it served, most likely for "
        "lack of memory"
    )
    assert failed.log_tail


def test_a_file_that_is_no_model_is_refused_with_the_servers_own_words(tmp_path: Path) -> None:
    model = tmp_path / "broken.gguf"
    model.write_bytes(b"GGUF" + bytes(100))
    with (
        pytest.raises(ServerFailed) as failed,
        serve(server_program(None), ServerSetup(model, SETTINGS, 256), log=tmp_path / "log"),
    ):
        pass
    said = str(failed.value)
    assert "before it was ready" in said
    assert "\n" not in said
    assert str(tmp_path) not in said
    assert said.endswith(": gguf_init_from_reader: bad GGUF version: 0")


@posix_only
def test_a_server_that_is_never_ready_is_given_up_and_ended(
    tiny_model: Path, tmp_path: Path
) -> None:
    stays = fake_llama_server(
        tmp_path / "llama-server",
        "print('pid', __import__('os').getpid(), flush=True); time.sleep(60)",
    )
    log = tmp_path / "log"
    with (
        pytest.raises(ServerFailed, match=r"llama-server was not ready after 400 ms: pid"),
        serve(
            server_program(stays),
            ServerSetup(tiny_model, SETTINGS, 256),
            log=log,
            limit_ns=400_000_000,
        ),
    ):
        pass
    assert is_gone(int(log.read_text("utf-8").split()[1]))


@posix_only
@pytest.mark.parametrize(
    ("log", "words"),
    [
        ("error: no such device", ": error: no such device"),
        ("loading\\nout of luck", ": out of luck"),
        ("0.01 E load: bad file\\n0.02 E srv: exiting\\nbye", ": load: bad file"),
        ("0.01 I srv: loading\\n0.02 W srv: ---", "; its log log does not say why"),
        ("", "; its log log does not say why"),
    ],
)
def test_a_binary_that_ends_at_once_is_told_with_its_last_words(
    tiny_model: Path, tmp_path: Path, log: str, words: str
) -> None:
    ends = fake_llama_server(tmp_path / "llama-server", f"print('{log}'); sys.exit(1)")
    with (
        pytest.raises(ServerFailed) as failed,
        serve(server_program(ends), ServerSetup(tiny_model, SETTINGS, 256), log=tmp_path / "log"),
    ):
        pass
    assert str(failed.value) == (f"llama-server ended with exit code 1 before it was ready{words}")
    assert failed.value.exit_code_of_server == 1


def test_a_port_that_was_taken_meanwhile_is_left_for_another(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        taken = other.getsockname()[1]
        ports = iter([taken, serving._free_port()])
        monkeypatch.setattr(serving, "_free_port", lambda: next(ports))
        setup = ServerSetup(tiny_model, SETTINGS, 256)
        with serve(server_program(None), setup, log=tmp_path / "log") as server:
            assert urlsplit(server.url).port != taken
            assert answer(server.url, "/health") == {"status": "ok"}
