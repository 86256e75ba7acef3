"""Code over the wire: tried by every way that Dask has, with a certificate that is valid."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from make.fleet import Recorder, WorkerProcess, worker

from harness.fleet.cluster import Cluster
from harness.fleet.fleet import measure_fleet
from harness.fleet.order import Hello
from harness.fleet.plan import HostPlan

pytest.importorskip("distributed", reason="the extra `fleet` is not installed")
pytestmark = pytest.mark.slow

ROGUE = Path(__file__).parents[1] / "make" / "rogue.py"
ONE_RUN = ("tiny-random", "--runs", "1", "--trials", "1", "--threads", "1", "-w", "tg8")


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with Cluster.start() as cluster:
        yield cluster


@contextlib.contextmanager
def rogue_process(
    what: str, order: dict[str, Any], folder: Path
) -> Iterator[subprocess.Popen[str]]:
    with (folder / f"{what}.err").open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-u", str(ROGUE), what, str(folder / "marker")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            cwd=folder,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )
    assert process.stdin
    process.stdin.write(json.dumps(order) + "\n")
    process.stdin.flush()
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def said(process: subprocess.Popen[str]) -> Any:
    assert process.stdout
    line = process.stdout.readline()
    assert line, "it ended"
    return json.loads(line)


def test_a_hostile_scheduler_has_no_code_run_by_a_worker(cluster: Cluster, tmp_path: Path) -> None:
    order = cluster.order_for("a")
    with rogue_process("scheduler", order.model_dump(mode="json"), tmp_path) as hostile:
        changed = order.model_copy(update={"scheduler": said(hostile)})
        with WorkerProcess(changed.model_dump_json(), tmp_path / "tmp") as process:
            assert isinstance(process.answer(), Hello)
            found = said(hostile)
            assert process.process.poll() is None
    assert "DONE" not in found["attacks"].values(), found
    answer = json.loads(found["afterwards"])
    assert answer["answer"] == "refused"
    assert "job" in answer["message"]


def test_the_same_attacks_reach_a_worker_of_dasks_own(cluster: Cluster, tmp_path: Path) -> None:
    order = cluster.order_for("a").model_dump(mode="json") | {"hello": ""}
    with rogue_process("scheduler", order, tmp_path) as hostile:
        changed = order | {"scheduler": said(hostile)}
        with rogue_process("worker", changed, tmp_path) as victim:
            said(victim)
            found = said(hostile)["attacks"]
    done = {name for name, what in found.items() if what == "DONE"}
    assert done >= {"function", "lambda", "argument", "run", "worker plugin", "raw pickle"}, found


def test_a_hostile_client_has_no_code_run_by_a_scheduler_or_its_workers(
    cluster: Cluster, tmp_path: Path
) -> None:
    with worker(cluster, "a", tmp_path / "tmp") as process:
        process.answer()
        order = cluster.order_for("b").model_dump(mode="json")
        with rogue_process("client", order, tmp_path) as hostile:
            found = said(hostile)
        assert "DONE" not in found["attacks"].values(), found
        plans = [HostPlan("a", ONE_RUN)]
        measured = measure_fleet(plans, "a" * 64, cluster, tmp_path / "results", Recorder())
    assert measured.exit_code == 0


def test_a_hostile_worker_has_no_code_run_by_who_asks_it(cluster: Cluster, tmp_path: Path) -> None:
    with worker(cluster, "a", tmp_path / "tmp") as process:
        hello = process.answer()
        order = cluster.order_for("b").model_dump(mode="json")
        order["hello"] = hello.model_dump_json()
        with rogue_process("worker", order, tmp_path) as hostile:
            said(hostile)
            plans = [HostPlan("b", ONE_RUN), HostPlan("a", ONE_RUN)]
            measured = measure_fleet(plans, "a" * 64, cluster, tmp_path / "results", Recorder())
    assert not (tmp_path / "marker").exists()
    assert set(measured.results) == {"a"}
    assert "b" in measured.failures
