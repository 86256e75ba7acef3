"""The tunnel that `harness rpc serve` prints, through a real ssh server on a machine of its own."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from make.own_machines import OwnMachine, own_machine
from make.servers import free_port
from make.ssh_hosts import SshHosts, needs_sshd, ssh_hosts, ssh_server

from cli.commandline import ONE_THREAD, QUICK, Home, wait_until
from harness.errors import HarnessError
from harness.machine.rpc import greet

pytestmark = [pytest.mark.slow, needs_sshd]

MODEL = "tiny-random"


@pytest.fixture
def studio(tmp_path: Path, home: Home) -> Iterator[tuple[OwnMachine, SshHosts]]:
    """Another machine, which ssh knows as "studio"."""
    with (
        own_machine(1) as machine,
        ssh_hosts(tmp_path, home.cache) as hosts,
        ssh_server(hosts, machine.address, machine.command()) as port,
    ):
        hosts.add("studio", machine.address, port)
        yield machine, hosts


@contextmanager
def tunnel(machine: OwnMachine, hosts: SshHosts, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """What the server there says that the other machine should do, done."""
    asked = machine.harness("rpc", "serve", "--port", str(port), *ONE_THREAD, "--json")
    with subprocess.Popen(asked, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as server:
        try:
            assert server.stdout
            told, _ = json.JSONDecoder().raw_decode(_document(server))
            words = shlex.split(told["tunnel"].replace("HOST", "studio"))
            with subprocess.Popen([words[0], "-F", hosts.config, *words[1:]]) as ssh:
                try:
                    wait_until(lambda: _answers(port), "the tunnel")
                    yield ssh
                finally:
                    ssh.terminate()
        finally:
            server.terminate()


def _document(server: subprocess.Popen[bytes]) -> str:
    assert server.stdout
    lines = [server.stdout.readline().decode()]
    while lines[-1] != "}\n":
        assert lines[-1], "the server ended"
        lines.append(server.stdout.readline().decode())
    return "".join(lines)


def _answers(port: int) -> bool:
    try:
        greet(f"127.0.0.1:{port}")
    except HarnessError:
        return False
    return True


def test_a_model_is_measured_through_it(home: Home, studio: tuple[OwnMachine, SshHosts]) -> None:
    port = free_port()
    with tunnel(*studio, port):
        done = home.harness("run", MODEL, *QUICK, "--rpc", f"127.0.0.1:{port}", "--json")
    assert done.exit_code == 0, done.stderr
    assert home.runs()[0]["outcome"]["status"] == "ok"


def test_it_ends_soon_after_the_cable_is_pulled(
    home: Home, studio: tuple[OwnMachine, SshHosts]
) -> None:
    port = free_port()
    long = ("-w", "tg2000", "--runs", "1", "--trials", "1000", *ONE_THREAD)
    with tunnel(*studio, port) as ssh:
        with home.started("run", MODEL, *long, "--rpc", f"127.0.0.1:{port}") as started:
            started.worker_of_run(1)
            studio[0].pull_cable()
            done = started.done()
        # By itself TCP would hold on for a quarter of an hour, and the harness for 20 minutes.
        assert ssh.wait(30) != 0
    assert done.exit_code == 1
    (run,) = home.runs()
    assert run["outcome"]["reason"] == "aborted"
    assert f"the RPC server 127.0.0.1:{port} stopped answering" in run["outcome"]["message"]
