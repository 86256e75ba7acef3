"""Real RPC servers on the loopback, the real engine over them, and what can befall both."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter_ns

import pytest
from make.own_machines import own_machine
from make.servers import free_port

from harness.errors import HarnessError, UsageError
from harness.machine import rpc as link
from harness.machine.rpc import VERSION, probe
from harness.measure import rpc_watch, watchdog
from harness.measure.jobs.measure import MeasureJob, MeasureReport, TrialEvent, measure
from harness.measure.protocol import Event
from harness.measure.rpc import asked_servers, blamed, is_loopback, open_connections, servers_of
from harness.measure.rpc_serving import Serving, require_host, rpc_served
from harness.measure.runner import describe_engine
from harness.schema.outcome import Outcome
from harness.schema.settings import Settings

posix_only = pytest.mark.skipif(os.name == "nt", reason="a process is stopped by SIGSTOP")
HERE = "127.0.0.1"
LIMIT = 512 << 20


@pytest.fixture(scope="module")
def serving() -> Iterator[Serving]:
    with rpc_served(HERE, free_port(), 1, LIMIT) as server:
        yield server


def over(
    address: str,
    model: Path,
    folder: Path,
    *,
    n_trials: int = 1,
    silence_s: int = 60,
    **more: object,
) -> MeasureReport:
    now = perf_counter_ns()
    job = MeasureJob(
        model_path=str(model),
        settings=Settings(n_threads=1, rpc=(address,)),
        workloads=("tg256",),
        n_trials=n_trials,
        n_trials_max=n_trials,
        seed=1,
        n_cores_logical=2,
        n_cores_usable=2,
        started_ns=now,
        deadline_ns=now + 60 * 10**9,
    )
    return measure(job, log=folder / "run.log", silence_ns=silence_s * 10**9, **more)  # type: ignore[arg-type]


def test_a_server_offers_the_devices_here_with_the_memory_it_is_told(serving: Serving) -> None:
    found = probe(serving.offer.address)
    assert found.version.startswith(f"{VERSION[0]}.{VERSION[1]}.")
    assert found.ping_ns > 0
    assert found.bytes_per_s is not None
    assert [device.total_bytes for device in found.devices] == [LIMIT]
    assert all(device.free_bytes <= LIMIT for device in found.devices)
    # It has one client after the other, and a probe leaves it to the next.
    assert probe(serving.offer.address).devices == found.devices


def test_the_engine_has_the_devices_of_a_server_and_without_one_no_more(serving: Serving) -> None:
    alone = describe_engine()
    assert not any(device.name.startswith("RPC") for device in alone.devices)
    # The library says that it can offload as soon as RPC is built in, also where nothing is there.
    assert alone.supports_gpu_offload == any(device.is_gpu for device in alone.devices)
    both = describe_engine([serving.offer.address])
    (remote,) = (device for device in both.devices if device.name == "RPC0")
    assert remote.description == serving.offer.address
    assert remote.total_bytes == LIMIT
    assert both.supports_gpu_offload


def test_a_port_in_use_is_one_line(serving: Serving) -> None:
    port = link.parted(serving.offer.address)[1]
    with pytest.raises(HarnessError, match=f"{port} cannot be listened at .*take another --port"):
        rpc_served(HERE, port, 1).__enter__()


@posix_only
@pytest.mark.parametrize("number", ["SIGKILL", pytest.param("SIGSTOP", marks=pytest.mark.slow)])
def test_a_server_lost_while_it_decodes_is_the_reason(
    number: str, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "_SILENCE_S", 1.0)
    with rpc_served(HERE, free_port(), 1) as server:

        def lose(event: Event) -> None:
            if isinstance(event, TrialEvent) and not event.trial.is_warm_up:
                kill = threading.Timer(0.05, os.kill, (server.pid, getattr(signal, number)))
                kill.start()

        address = server.offer.address
        report = over(address, tiny_model, tmp_path, n_trials=40, silence_s=5, on_event=lose)
    assert report.trials  # what was measured before is kept
    assert report.outcome.status == "failed"
    assert report.outcome.message is not None
    assert f"the RPC server {address} stopped answering" in report.outcome.message
    if number == "SIGKILL":
        assert report.outcome.reason == "aborted"
        assert "connection refused" in report.outcome.message
    else:
        assert report.outcome.reason == "hung"
        assert "does not answer" in report.outcome.message


@posix_only
@pytest.mark.slow
def test_a_server_that_is_stopped_is_missed_after_trials_that_were_short(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "_SILENCE_S", 1.0)
    monkeypatch.setattr(watchdog, "_LEAST_NS", 3 * 10**9)
    with rpc_served(HERE, free_port(), 1) as server:

        def stop(event: Event) -> None:
            if isinstance(event, TrialEvent) and not event.trial.is_warm_up:
                os.kill(server.pid, signal.SIGSTOP)

        address = server.offer.address
        report = over(address, tiny_model, tmp_path, n_trials=40, silence_s=600, on_event=stop)
    assert report.outcome.reason == "hung"
    assert f"the RPC server {address} stopped answering" in (report.outcome.message or "")
    assert "during tg256, which took" in (report.outcome.message or "")


def test_loading_is_given_its_time_however_short_what_came_before_was(
    serving: Serving, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchdog, "_LEAST_NS", 1)
    report = over(serving.offer.address, tiny_model, tmp_path)
    assert report.outcome.status == "ok", report.outcome.message


@pytest.mark.slow
def test_a_cable_that_is_pulled_while_it_decodes_is_the_reason(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rpc_watch, "_IDLE_S", 1)
    monkeypatch.setattr(rpc_watch, "_INTERVAL_S", 1)
    monkeypatch.setattr(watchdog, "_LEAST_NS", 600 * 10**9)
    with own_machine(1) as other, other.serving() as address:

        def cut(event: Event) -> None:
            if isinstance(event, TrialEvent) and not event.trial.is_warm_up:
                threading.Timer(0.05, other.pull_cable).start()

        report = over(address, tiny_model, tmp_path, n_trials=400, silence_s=600, on_event=cut)
    assert report.trials
    assert report.outcome.reason == "hung"
    assert f"the RPC server {address} was lost during tg256" in (report.outcome.message or "")


@pytest.mark.slow
def test_a_cable_that_is_left_alone_is_no_reason(tiny_model: Path, tmp_path: Path) -> None:
    with own_machine(1) as other, other.serving() as address:
        for _ in range(2):  # the second client finds the server free of the first one's watch
            report = over(address, tiny_model, tmp_path)
            assert report.outcome.status == "ok", report.outcome.message


def test_a_failure_of_which_no_server_is_the_cause_is_left_as_it_is(serving: Serving) -> None:
    addresses = (serving.offer.address,)
    crashed = Outcome(status="failed", reason="aborted", message="the engine aborted")
    assert blamed(crashed, addresses) == crashed
    refused = Outcome(status="failed", reason="context-failed", message="no context")
    assert blamed(refused, ("127.0.0.1:1",)) == refused
    assert blamed(crashed, ()) == crashed
    full = Outcome(status="failed", reason="out-of-memory", message="failed to allocate X buffer")
    assert blamed(full, addresses) == full
    there = full.model_copy(update={"message": "failed to allocate RPC1 buffer of size 7"})
    assert "no more than is free there" in (blamed(there, addresses).message or "")
    lost = crashed.model_copy(update={"log_tail": ("Remote RPC server crashed or returned",)})
    message = blamed(lost, addresses).message
    assert message is not None
    assert message.startswith(
        f"an RPC server ended the connection, and all answer again: {addresses[0]}"
    )


def test_what_cannot_be_with_servers_is_refused() -> None:
    lists = {"rpc": (("a:1",),)}
    assert asked_servers(lists, False, False) == ("a:1",)
    assert asked_servers({}, True, True) == ()
    with pytest.raises(UsageError, match="one client at a time"):
        asked_servers(lists, True, False)
    with pytest.raises(UsageError, match="--also-served"):
        asked_servers(lists, False, True)
    with pytest.raises(UsageError, match="the same servers throughout"):
        servers_of([Settings(n_threads=1), Settings(n_threads=1, rpc=("a:1",))])


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.0.1", "localhost", "LOCALHOST"])
def test_the_loopback_is_listened_at_and_reached_without_a_word(host: str) -> None:
    assert is_loopback(host)
    assert is_loopback(require_host(host, listens_insecurely=False))
    assert not [*open_connections([f"{host}:50052"])]


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.7", "10.0.0.1"])
def test_another_host_has_to_be_asked_for_insecurely(host: str) -> None:
    with pytest.raises(UsageError, match="--listen-insecurely"):
        require_host(host, listens_insecurely=False)
    assert require_host(host, listens_insecurely=True) == host
    (said,) = open_connections([f"{host}:50052"])
    assert "is open" in said


def test_what_is_no_ipv4_address_cannot_be_listened_at() -> None:
    with pytest.raises(UsageError, match="is no IPv4 address"):
        require_host("example.org", listens_insecurely=True)
