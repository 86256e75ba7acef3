"""Links to real workers, over real ssh and without: how they begin, break and end."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from socket import create_server

import psutil
import pytest
from make.ssh_hosts import SshHosts, needs_sshd

from harness.fleet.cluster import Cluster
from harness.fleet.connection import LOCAL, HostUnusable, Reach
from harness.fleet.link import Link, pauses
from harness.fleet.links import HostLinks, Joined
from harness.fleet.order import WorkerOrder
from harness.fleet.ssh import Tunnel

pytestmark = pytest.mark.slow
_PATIENCE_S = 60.0


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with Cluster.start() as made:
        yield made


def order(cluster: Cluster, host: str, tunnel: Tunnel | None) -> WorkerOrder:
    if tunnel is None:
        return cluster.order_for(host)
    return cluster.order_for(host, tunnel.scheduler_there, tunnel.worker_port, tunnel.contact)


def over_ssh(cluster: Cluster, hosts: SshHosts, program: Path) -> Reach:
    port = int(cluster.address.rpartition(":")[2])
    return Reach("here", str(program), hosts.config, port)


def workers() -> list[psutil.Process]:
    """Those of this test's links."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            found += [process] if process.cmdline()[-3:] == ["fleet", "worker", "-"] else []
    return found


def wait_for(is_true: partial[bool]) -> None:
    deadline_s = time.monotonic() + _PATIENCE_S
    while not is_true():
        assert time.monotonic() < deadline_s
        time.sleep(0.05)


def has_joined(cluster: Cluster, host: str) -> bool:
    return host in cluster.hellos()


def test_a_worker_here_joins_is_started_again_and_ends_with_its_link(cluster: Cluster) -> None:
    link = Link(Reach(LOCAL), partial(order, cluster, LOCAL))
    try:
        hello = link.start()
        assert cluster.hellos() == {LOCAL: hello}
        assert link.why_lost(0.0) is None
        (worker,) = workers()
        worker.kill()
        assert link.why_lost(_PATIENCE_S) == "its worker was killed"
        wait_for(partial(has_joined, cluster, LOCAL))
        assert link.why_out is None
    finally:
        link.close()
    assert workers() == []


@needs_sshd
def test_ports_that_are_taken_are_drawn_again(
    cluster: Cluster, loopback: SshHosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Tunnel] = []
    real = Tunnel.drawn
    with closing(create_server(("127.0.0.1", 0))) as other:
        taken = other.getsockname()[1]

        def draw(scheduler_port: int) -> Tunnel:
            fields = ("scheduler_port_there", "worker_port_here", "worker_port")
            tunnel = real(scheduler_port)
            if len(drawn) < len(fields):
                tunnel = replace(tunnel, **{fields[len(drawn)]: taken})
            drawn.append(tunnel)
            return tunnel

        monkeypatch.setattr(Tunnel, "drawn", draw)
        reach = over_ssh(cluster, loopback, loopback.program("here"))
        with HostLinks([reach], lambda host: partial(order, cluster, host)) as links:
            (answer,) = links.started()
            assert isinstance(answer, Joined), answer
            assert has_joined(cluster, "here")
    assert len(drawn) == 4


@needs_sshd
@pytest.mark.parametrize("said", ["Welcome to {here}\\n", "{\\n", "\\x1b[32mhere$\\x1b[0m "])
def test_what_a_shell_prints_first_is_not_taken_for_an_answer(
    cluster: Cluster, loopback: SshHosts, said: str
) -> None:
    program = loopback.program("here", f"print('{said}', end='', flush=True)")
    reach = over_ssh(cluster, loopback, program)
    with HostLinks([reach], lambda host: partial(order, cluster, host)) as links:
        (answer,) = links.started()
        assert isinstance(answer, Joined), answer


@needs_sshd
@pytest.mark.parametrize("program", ["true", "echo {hello}", "head -c 9000000 /dev/zero #"])
def test_a_program_that_is_no_harness_is_told_as_one(
    cluster: Cluster, loopback: SshHosts, program: str
) -> None:
    reach = over_ssh(cluster, loopback, Path(program))
    with HostLinks([reach], lambda host: partial(order, cluster, host)) as links:
        (answer,) = links.started()
    assert isinstance(answer, HostUnusable)
    assert answer.failure.reason.endswith("did not say what it is; see that it is a harness")


@needs_sshd
def test_a_certificate_of_another_fleet_is_refused_in_a_line(
    cluster: Cluster, loopback: SshHosts
) -> None:
    with Cluster.start() as other:

        def foreign(host: str, tunnel: Tunnel | None) -> WorkerOrder:
            mine, theirs = order(cluster, host, tunnel), order(other, host, tunnel)
            pem = ("ca_pem", "certificate_pem", "key_pem")
            return mine.model_copy(update={name: getattr(theirs, name) for name in pem})

        reach = over_ssh(cluster, loopback, loopback.program("here"))
        with HostLinks([reach], lambda host: partial(foreign, host)) as links:
            (answer,) = links.started()
    assert isinstance(answer, HostUnusable)
    assert "certificate" in answer.failure.reason
    assert "\n" not in answer.failure.reason
    assert not answer.failure.may_pass


def test_a_link_that_is_still_being_made_is_closed_at_once(
    cluster: Cluster, tmp_path: Path
) -> None:
    config = tmp_path / "config"
    # Something that accepts and never says a word, as a machine that has just fallen asleep.
    with closing(create_server(("127.0.0.1", 0))) as silent:
        port = silent.getsockname()[1]
        config.write_text(f"Host silent\n  HostName 127.0.0.1\n  Port {port}\n", "utf-8")
        links = HostLinks(
            [Reach("silent", config=config)], lambda host: partial(order, cluster, host)
        )
        timer = threading.Timer(0.5, links.close)
        timer.start()
        (answer,) = links.started()
        timer.join()
    assert isinstance(answer, HostUnusable)
    # Not what ssh says when it has waited in vain.
    assert answer.failure.reason == "its worker was killed"


def test_pauses_grow_and_stay_below_half_a_minute() -> None:
    first = [pause for pause, _ in zip(pauses(), range(8), strict=False)]
    assert first == [1, 2, 4, 8, 16, 30, 30, 30]
