"""The system's ssh, asked for real: what it lets through, and what its failures mean."""

from __future__ import annotations

import subprocess
from contextlib import closing
from dataclasses import replace
from socket import create_server

import pytest
from hypothesis import given
from hypothesis import strategies as st
from make.servers import free_port
from make.ssh_hosts import SshHosts, needs_sshd, ssh_server

from harness.errors import UsageError
from harness.fleet.ssh import Failure, Tunnel, failure_of, require_host, ssh_command

HERE = "127.0.0.1"


def asked(hosts: SshHosts, host: str, command: str, tunnel: Tunnel | None = None) -> Failure:
    """What comes of a command that ends at once, or of a connection that is none."""
    line = ssh_command(host, command, tunnel, hosts.config)
    done = subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    return failure_of(host, command, done.returncode, done.stderr.splitlines())


def a_tunnel() -> Tunnel:
    return Tunnel.drawn(free_port())


@needs_sshd
def test_a_command_is_run_with_its_input_and_ports_lead_both_ways(loopback: SshHosts) -> None:
    with closing(create_server((HERE, 0))) as scheduler:
        tunnel = Tunnel.drawn(scheduler.getsockname()[1])
        there = f"exec 3<>/dev/tcp/{HERE}/{tunnel.scheduler_port_there}; cat >&3"
        line = ssh_command("here", f"bash -c '{there}'", tunnel, loopback.config)
        with subprocess.Popen(line, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            connection, _ = scheduler.accept()
            assert process.stdin is not None
            process.stdin.write(b"through the tunnel")
            process.stdin.close()
            with closing(connection):
                connection.settimeout(30)
                assert connection.recv(100) == b"through the tunnel"
            assert process.wait(30) == 0


@needs_sshd
def test_a_port_that_is_taken_at_either_end_is_told_from_other_failures(
    loopback: SshHosts,
) -> None:
    with closing(create_server((HERE, 0))) as other:
        taken = other.getsockname()[1]
        there = replace(a_tunnel(), scheduler_port_there=taken)
        here = replace(a_tunnel(), worker_port_here=taken)
        for tunnel in (there, here):
            failure = asked(loopback, "here", "true", tunnel)
            assert failure.is_port_taken
            assert str(taken) in failure.reason
    assert not asked(loopback, "here", "true", a_tunnel()).is_port_taken


@needs_sshd
def test_a_server_that_allows_no_tunnels_is_named_as_one_cause(loopback: SshHosts) -> None:
    with ssh_server(loopback, options={"AllowTcpForwarding": "no"}) as port:
        loopback.add("closed-up", HERE, port)
        failure = asked(loopback, "closed-up", "true", a_tunnel())
    assert failure.is_port_taken
    assert "AllowTcpForwarding" in failure.reason
    assert "--direct" in failure.reason


@needs_sshd
def test_who_is_not_let_in_is_told_how_to_be(loopback: SshHosts) -> None:
    port = free_port()
    loopback.add("nobody", HERE, port, LogLevel="QUIET", RequestTTY="force")
    assert "no ssh server answers" in asked(loopback, "nobody", "true").reason
    with ssh_server(loopback) as port:
        wrong_key = {"IdentityFile": str(loopback.folder / "host_key")}
        loopback.add("another-key", HERE, port, **wrong_key)
        loopback.add("unknown", HERE, port, StrictHostKeyChecking="yes", UserKnownHostsFile="none")
        assert "ssh-copy-id another-key" in asked(loopback, "another-key", "true").reason
        assert "`ssh unknown`" in asked(loopback, "unknown", "true").reason
    nowhere = asked(loopback, "no-such-host.invalid", "true")
    assert nowhere.reason.startswith("there is no such host")
    assert not nowhere.may_pass


@pytest.mark.slow
@needs_sshd
def test_a_program_that_is_not_there_is_told_with_what_to_write(loopback: SshHosts) -> None:
    for command in ("harness", "/nowhere/harness", "~/nowhere/harness"):
        failure = asked(loopback, "here", f"{command} fleet worker -")
        assert failure.reason.startswith(f"`{command}` is not found there")
        assert "--harness" in failure.reason


@pytest.mark.slow
@needs_sshd
def test_a_worker_that_was_killed_may_come_back(loopback: SshHosts) -> None:
    for command in ("kill -9 $$", "sh -c 'kill -9 $$'"):
        failure = asked(loopback, "here", command)
        assert failure == Failure("its worker was killed", may_pass=True)


@pytest.mark.parametrize(
    ("exit_code", "said", "reason"),
    [
        (1, "'harness' is not recognized as an internal or external command,", "is not found"),
        (2, "Error: No such command 'fleet'. Did you mean 'pull'?; see `harness`", "is older"),
        (
            1,
            "Traceback (most recent call last):\n  File x\nModuleNotFoundError: click",
            "its Python cannot run the harness (ModuleNotFoundError: click)",
        ),
        (1, "    match x:\n          ^\nSyntaxError: invalid syntax", "its Python cannot run"),
        (1, "Error: the extra `fleet` is missing", "the extra `fleet` is missing"),
        (5, "\x1b[31m" + "x" * 9999, "[31mxxx"),
        (3, "", "ended with exit code 3 and no word"),
        (255, "Timeout, server studio not responding.", "no answer for 15 s"),
        (255, "ssh: connect to host studio port 22: No route to host", "it does not answer"),
        (255, "client_loop: send disconnect: Broken pipe", "the connection was cut"),
        (255, "Something new", "Something new"),
        (255, "Warning: Permanently added 'x' (ED25519) to the list", "its worker was killed"),
        (255, "** WARNING: connection is not using a post-quantum key", "its worker was killed"),
    ],
)
def test_what_ssh_or_the_far_side_says_becomes_a_sentence(
    exit_code: int, said: str, reason: str
) -> None:
    found = failure_of("studio", "harness", exit_code, [*said.split("\n"), ""]).reason
    assert reason in found
    assert found.isprintable()
    assert len(found) < 1000


@pytest.mark.parametrize(
    "name",
    ["", "-oProxyCommand=x", "a b", "a,b", "a/b", "a\n", "a;b", "@", "user@", "@studio", ":"],
)
def test_what_ssh_would_not_take_for_a_host_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="is no host"):
        require_host(name)


@given(st.integers(1, 65_535))
def test_a_tunnel_has_ports_that_no_system_hands_out_by_itself(port: int) -> None:
    tunnel = Tunnel.drawn(port)
    drawn = (tunnel.scheduler_port_there, tunnel.worker_port, tunnel.worker_port_here)
    assert all(1024 < each < 32_768 for each in drawn)
    assert tunnel.scheduler_port_there != tunnel.worker_port
    assert str(port) in tunnel.options[1]
