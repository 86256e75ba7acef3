"""`harness fleet`, as its user meets it: real ssh, real workers, the engine on a tiny model."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import pytest
from make.ssh_hosts import SshHosts, needs_sshd, ssh_hosts, ssh_server

from cli.commandline import Done, Home, Started, is_gone, wait_until
from harness.records.store import StoredExperiment, load

HERE = "127.0.0.1"
QUICK = "models: tiny-random\nworkload: tg8\nruns: 2\ntrials: 1\nthreads: 1\ncold-loads: 0\n"
# A Run of it is longer than what the whole seconds of a record may hide.
SLOW = QUICK.replace("tg8", "sustain3")
# Time to do something to it before it is over.
LONG = QUICK.replace("runs: 2", "runs: 6").replace("tg8", "sustain1") + "precision: 0.001\n"


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[SshHosts]:
    """Two hosts of one ssh server, each with a lock of its own."""
    folder = tmp_path_factory.mktemp("hosts")
    with ssh_hosts(folder, cache) as made, ssh_server(made) as port:
        for name in ("one", "two"):
            made.add(name, HERE, port)
        made.add("three", HERE, port)
        yield made


@pytest.fixture
def plan(home: Home) -> Path:
    return home.folder / "plan.yaml"


def programs(hosts: SshHosts, *names: str) -> str:
    """What a plan says of where harness is on them."""
    lines = [f"  {name}: {{harness: {hosts.program(name)}}}" for name in names]
    return "\n".join(("machines:", *lines, ""))


def command(plan: Path, hosts: SshHosts, *names: str) -> list[str | Path]:
    return ["fleet", "run", plan, "--ssh-config", hosts.config, "--hosts", ",".join(names)]


def records(results: Path) -> dict[str, StoredExperiment]:
    """By host, what was measured on it; no host has two."""
    found: dict[str, StoredExperiment] = {}
    for path in results.glob("*.jsonl"):
        stored = load(path)
        assert stored.experiment.fleet is not None
        assert found.setdefault(stored.experiment.fleet.host, stored) is stored
    return found


def spans(stored: Sequence[StoredExperiment]) -> list[tuple[float, float]]:
    """When each Run began and ended, in order."""
    found = []
    for each in stored:
        for run in each.runs:
            began_s = datetime.fromisoformat(str(run.started_at)).timestamp()
            found.append((began_s, began_s + run.duration_ns / 1e9))
    return sorted(found)


def assert_one_at_a_time(stored: Sequence[StoredExperiment]) -> None:
    """Runs begin and end one after the other, as far as whole seconds of a clock tell."""
    for (_, ended_s), (began_s, _) in pairwise(spans(stored)):
        assert began_s >= ended_s - 1.0


@pytest.mark.parametrize(
    ("text", "more", "said"),
    [
        (QUICK, (), "name the machines: --hosts laptop,studio (local is this one)"),
        (QUICK, ("--hosts", "a,a"), "a is named twice"),
        (QUICK, ("--hosts", "-oProxyCommand=x"), "is no host"),
        (QUICK, ("--hosts", "local", "--direct", "x:y:z"), "'x:y:z' is no address"),
        (QUICK, ("--hosts", "local", "--tls-ca", "plan.yaml"), "belong together; name all three"),
        (QUICK + "jsonl: true\n", ("--hosts", "local"), "jsonl: it is no option of `harness run`"),
        (QUICK + "wait: 3m\n", ("--hosts", "local"), "wait: it is no option of `harness run`"),
        (QUICK + "flash-attn: maybe\n", ("--hosts", "local"), "flash-attn: 'maybe' is not one of"),
        (QUICK + "draft-max: 4\n", ("--hosts", "local"), "for local: --draft-max has no effect"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line_before_any_machine_is_asked(
    home: Home, plan: Path, text: str, more: tuple[str, ...], said: str
) -> None:
    plan.write_text(text, "utf-8")
    done = home.harness("fleet", "run", plan, *more)
    assert done.exit_code == 2
    assert said in done.error()


def test_a_plan_that_is_not_there_is_told(home: Home, plan: Path) -> None:
    done = home.harness("fleet", "run", plan, "--hosts", "local")
    assert done.exit_code == 2
    assert "there is no file" in done.error()


@pytest.mark.skipif(sys.platform != "linux", reason="needs a folder that takes no files")
def test_a_folder_that_takes_no_records_is_told_before_any_machine_is_asked(
    home: Home, plan: Path
) -> None:
    plan.write_text(QUICK, "utf-8")
    more = ("--hosts", "no-such-host.invalid", "--results", "/proc/results")
    done = home.harness("fleet", "run", plan, *more)
    assert done.exit_code == 1
    assert "/proc/results cannot be written" in done.error()


@pytest.mark.slow
@needs_sshd
def test_a_record_that_cannot_be_read_is_named_before_its_plan_is_measured_anew(
    home: Home, plan: Path
) -> None:
    plan.write_text(QUICK, "utf-8")
    home.results.mkdir(exist_ok=True)
    (home.results / "damaged.jsonl").write_bytes(b"\xff\x00\n")
    done = home.harness("fleet", "run", plan, "--hosts", "no-such-host.invalid")
    assert done.exit_code == 1
    assert done.stderr.count("damaged.jsonl is not an experiment file") == 1


@pytest.mark.slow
@needs_sshd
def test_two_machines_measure_a_plan_and_stand_side_by_side(
    home: Home, plan: Path, hosts: SshHosts
) -> None:
    plan.write_text(QUICK + programs(hosts, "one", "two"), "utf-8")
    done = home.harness(*command(plan, hosts, "one", "two", "local"))
    assert done.exit_code == 0, done.stderr
    assert "plan.yaml is measured on 3 of 3 machines: 6 Runs." in done.stdout
    assert "Idle worker: " in done.stdout
    for host in ("one", "two", "local"):
        assert f"{host:<5}  run  1  " in done.stderr
    stored = records(home.results)
    assert set(stored) == {"one", "two", "local"}
    assert all(len(each.runs) == 2 and each.end for each in stored.values())
    again = home.harness(*command(plan, hosts, "one", "two", "local"), "--json")
    assert again.exit_code == 0, again.stderr
    assert {each["host"]: each["n_runs"] for each in again.document["machines"]} == {
        "one": 2,
        "two": 2,
        "local": 2,
    }
    assert len(records(home.results)) == 3
    shown = home.harness("show", "latest")
    assert shown.exit_code == 0, shown.stderr


@pytest.mark.slow
@needs_sshd
def test_a_damaged_record_costs_its_machine_a_line_and_the_others_go_on(
    home: Home, plan: Path, hosts: SshHosts
) -> None:
    plan.write_text(QUICK + programs(hosts, "one"), "utf-8")
    both = command(plan, hosts, "one", "local")
    assert home.harness(*both).exit_code == 0
    before = records(home.results)
    damaged = before["one"].path
    lines = damaged.read_bytes().splitlines(keepends=True)
    damaged.write_bytes(b"".join((lines[0], b"{}\n", *lines[2:])))
    cut = before["local"].path
    cut.write_bytes(b"".join(cut.read_bytes().splitlines(keepends=True)[:2]))
    done = home.harness(*both, "--json")
    assert done.exit_code == 1, done.stderr
    one, local = done.document["machines"]
    assert (one["state"], local["state"], local["n_runs"]) == ("failed", "complete", 2)
    assert damaged.name in one["reason"]
    assert b"{}\n" in damaged.read_bytes()


@pytest.mark.slow
@needs_sshd
def test_a_machine_that_cannot_be_used_costs_a_line_and_the_others_go_on(
    home: Home, plan: Path, hosts: SshHosts
) -> None:
    older = hosts.program("three", "import harness\nharness.__version__ = '0.0.1'")
    text = f"  three: {{harness: {older}}}\n  two: {{harness: /nowhere/harness}}\n"
    plan.write_text(QUICK + programs(hosts, "one") + text, "utf-8")
    names = ("one", "two", "three", "no-such-host.invalid")
    done = home.harness(*command(plan, hosts, *names), "--json")
    assert done.exit_code == 1
    machines = {each["host"]: each for each in done.document["machines"]}
    assert machines["one"]["state"] == "complete"
    assert {machines[name]["state"] for name in names[1:]} == {"unreachable"}
    assert "`/nowhere/harness` is not found there" in machines["two"]["reason"]
    assert "0.0.1" in machines["three"]["reason"]
    assert "there is no such host" in machines[names[3]]["reason"]
    warned = [line for line in done.stderr.splitlines() if line.startswith("Warning: ")]
    for name in names[1:]:
        assert len([line for line in warned if line.startswith(f"Warning: {name}: ")]) == 1
    assert "Traceback" not in done.stderr


WITHOUT_EXTRA = """
import importlib.util
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: find(name, *more) if name != "distributed" else None
"""


@pytest.mark.slow
@needs_sshd
@pytest.mark.parametrize(
    ("before", "said"),
    [
        ("import distributed\ndistributed.__version__ = '2020.1.0'", "2020.1.0"),
        (WITHOUT_EXTRA, "the extra `fleet` is not installed there: pip install"),
        ("raise ImportError('click')", "its Python cannot run the harness (ImportError: click)"),
    ],
)
def test_what_a_machine_lacks_is_told_in_a_line(
    home: Home, hosts: SshHosts, before: str, said: str
) -> None:
    done = home.harness(
        *("fleet", "hosts", "--hosts", "three", "--ssh-config", hosts.config),
        *("--harness", hosts.program("three", before), "--json"),
    )
    assert done.exit_code == 1
    (host,) = done.document["hosts"]
    assert said in host["reason"]
    assert "\n" not in host["reason"]


@pytest.mark.slow
@needs_sshd
def test_hosts_are_told_with_what_they_are(home: Home, plan: Path, hosts: SshHosts) -> None:
    program = hosts.program("one")
    given = ("--hosts", "one,local", "--ssh-config", hosts.config, "--harness", program)
    done = home.harness("fleet", "hosts", *given)
    assert done.exit_code == 0, done.stderr
    rows = [line for line in done.stdout.splitlines() if line.startswith(("one ", "local "))]
    assert len(rows) == 2
    assert done.stderr == "Reaching 2 machines.\n"
    assert not list(home.results.glob("*"))
    # A plan knows what starts the harness there.
    plan.write_text(QUICK + programs(hosts, "one"), "utf-8")
    document = home.harness("fleet", "hosts", plan, *given[:4], "--json").document
    for each in document["hosts"]:
        assert each["reason"] is None
        assert each["ping_ns"] > 0
        assert abs(each["clock_offset_ns"]) < 60e9
        assert each["worker"]["rss_bytes"] > 0


@pytest.mark.slow
@needs_sshd
def test_a_clock_that_differs_is_told_and_kept_and_nothing_else(
    home: Home, plan: Path, hosts: SshHosts
) -> None:
    ahead = "import time; now = time.time_ns; time.time_ns = lambda: now() + 3600 * 10**9"
    program = hosts.program("three", ahead)
    plan.write_text(QUICK, "utf-8")
    done = home.harness(*command(plan, hosts, "three"), "--harness", program)
    assert done.exit_code == 0, done.stderr
    assert "Warning: three: its clock is " in done.stderr
    assert " ahead; the record keeps that." in done.stderr
    (stored,) = records(home.results).values()
    assert stored.experiment.fleet is not None
    offset_ns = stored.experiment.fleet.clock_offset_ns
    assert offset_ns is not None
    assert abs(offset_ns - 3600 * 10**9) < 60 * 10**9


def of_host(hosts: SshHosts, name: str) -> list[psutil.Process]:
    """All that the harness does on that host."""
    start = str(hosts.folder / name / "start.py")
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if start in process.cmdline() and "worker" in process.cmdline():
                found += [process, *process.children(recursive=True)]
    return found


def runs_in(results: Path) -> int:
    """How many Runs are on the disk."""
    lines = (path.read_text("utf-8").splitlines() for path in results.glob("*.jsonl"))
    return sum('"kind":"run"' in line for each in lines for line in each)


@contextlib.contextmanager
def under_way(home: Home, words: Sequence[str | Path], n_runs: int = 1) -> Iterator[Started]:
    """A fleet that has kept some Runs already."""
    with home.started(*words) as started:
        wait_until(lambda: runs_in(home.results) >= n_runs, "the first Runs")
        yield started


def ends(hosts: SshHosts, *names: str) -> None:
    """Nothing of the harness is left on these hosts after a while."""
    for name in names:
        wait_until(partial(_is_quiet, hosts, name), f"the end of all on {name}")


def _is_quiet(hosts: SshHosts, name: str) -> bool:
    return all(map(is_gone, of_host(hosts, name)))


@pytest.mark.slow
@needs_sshd
@pytest.mark.parametrize("end", ["interrupt", "terminate", "kill"])
def test_whoever_ends_it_loses_no_run_and_leaves_nothing_running(
    home: Home, plan: Path, hosts: SshHosts, end: str
) -> None:
    plan.write_text(LONG + programs(hosts, "one", "two"), "utf-8")
    words = command(plan, hosts, "one", "two")
    with under_way(home, words, 3) as started:
        if end == "interrupt":
            started.interrupt()
        elif end == "terminate":
            started.signal(signal.SIGTERM)
        else:
            started.kill()
        if end != "kill":
            done: Done = started.done()
            assert done.exit_code == (130 if end == "interrupt" else 143), done.stderr
            assert "the same command again" in done.stderr + done.stdout
            assert "Traceback" not in done.stderr
    ends(hosts, "one", "two")
    if end == "kill":
        _keeps_what_is_there(home, plan, hosts)
    before = {host: each.runs for host, each in records(home.results).items()}
    assert sum(map(len, before.values())) >= 3
    again = home.harness(*words)
    assert again.exit_code == 0, again.stderr
    after = records(home.results)
    for host, runs in before.items():
        kept = [run for run in runs if run.outcome.reason != "interrupted"]
        assert list(after[host].runs)[: len(kept)] == kept
    for each in after.values():
        good = [run for run in each.runs if run.outcome.status == "ok"]
        assert len(good) == 6
    assert_one_at_a_time([after["one"]])
    assert_one_at_a_time([after["two"]])


def _keeps_what_is_there(home: Home, plan: Path, hosts: SshHosts) -> None:
    """Of machines that cannot be reached the figures of before are shown."""
    n_runs = {host: len(each.runs) for host, each in records(home.results).items()}
    nobody = hosts.folder / "nobody"
    nobody.touch()
    words = command(plan, hosts, "one", "two")
    words[words.index("--ssh-config") + 1] = nobody
    done = home.harness(*words, "--json")
    assert done.exit_code == 1
    machines = done.document["machines"]
    assert {each["state"] for each in machines} == {"unreachable"}
    assert {each["host"]: each["n_runs"] for each in machines} == n_runs


@pytest.mark.slow
@needs_sshd
def test_results_that_go_away_are_kept_elsewhere_and_no_plan_is_called_measured(
    home: Home, plan: Path, hosts: SshHosts
) -> None:
    plan.write_text(LONG + programs(hosts, "one", "two"), "utf-8")
    words = command(plan, hosts, "one", "two")
    with under_way(home, [*words, "--json"], 2) as started:
        shutil.rmtree(home.results)
        done = started.done()
    assert done.exit_code == 1
    assert "Traceback" not in done.stderr
    for each in done.document["machines"]:
        assert each["state"] == "interrupted"
        assert "was removed by another program" in each["reason"]
        assert len(load(Path(each["path"])).runs) == each["n_runs"] < 6
    again = home.harness(*words)
    assert again.exit_code == 0, again.stderr
    assert {len(it.runs) for it in records(home.results).values()} == {6}


@pytest.mark.slow
@needs_sshd
def test_a_worker_that_is_killed_is_started_again_and_its_run_made_again(
    home: Home, plan: Path, hosts: SshHosts
) -> None:
    plan.write_text(LONG + programs(hosts, "one", "two"), "utf-8")
    with under_way(home, command(plan, hosts, "one", "two")) as started:
        for process in of_host(hosts, "one"):
            with contextlib.suppress(psutil.Error):
                process.kill()
        done = started.done()
    assert done.exit_code == 0, done.stderr
    assert "Warning: one is lost (its worker was killed)" in done.stderr
    assert "one  is back" in done.stderr
    stored = records(home.results)
    assert {host: len(each.runs) for host, each in stored.items()} == {"one": 6, "two": 6}
    assert_one_at_a_time([stored["one"]])


@pytest.mark.slow
@needs_sshd
def test_two_who_measure_the_same_machines_take_turns(
    home: Home, plan: Path, hosts: SshHosts
) -> None:
    plan.write_text(SLOW + programs(hosts, "one", "two"), "utf-8")
    words = command(plan, hosts, "one", "two")
    other = home.folder / "other"
    with home.started(*words) as first, home.started(*words, "--results", other) as second:
        for each in (first, second):
            done = each.done()
            assert done.exit_code == 0, done.stderr
    mine, theirs = records(home.results), records(other)
    for host in ("one", "two"):
        assert len(mine[host].runs) == len(theirs[host].runs) == 2
        assert_one_at_a_time([mine[host], theirs[host]])


@pytest.mark.slow
@needs_sshd
@pytest.mark.skipif(os.name == "nt", reason="a process is stopped by SIGSTOP")
def test_a_machine_that_sleeps_is_waited_for(home: Home, plan: Path, hosts: SshHosts) -> None:
    plan.write_text(LONG + programs(hosts, "one", "two"), "utf-8")
    words: list[Any] = command(plan, hosts, "one", "two")
    with under_way(home, words) as started:
        asleep = [*of_host(hosts, "one")]
        asleep += [each for each in asleep[0].parents() if each.name().startswith("sshd")]
        for each in asleep:
            with contextlib.suppress(psutil.Error):
                each.suspend()
        started.said("one is lost")
        time.sleep(1.0)
        for each in asleep:
            with contextlib.suppress(psutil.Error):
                each.resume()
        done = started.done()
    assert done.exit_code == 0, done.stderr
    assert "one  is back" in done.stderr
    stored = records(home.results)
    assert {host: len(each.runs) for host, each in stored.items()} == {"one": 6, "two": 6}
    assert_one_at_a_time([stored["one"]])
