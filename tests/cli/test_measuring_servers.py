"""Models that a real server has loaded, measured from the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli.commandline import ONE_THREAD, Home
from harness.records.store import load
from harness.schema.experiment import UNKNOWN_VERSION
from harness.serving.server import RunningServer

QUICK = ("--runs", "2", "--trials", "1", "-w", "pp128+tg8")


@pytest.fixture(scope="module")
def whole(llama_server: RunningServer, new_home: Callable[[], Home]) -> Path:
    """The record of what a server served, which came to its end."""
    home = new_home()
    done = home.harness("run", "--endpoint", llama_server.url, *QUICK)
    assert done.exit_code == 0, done.stderr
    told = " ".join(done.stdout.split())
    assert "served by llama-server" in told
    assert "ctx 2048, slots 2" in told
    return home.record()


@pytest.fixture
def cut(home: Home, whole: Path) -> Callable[..., str]:
    """A record of it that ends behind its first Run; its id."""

    def record(**served: Any) -> str:
        home.results.mkdir()
        first, run, *_ = whole.read_text("utf-8").splitlines(keepends=True)
        head = json.loads(first)
        head["plan"]["models"][0]["served"].update(served)
        head["provenance"]["engine"]["binding_version"] = served.get("version", UNKNOWN_VERSION)
        (home.results / whole.name).write_text(json.dumps(head) + "\n" + run, "utf-8")
        return str(head["id"])

    return record


def test_what_is_left_of_a_plan_is_asked_of_the_server_again(
    home: Home, cut: Callable[..., str]
) -> None:
    name = cut()
    # A server without a key takes any.
    key = ("--api-key-env", "MODELS_KEY")
    done = home.harness("run", "--resume", "latest", "--json", *key, MODELS_KEY="sk-0123")
    assert done.exit_code == 0, done.stderr
    stored = load(home.record())
    assert [(run.index, run.round, run.outcome.status) for run in stored.runs] == [
        (0, 0, "ok"),
        (1, 1, "ok"),
    ]
    (case,) = done.document["cases"]
    assert (done.document["experiment"], case["n_runs"]) == (name, 2)


def test_another_server_does_not_go_on_with_it(home: Home, cut: Callable[..., str]) -> None:
    name = cut(version="b1")
    before = home.record().read_bytes()
    done = home.harness("run", "--resume", name)
    assert done.exit_code == 1
    assert f"{name} cannot go on: the server of tiny" in done.error()
    assert "was llama-server b1 and is llama-server" in done.error()
    assert home.record().read_bytes() == before


def test_a_server_that_is_gone_does_not_go_on(home: Home, cut: Callable[..., str]) -> None:
    name = cut(url="http://127.0.0.1:9")
    done = home.harness("run", "--resume", name)
    assert done.exit_code == 1
    assert "nobody listens at http://127.0.0.1:9" in done.error()


@pytest.mark.slow
def test_a_file_and_its_server_take_turns(
    home: Home, llama_server: RunningServer, tiny_model: Path
) -> None:
    done = home.harness(
        "compare", tiny_model, llama_server.url, "--in-turns", "always", *QUICK, *ONE_THREAD
    )
    assert done.exit_code == 0, done.stderr
    runs = load(home.record()).runs
    assert len(runs) == 4
    assert all(run.is_in_turns and run.outcome.status == "ok" for run in runs)
