"""Several users of a server from the command line, and the search for the most that it bears."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from make import fault_server
from make.fault_server import CHAT, FaultServer, Script

from cli.commandline import Done, Home
from harness.records.store import load
from harness.serving.server import RunningServer

N_AT_ONCE = 3
LEVEL = ("--slo", "ttft=20s")


@pytest.fixture(scope="module")
def server() -> Iterator[FaultServer]:
    """It bears three users, and sends the fourth away."""
    with fault_server.serving() as it:
        model = {"id": "tiny", "object": "model"}
        it.tells("/v1/models", {"object": "list", "data": [model]})
        # So long that all of those who come together meet, on a machine that is busy too.
        it.says(CHAT, fault_server.answer(("one", "two", "three"), first_s=0.2))
        it.n_at_once = N_AT_ONCE
        yield it


@dataclass(frozen=True)
class Searched:
    home: Home
    done: Done


@pytest.fixture(scope="module")
def searched(server: FaultServer, new_home: Callable[[], Home]) -> Searched:
    home = new_home()
    quick = ("--runs", "1", "--trials", "1", "--json")
    where = ("--endpoint", server.url, "--concurrency", "auto")
    return Searched(home, home.harness("run", *where, *LEVEL, *quick))


@pytest.mark.slow
def test_the_most_users_are_found(searched: Searched) -> None:
    assert searched.done.exit_code == 0, searched.done.stderr
    (loads,) = searched.done.document["loads"]
    assert (loads["largest_kept"], loads["smallest_lost"]) == ("chatx3", "chatx4")
    assert [it["size"] for it in loads["loads"]] == [1, 2, 3, 4]
    lost = loads["loads"][-1]["metrics"]
    assert lost["failed_ratio"]["value"] > 0


@pytest.mark.slow
def test_all_loads_are_in_one_record_which_is_shown_as_it_was(searched: Searched) -> None:
    stored = load(searched.home.record())
    assert [run.workloads[0] for run in stored.runs] == [
        "chat", "chatx2", "chatx4", "chatx4", "chatx3",
    ]  # fmt: skip
    assert stored.end
    assert [stop.reason for stop in stored.end.stops] == ["decided"]
    shown = searched.home.harness("show", "latest")
    text = " ".join(shown.stdout.split())
    assert "chat: 3 users within ttft 20 s (100 % of the requests answered in time" in text
    assert "; not 4 users (" in text
    told = searched.home.harness("show", "latest", "--json")
    assert told.document["loads"] == searched.done.document["loads"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--concurrency", "auto"), "add one, as in --slo ttft=2s,itl=100ms"),
        (("--concurrency", "auto,2", *LEVEL), "auto stands alone"),
        (("--rate", "auto", "-w", "tg8", *LEVEL), "is for one of chat and ppN+tgM"),
    ],
)
def test_what_cannot_be_searched_is_refused_in_a_line(
    home: Home, server: FaultServer, arguments: tuple[str, ...], words: str
) -> None:
    done = home.harness("run", "--endpoint", server.url, *arguments)
    assert done.exit_code == 2
    assert words in done.error()
    assert not home.results.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--concurrency", "auto", *LEVEL), "is for one model of one server"),
        (LEVEL, "--slo is for what a server answers: add --endpoint URL"),
    ],
)
def test_a_file_answers_no_users(home: Home, arguments: tuple[str, ...], words: str) -> None:
    done = home.harness("run", "tiny-random", *arguments)
    assert done.exit_code == 2
    assert words in done.error()


@pytest.mark.slow
def test_several_users_of_a_real_server_are_one_table(
    home: Home, llama_server: RunningServer
) -> None:
    quick = ("-w", "pp120+tg8", "--runs", "1", "--trials", "1")
    loads = ("--concurrency", "1,3", "--rate", "8")
    done = home.harness("run", "--endpoint", llama_server.url, *quick, *loads, "--slo", "ttft=60s")
    assert done.exit_code == 0, done.stderr
    text = " ".join(done.stdout.split())
    assert "pp120+tg8: 3 users within ttft 60 s (100 % of the requests answered in time" in text
    assert "the largest load that was measured" in text
    assert "pp120+tg8 · within ttft 60 s users tok/s" in text
    shown = home.harness("show", "latest", "--json").document
    (closed,) = [it for it in shown["loads"] if it["of"] == "users"]
    one, three = closed["loads"]
    assert (one["size"], three["size"]) == (1, 3)
    for each in (one, three):
        assert each["metrics"]["goodput"] == each["metrics"]["requests_per_s"]


@pytest.mark.slow
def test_a_real_server_that_is_too_slow_for_one_bears_nobody(
    home: Home, llama_server: RunningServer
) -> None:
    auto = ("--concurrency", "auto", "--slo", "ttft=1ms", "-w", "pp400+tg8")
    done = home.harness("run", "--endpoint", llama_server.url, *auto)
    assert done.exit_code == 0, done.stderr
    told = "pp400+tg8: not even 1 user within ttft 1 ms: 0 % of the requests answered in time"
    assert told in " ".join(done.stdout.split())
    assert len(home.runs()) == 2


@pytest.mark.slow
def test_who_presses_ctrl_c_waits_for_no_answer(home: Home) -> None:
    with fault_server.serving() as silent:
        silent.tells("/v1/models", {"object": "list", "data": [{"id": "tiny", "object": "model"}]})
        first = fault_server.answer(("one", "two"))
        silent.says(CHAT, first, first, Script(ending="stall"))
        where = ("--endpoint", silent.url, "--rate", "40")
        with home.started("run", *where, "--timeout", "10m") as started:
            # The first answer, the warm-up, and some that nobody answers.
            while sum(it.path == CHAT for it in silent.requests) < 4:
                time.sleep(0.02)
            started.interrupt()
            began_s = time.monotonic()
            done = started.done()
    assert done.exit_code == 130
    assert time.monotonic() - began_s < 60
    (run,) = load(home.record()).runs
    assert run.outcome.reason == "interrupted"
