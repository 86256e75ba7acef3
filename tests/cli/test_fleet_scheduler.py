"""A Dask scheduler that is there already, with certificates of its own: joined and measured on."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from make.servers import free_port

from cli.commandline import Home, Started, wait_until
from cli.test_fleet import QUICK, records
from harness.fleet.certificates import Authority

_PATIENCE_S = 60
_BACK = "join again when it is back"


def files(folder: Path, name: str, authority: Authority) -> list[str | Path]:
    """The options of whoever is called `name`."""
    made = authority.vouch_for(name)
    texts = {"ca": made.ca_pem, "cert": made.certificate_pem, "key": made.key_pem}
    found: list[str | Path] = []
    for kind, text in texts.items():
        path = folder / f"{name}-{kind}.pem"
        path.write_text(text, "ascii")
        found += [f"--tls-{kind}", path]
    return found


def _is_listening(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


@pytest.fixture
def authority() -> Authority:
    return Authority()


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def scheduler(port: int) -> str:
    return f"tls://127.0.0.1:{port}"


@pytest.fixture
def dask(tmp_path: Path, authority: Authority, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Dask's own scheduler, as whoever runs a cluster starts it."""
    words = [str(word) for word in files(tmp_path, "scheduler", authority)]
    words[0] = "--tls-ca-file"
    line = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1"]
    line += ["--port", str(port), "--protocol", "tls", "--no-dashboard", "--no-show", *words]
    with (tmp_path / "scheduler.log").open("wb") as log:
        process = subprocess.Popen(line, stdout=log, stderr=log, cwd=tmp_path)
        try:
            wait_until(partial(_is_listening, port), "the scheduler")
            yield process
        finally:
            process.terminate()
            process.wait(_PATIENCE_S)


@contextlib.contextmanager
def joined(
    home: Home, scheduler: str, name: str, words: list[str | Path]
) -> Iterator[tuple[Started, Path]]:
    """A worker that has joined, and what it has printed."""
    answer = home.folder / f"{name}.json"
    with (
        answer.open("wb") as stdout,
        home.started(
            *("fleet", "worker", scheduler, "--name", name, "--json", *words),
            stdout=stdout.fileno(),
        ) as started,
    ):
        wait_until(lambda: bool(answer.stat().st_size), "its document")
        yield started, answer


@pytest.mark.slow
@pytest.mark.usefixtures("dask")
def test_machines_that_have_joined_a_cluster_measure_a_plan(
    home: Home, tmp_path: Path, scheduler: str, authority: Authority
) -> None:
    plan = home.folder / "plan.yaml"
    plan.write_text(QUICK + "machines: {ben: {runs: 1}}\n", "utf-8")
    me = files(tmp_path, "me", authority)
    early = home.harness("fleet", "run", plan, "--scheduler", scheduler, *me)
    assert early.exit_code == 1
    assert "no machine has joined" in early.error()
    with (
        joined(home, scheduler, "anna", files(tmp_path, "anna", authority)) as (_, answer),
        joined(home, scheduler, "ben", files(tmp_path, "ben", authority)) as (ben, _),
    ):
        document = json.loads(answer.read_text("utf-8"))
        assert (document["name"], document["scheduler"]) == ("anna", scheduler)
        done = home.harness("fleet", "run", plan, "--scheduler", scheduler, *me)
        assert done.exit_code == 0, done.stderr
        absent = ("--hosts", "ben,cleo", "--scheduler", scheduler, *me)
        refused = home.harness("fleet", "hosts", *absent)
        assert refused.exit_code == 1
        assert "cleo: no worker of that name has joined" in refused.stdout
        ben.interrupt()
        ended = ben.done()
        assert ended.exit_code == 130
        assert ended.stderr == "Ended: nothing is measured here any more.\n"
    stored = records(home.results)
    assert {host: len(each.runs) for host, each in stored.items()} == {"anna": 2, "ben": 1}


@pytest.mark.slow
def test_a_worker_whose_scheduler_ends_says_so_and_ends(
    home: Home,
    tmp_path: Path,
    scheduler: str,
    authority: Authority,
    dask: subprocess.Popen[bytes],
) -> None:
    words = files(tmp_path, "anna", authority)
    with joined(home, scheduler, "anna", words) as (worker, _):
        dask.kill()
        dask.wait()
        done = worker.done()
        assert done.exit_code == 1
        assert (
            done.stderr
            == f"Error: {scheduler}: the scheduler is gone; join again when it is back\n"
        )
    nobody = home.harness("fleet", "worker", scheduler, *words)
    assert nobody.exit_code == 1
    assert "no scheduler answers" in nobody.error()


@pytest.mark.slow
@pytest.mark.usefixtures("dask")
def test_a_certificate_of_another_authority_is_refused_in_a_line(
    home: Home, tmp_path: Path, scheduler: str, authority: Authority
) -> None:
    with joined(home, scheduler, "anna", files(tmp_path, "anna", authority)):
        other = files(tmp_path, "other", Authority())
        worker = home.harness("fleet", "worker", scheduler, "--name", "ben", *other)
        assert worker.exit_code == 1
        assert "certificate" in worker.error()
        submitter = home.harness("fleet", "hosts", "--scheduler", scheduler, *other)
        assert submitter.exit_code == 1
        assert scheduler in submitter.error()


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("a-ca", "a-cert", "b-key"), "b-key.pem is not the key of a-cert.pem"),
        (("a-ca", "a-key", "a-cert"), "are no certificate and its key in PEM"),
        (("a-key", "a-cert", "a-key"), "a-key.pem holds no certificate in PEM"),
    ],
)
def test_files_that_do_not_belong_together_are_named(
    home: Home, authority: Authority, names: tuple[str, str, str], said: str
) -> None:
    for name in "ab":
        files(home.folder, name, authority)
    given = [
        word
        for kind, name in zip(("ca", "cert", "key"), names, strict=True)
        for word in (f"--tls-{kind}", f"{name}.pem")
    ]
    done = home.harness("fleet", "worker", "tls://127.0.0.1:1", *given)
    assert done.exit_code == 1
    assert said in done.error()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("tcp://127.0.0.1:1",), "is no address of a scheduler; write tls://"),
        (("tls://127.0.0.1:99999",), "is no address of a scheduler; write tls://"),
        (("tls://127.0.0.1:1",), "a fleet speaks TLS alone"),
        (("-", "--name", "ben"), "--name is for a cluster that is there"),
        (("tls://127.0.0.1:1", "--name", "-x"), "is no host"),
    ],
)
def test_a_worker_that_cannot_be_is_refused_in_a_line(
    home: Home, words: tuple[str, ...], said: str
) -> None:
    done = home.harness("fleet", "worker", *words)
    assert done.exit_code == 2
    assert said in done.error()
