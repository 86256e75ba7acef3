"""A model that goes into no single machine: three of them, with so much memory each."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from make.own_machines import limited, memory_group, own_machine
from make.small_models import SmallLlama, write_small_model

from cli.commandline import QUICK, Done, Home

pytestmark = pytest.mark.slow

LIMIT = 448 << 20
LARGE = SmallLlama("F16", n_layer=20, n_embd=1024, n_ff=4096, n_head=16, n_head_kv=4)
"""Of 582 MiB: more than one of them has, and less than two."""


@dataclass(frozen=True)
class Small:
    """A home on a machine of little memory, a model that is larger, and two servers like it."""

    home: Home
    model: Path
    servers: tuple[str, str]
    group: Path

    def harness(self, *arguments: str) -> Done:
        """`harness ARGUMENTS` there."""
        words = limited(self.group, sys.executable, "-P", "-m", "harness", *arguments)
        there = {"cwd": self.home.folder, "env": self.home.environment(COLUMNS="200")}
        done = subprocess.run(words, capture_output=True, text=True, check=False, **there)  # type: ignore[call-overload]
        return Done(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def small(
    new_home: Callable[[], Home], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Small]:
    with ExitStack() as stack:
        others = [stack.enter_context(own_machine(number, LIMIT)) for number in (1, 2)]
        group = stack.enter_context(memory_group(f"{others[0].name}-client", LIMIT))
        model = write_small_model(tmp_path_factory.mktemp("large") / "large.gguf", LARGE)
        first, second = (stack.enter_context(other.serving()) for other in others)
        yield Small(new_home(), model, (first, second), group)


def fits(small: Small, *options: str) -> str:
    done = small.harness("fit", str(small.model), "--ctx", "512", "--offline", "--json", *options)
    assert done.exit_code == 0, done.stderr
    ((context,),) = ([*model["contexts"]] for model in done.document["models"])
    return str(context["fits"])


def outcome(small: Small, *options: str) -> dict[str, object]:
    done = small.harness("run", str(small.model), *QUICK, "--json", *options)
    assert done.exit_code in (0, 1), done.stderr
    path = max(small.home.results.glob("*.jsonl"))  # names begin with the time
    (run,) = (it for it in map(json.loads, path.read_text("utf-8").splitlines()) if "outcome" in it)
    return {"answer": done.exit_code, "weights": run["weights"], **run["outcome"]}


def test_alone_it_does_not_fit_and_does_not_run(small: Small) -> None:
    assert fits(small) == "no"
    # Mapped, the weights would come from the disk again for each token.
    found = outcome(small, "--load-mode", "none")
    assert (found["answer"], found["reason"]) == (1, "killed")


def test_a_server_tells_the_limit_of_its_machine_and_gives_no_more(small: Small) -> None:
    first, _ = small.servers
    assert fits(small, "--rpc", first) != "yes"
    found = outcome(small, "--rpc", first)
    assert (found["answer"], found["reason"]) == (1, "out-of-memory")
    assert "gives away no more than is free there" in str(found["message"])
    shown = small.harness("show", "latest")
    text = " ".join(shown.stderr.split())
    assert re.search(rf"RPC server {first}: \d+ MiB free of {LIMIT >> 20} MiB", text)


def test_over_both_it_fits_and_runs(small: Small) -> None:
    both = ("--rpc", ",".join(small.servers))
    assert fits(small, *both) == "yes"
    found = outcome(small, *both)
    assert (found["answer"], found["status"]) == (0, "ok"), found["message"]
    assert {"RPC0", "RPC1"} <= {it["device"] for it in found["weights"]}  # type: ignore[attr-defined]
