"""Workers of a fleet as real processes on the loopback interface, and who watches them."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import psutil

from harness.files import FetchProgress
from harness.fleet.cluster import Cluster
from harness.fleet.order import Hello, Refusal, read_answer
from harness.schema.configuration import Configuration
from harness.schema.experiment import Run, Stop
from harness.schema.moment import utc_time

WORKER = (sys.executable, "-m", "harness", "fleet", "worker", "-")
_PATIENCE_S = 60.0


class WorkerProcess:
    """`harness fleet worker -` with an order; a context manager, at whose end it is gone."""

    def __init__(self, order: str, place: Path) -> None:
        place.mkdir(parents=True, exist_ok=True)
        temporary = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(place))
        self._stderr = place / "stderr.txt"
        with self._stderr.open("w") as stderr:
            self.process = subprocess.Popen(
                WORKER,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                cwd=place,
                env=os.environ | temporary,
                start_new_session=True,
            )
        assert self.process.stdin
        self.process.stdin.write(order.encode() + b"\n")
        self.process.stdin.flush()

    def answer(self) -> Hello | Refusal:
        """Its one line."""
        assert self.process.stdout
        return read_answer(self.process.stdout.readline())

    def said(self) -> str:
        """What it said to a person."""
        return self._stderr.read_text()

    def measuring(self) -> psutil.Process:
        """The process that measures for it, as soon as there is one."""
        own = psutil.Process(self.process.pid)
        found: psutil.Process = wait_for(lambda: next(filter(_measures, own.children()), None))
        return found

    def end(self) -> int:
        """Its exit code, after its input has ended."""
        assert self.process.stdin
        self.process.stdin.close()
        return self.process.wait(_PATIENCE_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe
            with contextlib.suppress(BrokenPipeError):
                pipe.close()


@contextlib.contextmanager
def worker(cluster: Cluster, host: str, place: Path, **changes: Any) -> Iterator[WorkerProcess]:
    """A worker of `cluster` that is called `host`, with a lock of its own in `place`."""
    order = cluster.order_for(host).model_copy(update=changes)
    with WorkerProcess(order.model_dump_json(), place) as process:
        yield process


def wait_for(what: Callable[[], Any]) -> Any:
    """What it gives, as soon as that is something."""
    until = time.monotonic() + _PATIENCE_S
    while time.monotonic() < until:
        if found := what():
            return found
        time.sleep(0.02)
    raise AssertionError("nothing came")


def _measures(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return "harness.measure.worker" in process.cmdline()
    return False


@dataclass
class Recorder:
    """
    What a fleet's observer was told, in order; `on_sent` is called for each cell and `on_lost` for
    each loss, in a thread of its own, since the fleet waits for whom it tells.
    """

    told: list[tuple[str, str]] = field(default_factory=list)
    runs: dict[str, list[Run]] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    on_sent: Callable[[str, int], None] = lambda host, number: None
    on_lost: Callable[[str], None] = lambda host: None
    changed: threading.Condition = field(default_factory=threading.Condition)

    def joined(self, host: str, hello: Hello) -> None:
        self._tell("joined", host)

    def prepared(self, host: str, experiment: object, notes: Sequence[str]) -> None:
        self._tell("prepared", host)

    def fetching(self, host: str, progress: FetchProgress) -> None:
        self._tell(f"fetching {progress.name}", host)

    def resumed(self, host: str, runs: Sequence[Run], stops: Sequence[Stop]) -> None:
        self._tell("resumed", host)

    def waiting(self, host: str, message: str) -> None:
        self._tell("waiting", host)

    def cell_sent(self, host: str, number: int, configuration: Configuration, n_left: int) -> None:
        self._tell("sent", host)
        threading.Thread(target=self.on_sent, args=(host, number), daemon=True).start()

    def run_finished(self, host: str, run: Run, stop: Stop | None) -> None:
        self.runs.setdefault(host, []).append(run)
        self._tell("finished a Run", host)

    def lost(self, host: str, reason: str) -> None:
        self._tell("lost", host)
        threading.Thread(target=self.on_lost, args=(host,), daemon=True).start()

    def back(self, host: str) -> None:
        self._tell("back", host)

    def gave_up(self, host: str, reason: str) -> None:
        self.reasons[host] = reason
        self._tell("gave up", host)

    def finished(self, host: str, result: object) -> None:
        self._tell("finished", host)

    def of(self, host: str) -> list[str]:
        """What was told of a host."""
        return [what for what, name in self.told if name == host]

    def _tell(self, what: str, host: str) -> None:
        with self.changed:
            self.told.append((what, host))
            self.changed.notify_all()


def overlap(runs: Sequence[Run]) -> bool:
    """Whether two of the Runs measured at the same time; when they began is known by the second."""
    spans = sorted((utc_time(run.started_at).timestamp(), run.duration_ns / 1e9) for run in runs)
    ends = [start + duration for start, duration in spans]
    return any(start + 1 < end for (start, _), end in zip(spans[1:], ends[:-1], strict=True))
