"""Who may join what: certificates, versions, ports and names, and a cluster of others."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from make.fleet import Recorder, WorkerProcess, overlap, wait_for, worker

from harness.errors import HarnessError, UsageError
from harness.fleet.cluster import Cluster
from harness.fleet.fleet import measure_fleet
from harness.fleet.order import Certificate, Hello, Refusal, WorkerOrder
from harness.fleet.plan import FleetResult, HostPlan

pytest.importorskip("distributed", reason="the extra `fleet` is not installed")
pytestmark = pytest.mark.slow

TWO_RUNS = ("tiny-random", "--runs", "2", "--trials", "1", "--threads", "1", "-w", "tg700")


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with Cluster.start() as cluster:
        yield cluster


def refusal(cluster: Cluster, place: Path, **changes: object) -> Refusal:
    with worker(cluster, "a", place, **changes) as process:
        answer = process.answer()
        assert process.process.wait(30) == 1
        assert "Traceback" not in process.said()
    assert isinstance(answer, Refusal)
    assert "\n" not in answer.message
    return answer


def test_a_certificate_of_another_fleet_is_refused_on_both_sides(
    cluster: Cluster, tmp_path: Path
) -> None:
    with Cluster.start() as other:
        theirs = other.order_for("a")
        own = {name: getattr(theirs, name) for name in ("ca_pem", "certificate_pem", "key_pem")}
    assert refusal(cluster, tmp_path / "1", **own).reason == "tls"
    # It believes the scheduler, which does not believe it.
    ca_pem = cluster.order_for("a").ca_pem
    assert refusal(cluster, tmp_path / "2", **own | {"ca_pem": ca_pem}).reason == "tls"
    assert not cluster.members()


def test_who_speaks_no_tls_is_not_heard(cluster: Cluster, tmp_path: Path) -> None:
    host, port = cluster.address.removeprefix("tls://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as plain:
        plain.sendall(b"\0" * 64)
        with contextlib.suppress(ConnectionResetError):
            assert plain.recv(1 << 16)[:1] in (b"", b"\x15")  # nothing, or an alert of TLS
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_greet, args=(server,), daemon=True).start()
        address = f"tls://127.0.0.1:{server.getsockname()[1]}"
        assert refusal(cluster, tmp_path / "tmp", scheduler=address).reason == "tls"
    with pytest.raises(UsageError, match="--tls-ca"):
        Cluster.connect("tcp://127.0.0.1:1", None)


def _greet(server: socket.socket) -> None:
    connection, _ = server.accept()
    connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
    connection.close()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"scheduler": "tls://127.0.0.1:9"}, "unreachable"),
        ({"harness_version": "9.9"}, "version"),
        ({"distributed_version": "1.0"}, "distributed-version"),
        ({"scheduler": "tcp://127.0.0.1:9"}, "order"),
    ],
)
def test_a_worker_that_cannot_be_says_why_in_one_line(
    cluster: Cluster, tmp_path: Path, change: dict[str, str], reason: str
) -> None:
    assert refusal(cluster, tmp_path / "tmp", **change).reason == reason


def test_a_port_or_a_name_that_is_taken_is_told_apart(cluster: Cluster, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert refusal(cluster, tmp_path / "1", listen_port=port).reason == "port-in-use"
    with worker(cluster, "a", tmp_path / "2") as first:
        assert isinstance(first.answer(), Hello)
        assert refusal(cluster, tmp_path / "3").reason == "registered"


@dataclass(frozen=True)
class DaskScheduler:
    """An order of it, the options with its certificates, and its process."""

    order: WorkerOrder
    options: list[str]
    process: subprocess.Popen[bytes]


@pytest.fixture
def dask_scheduler(cluster: Cluster, tmp_path: Path) -> Iterator[DaskScheduler]:
    """A scheduler as Dask starts it."""
    order = cluster.order_for("somebody")
    options = []
    for name, text in (
        ("ca", order.ca_pem),
        ("cert", order.certificate_pem),
        ("key", order.key_pem),
    ):
        path = tmp_path / f"{name}.pem"
        path.write_text(text)
        options += [f"--tls-{name}", str(path)]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "distributed.cli.dask_scheduler", "--protocol", "tls"),
            *("--host", "127.0.0.1", "--port", port, "--no-dashboard", "--no-show"),
            *(each.replace("--tls-ca", "--tls-ca-file") for each in options),
        ],
        stderr=subprocess.DEVNULL,
        cwd=tmp_path,
    )
    wait_for(lambda: _answers(int(port)))
    found = order.model_copy(update={"scheduler": f"tls://127.0.0.1:{port}"})
    yield DaskScheduler(found, options, process)
    process.kill()
    process.wait()


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_two_who_ask_one_machine_of_a_cluster_at_once_take_turns(
    dask_scheduler: DaskScheduler, tmp_path: Path
) -> None:
    order, options = dask_scheduler.order, dask_scheduler.options
    address = order.scheduler
    certificate = Certificate(order.ca_pem, order.certificate_pem, order.key_pem)
    process = subprocess.Popen(
        [sys.executable, "-m", "harness", "fleet", "worker", address, "--name", "a", *options],
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"TMPDIR": str(tmp_path)},
    )
    with ExitStack() as stack:
        stack.callback(process.communicate)
        stack.callback(process.kill)
        assert process.stdout
        assert process.stdout.readline().split() == ["Joined", address]
        recorders, found = (Recorder(), Recorder()), list[FleetResult]()

        def ask(number: int) -> None:
            with Cluster.connect(address, certificate) as joined:
                results = tmp_path / f"results-{number}"
                plans = [HostPlan("a", TWO_RUNS)]
                found.append(measure_fleet(plans, "b" * 64, joined, results, recorders[number]))

        threads = [threading.Thread(target=ask, args=(number,)) for number in (0, 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 143
    assert [each.exit_code for each in found] == [0, 0]
    runs = [run for recorder in recorders for run in recorder.runs["a"]]
    assert len(runs) == 4
    assert not overlap(runs)


def test_a_worker_whose_scheduler_says_nothing_any_more_ends(
    dask_scheduler: DaskScheduler, tmp_path: Path
) -> None:
    order = dask_scheduler.order.model_copy(update={"wait_ns": 2 * 10**9})
    with WorkerProcess(order.model_dump_json(), tmp_path / "tmp") as process:
        assert isinstance(process.answer(), Hello)
        dask_scheduler.process.send_signal(signal.SIGSTOP)
        assert process.process.wait(40) == 0


def test_no_scheduler_at_an_address_is_one_line(cluster: Cluster) -> None:
    order = cluster.order_for("a")
    certificate = Certificate(order.ca_pem, order.certificate_pem, order.key_pem)
    with pytest.raises(HarnessError, match="no Dask scheduler answers") as caught:
        Cluster.connect("tls://127.0.0.1:9", certificate)
    assert "\n" not in str(caught.value)
