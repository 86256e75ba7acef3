"""A file measured here and behind a server of the harness's own, from command to page."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from make.servers import fake_llama_server

from cli.commandline import ONE_THREAD, Done, Home
from harness.models.twin.tiny import write_tiny_random
from harness.records.store import load

EXCHANGE = "pp160+tg8"
LOCAL, SERVED = "tiny-random:Q8_0", "tiny-random:Q8_0@llama-server"
QUICK = ("--runs", "1", "--trials", "1", "-w", f"tg8,{EXCHANGE}", *ONE_THREAD)

posix_only = pytest.mark.skipif(os.name == "nt", reason="scripts stand in for programs")


@dataclass(frozen=True)
class Measured:
    home: Home
    done: Done


@pytest.fixture(scope="module")
def measured(new_home: Callable[[], Home]) -> Measured:
    home = new_home()
    return Measured(home, home.harness("run", "tiny-random", "--also-served", *QUICK, "--json"))


def test_both_are_measured_in_each_round_and_kept(measured: Measured) -> None:
    assert measured.done.exit_code == 0, measured.done.stderr
    stored = load(measured.home.record())
    assert {(run.model, run.round) for run in stored.runs} == {(LOCAL, 0), (SERVED, 0)}
    (served,) = [run for run in stored.runs if run.model == SERVED]
    assert served.outcome.status == "ok", served.outcome
    assert served.workloads == (EXCHANGE,)
    assert [mark.at for mark in served.memory] == ["start", "loaded", "end"]
    assert served.load is not None
    trial = next(it for it in served.trials if not it.is_warm_up)
    assert trial.n_tokens == 8
    assert trial.requests[0].server is not None
    log = measured.home.results / (served.log or "")
    assert "model loaded" in log.with_suffix(".server.log").read_text("utf-8", "replace")


def test_the_server_and_its_build_are_named(measured: Measured) -> None:
    (serving,) = measured.done.document["serving"]
    assert (serving["model"], serving["served"], serving["workload"]) == (LOCAL, SERVED, EXCHANGE)
    assert serving["engine"]["binding"] == "llama-cpp-python"
    assert serving["server"]["binding"] == "llama-server"
    assert serving["server"]["binding_version"].startswith("xllamacpp ")
    assert serving["same_build"] is False


@pytest.mark.slow
def test_what_is_stored_is_shown_as_it_was(measured: Measured) -> None:
    shown = measured.home.harness("show", "latest", "--json")
    assert shown.document["serving"] == measured.done.document["serving"]
    page = measured.home.harness("show", "latest", "--html", "page.html")
    assert f"What serving costs: {LOCAL}, {EXCHANGE}" in page.stdout
    html = (measured.home.folder / "page.html").read_text("utf-8")
    assert "What serving costs" in html


def test_no_server_is_left(measured: Measured) -> None:
    commands = (" ".join(it.info["cmdline"] or ()) for it in psutil.process_iter(["cmdline"]))
    results = str(measured.home.folder)
    assert not [it for it in commands if "wheel_server" in it and results in it]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--server-binary", sys.executable), "--server-binary is what --also-served starts"),
        (("--also-served", "--server-binary", "none"), "there is no file none"),
        (("--also-served", "--server-binary", sys.executable), "is no llama-server: its --help"),
        (("--also-served", "--threads", "1,2"), "a single value of each setting"),
        (("--also-served", "-w", "tg8"), "none of tg8 is one; add chat to --workload"),
        (
            ("--also-served", "-w", "chat", "--concurrency", "2"),
            "measure several users of a server with --endpoint",
        ),
        (("--also-served", "--in-turns", "always"), "a server is started for each Run"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(
    home: Home, arguments: tuple[str, ...], words: str
) -> None:
    refused = home.harness("run", "tiny-random", *arguments)
    assert refused.exit_code == 2
    assert words in refused.error()
    assert not home.results.exists()


@pytest.fixture
def cut(measured: Measured, home: Home) -> str:
    """The id of the same record, ended behind its first Run."""
    home.results.mkdir()
    record = measured.home.record()
    head, first, *_ = record.read_text("utf-8").splitlines(keepends=True)
    (home.results / record.name).write_text(head + first, "utf-8")
    return load(record).experiment.id


@pytest.mark.slow
def test_what_is_left_is_measured_with_the_same_build_of_the_server(home: Home, cut: str) -> None:
    done = home.harness("run", "--resume", cut, "--json")
    assert done.exit_code == 0, done.stderr
    stored = load(home.record())
    assert {run.model for run in stored.runs} == {LOCAL, SERVED}
    assert all(run.outcome.status == "ok" for run in stored.runs)
    assert done.document["serving"][0]["served"] == SERVED


@pytest.mark.slow
@posix_only
def test_another_build_of_the_server_does_not_go_on_with_it(
    home: Home, cut: str, tmp_path: Path
) -> None:
    other = fake_llama_server(tmp_path / "llama-server", "pass")
    refused = home.harness("run", "--resume", cut, "--server-binary", other)
    assert refused.exit_code == 1
    assert " was llama-server xllamacpp " in refused.error()
    assert " and is llama-server 77 (abcdef); measure it anew" in refused.error()


@posix_only
@pytest.mark.slow
def test_a_server_that_does_not_come_up_is_a_failed_run_with_its_words(
    home: Home, tmp_path: Path
) -> None:
    model = tmp_path / "tiny.gguf"
    write_tiny_random(model)
    ends = fake_llama_server(
        tmp_path / "llama-server", "print('error: no such device'); sys.exit(1)"
    )
    done = home.harness("run", model, "--also-served", "--server-binary", ends, *QUICK)
    assert done.exit_code == 1
    words = "llama-server ended with exit code 1 before it was ready: error: no such device"
    assert words in " ".join(done.stdout.split())
    failed = [run for run in load(home.record()).runs if run.outcome.status == "failed"]
    assert [run.outcome.reason for run in failed] == ["unreachable"]
    assert failed[0].outcome.log_tail == ("error: no such device",)
