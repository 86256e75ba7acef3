"""Four machines, each in a network of its own with a real ssh server, which can be cut off."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from make.own_machines import OwnMachine, own_machine
from make.ssh_hosts import SshHosts, needs_sshd, ssh_hosts, ssh_server

from cli.commandline import Home, wait_until
from cli.test_fleet import (
    LONG,
    QUICK,
    assert_one_at_a_time,
    command,
    programs,
    records,
    under_way,
)

pytestmark = [pytest.mark.slow, needs_sshd, pytest.mark.timeout(600)]
# Of the machines that other tests have for themselves at the same time.
_FIRST = 40
NAMES = ("anna", "ben", "cleo", "dan")


@pytest.fixture(scope="module")
def four(
    tmp_path_factory: pytest.TempPathFactory, cache: Path
) -> Iterator[tuple[SshHosts, dict[str, OwnMachine]]]:
    folder = tmp_path_factory.mktemp("hosts")
    with contextlib.ExitStack() as stack:
        hosts = stack.enter_context(ssh_hosts(folder, cache))
        machines = {}
        for number, name in enumerate(NAMES, start=_FIRST):
            machine = machines[name] = stack.enter_context(own_machine(number))
            server = ssh_server(hosts, machine.address, machine.command())
            hosts.add(name, machine.address, stack.enter_context(server))
        yield hosts, machines


@pytest.fixture
def plan(home: Home) -> Path:
    return home.folder / "plan.yaml"


Four = tuple[SshHosts, dict[str, OwnMachine]]


def workers_in(machine: OwnMachine) -> list[int]:
    """What the harness does there."""
    found = []
    for pid in machine.pids():
        with contextlib.suppress(OSError):
            line = Path(f"/proc/{pid}/cmdline").read_bytes()
            found += [pid] if b"start.py" in line or b"harness.measure.worker" in line else []
    return found


def test_four_machines_measure_a_plan(home: Home, plan: Path, four: Four) -> None:
    hosts, _ = four
    plan.write_text(QUICK + programs(hosts, *NAMES), "utf-8")
    done = home.harness(*command(plan, hosts, *NAMES))
    assert done.exit_code == 0, done.stderr
    assert {host: len(it.runs) for host, it in records(home.results).items()} == dict.fromkeys(
        NAMES, 2
    )


def test_a_server_that_allows_no_tunnels_is_measured_directly(
    home: Home, plan: Path, four: Four
) -> None:
    hosts, of_name = four
    machine = of_name["anna"]
    own = {"AllowTcpForwarding": "no"}
    plan.write_text(QUICK + programs(hosts, "closed"), "utf-8")
    with ssh_server(hosts, machine.address, machine.command(), own) as port:
        hosts.add("closed", machine.address, port)
        words = command(plan, hosts, "closed")
        refused = home.harness(*words)
        assert refused.exit_code == 1
        assert "AllowTcpForwarding" in refused.stderr
        done = home.harness(*words, "--direct", machine.gateway)
    assert done.exit_code == 0, done.stderr
    assert len(records(home.results)["closed"].runs) == 2


def test_a_link_that_is_cut_is_made_again_and_the_others_go_on(
    home: Home, plan: Path, four: Four
) -> None:
    hosts, of_name = four
    plan.write_text(LONG + programs(hosts, *NAMES), "utf-8")
    with under_way(home, command(plan, hosts, *NAMES)) as started:
        of_name["ben"].pull_cable()
        try:
            started.said("Warning: ben is lost (no answer for 15 s)")
            others = set(NAMES) - {"ben"}
            wait_until(
                lambda: all(it.end for host, it in records(home.results).items() if host in others),
                "the end of the others",
            )
        finally:
            of_name["ben"].plug_in_cable()
        done = started.done()
    assert done.exit_code == 0, done.stderr
    assert "ben   is back" in done.stderr
    stored = records(home.results)
    assert {host: len(it.runs) for host, it in stored.items()} == dict.fromkeys(NAMES, 6)
    for each in stored.values():
        assert_one_at_a_time([each])


def test_a_machine_that_sleeps_is_waited_for(home: Home, plan: Path, four: Four) -> None:
    hosts, of_name = four
    plan.write_text(LONG + programs(hosts, "anna", "ben"), "utf-8")
    with under_way(home, command(plan, hosts, "anna", "ben")) as started:
        of_name["ben"].signal_all(signal.SIGSTOP)
        try:
            started.said("Warning: ben is lost")
        finally:
            of_name["ben"].signal_all(signal.SIGCONT)
        done = started.done()
    assert done.exit_code == 0, done.stderr
    stored = records(home.results)
    assert {host: len(it.runs) for host, it in stored.items()} == {"anna": 6, "ben": 6}
    assert_one_at_a_time([stored["ben"]])


def test_a_machine_that_stays_away_is_left_for_the_next_time(
    home: Home, plan: Path, four: Four
) -> None:
    hosts, of_name = four
    plan.write_text(LONG + programs(hosts, "anna", "ben"), "utf-8")
    words = command(plan, hosts, "anna", "ben")
    with under_way(home, [*words, "--patience", "5s"]) as started:
        of_name["ben"].pull_cable()
        try:
            done = started.done()
        finally:
            of_name["ben"].plug_in_cable()
    assert done.exit_code == 1
    assert "To go on with ben: the same command again." in done.stdout + done.stderr
    wait_until(lambda: not workers_in(of_name["ben"]), "the end of the worker that was cut off")
    again = home.harness(*words)
    assert again.exit_code == 0, again.stderr
    stored = records(home.results)
    assert {host: len(it.runs) for host, it in stored.items()} == {"anna": 6, "ben": 6}
    assert_one_at_a_time([stored["ben"]])
