"""
Whether as many guesses of a draft are accepted here as llama-server accepts.

    python -m benchmarks.speculation MODEL DRAFT
"""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter_ns
from typing import Any

import click
from tabulate import tabulate

from benchmarks import sweeps
from harness.engine.library import Engine
from harness.engine.model import load_model
from harness.measure.drafts import DRAFT_MAX
from harness.measure.jobs.measure import MeasureJob, measure
from harness.measure.jobs.task_texts import TASK_TEXTS
from harness.models.download import download_all
from harness.schema.settings import Settings
from harness.schema.workload_tasks import TASK_CONTEXT, TASK_PROMPTS, TASK_TOKENS

_SAME = 0.02
_PATIENCE_S = 600

_HELP = """
Answer the texts of all tasks with MODEL while DRAFT guesses, once in process and once with the
llama-server of the extra `serve`, and compare how many guesses were accepted.

Both get the same text, are greedy, guess as many tokens, however unsure, and never end early. They
are other builds with other kernels, so answers part at near ties, and with them what is guessed: of
20 answers the accepted shares should still be within 0.02 of each other. Nothing is said of speed.
"""


@dataclass(frozen=True)
class Guesses:
    """Guessed tokens of all answers to a task, and how many of them were right."""

    n_drafted: int
    n_accepted: int

    @property
    def share(self) -> float:
        """Of the guessed tokens, those that were right."""
        return self.n_accepted / max(1, self.n_drafted)


Side = Mapping[str, Guesses]
"""By task."""


@click.command(help=_HELP)
@click.argument("model")
@click.argument("draft")
@click.option("--draft-max", default=DRAFT_MAX, show_default=True, type=click.IntRange(1))
@sweeps.common_options
def main(
    model: str,
    draft: str,
    draft_max: int,
    seed: int,  # noqa: ARG001 - nothing is drawn
    threads: int | None,
    wait: int,
    as_json: bool,
) -> None:
    _, settings = sweeps.machine_and_settings(threads)
    paths = [local.path for local in download_all([model, draft])]
    settings = settings.model_copy(update={"draft": draft, "draft_max": draft_max})
    with sweeps.alone(__file__, wait), tempfile.TemporaryDirectory() as folder:
        ours = in_process(paths, settings, Path(folder))
        theirs = served(paths, settings, Path(folder))
    if as_json:
        click.echo(json.dumps({"harness": ours, "llama-server": theirs}, default=vars, indent=1))
        return
    click.echo(table(ours, theirs))
    click.echo(verdict(ours, theirs))


def in_process(paths: Sequence[Path], settings: Settings, folder: Path) -> Side:
    """What a worker of ours accepts."""
    now = perf_counter_ns()
    job = MeasureJob(
        model_path=str(paths[0]),
        draft_path=str(paths[1]),
        settings=settings,
        workloads=tuple(TASK_PROMPTS),
        started_ns=now,
        deadline_ns=now,
    )
    report = measure(job, log=folder / "worker.log")
    if report.outcome.status != "ok":
        raise click.ClickException(report.outcome.message or "the worker failed")
    found: dict[str, Guesses] = {}
    for trial in (it for it in report.trials if not it.is_warm_up):
        told = [it.speculation for it in trial.requests if it.speculation]
        found[trial.workload] = Guesses(
            sum(it.n_drafted for it in told), sum(it.n_accepted for it in told)
        )
    return found


def served(paths: Sequence[Path], settings: Settings, folder: Path) -> Side:
    """What a llama-server says that it accepted."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    told = settings.model_dump() | {
        "path": str(paths[0]),
        "draft": str(paths[1]),
        "port": port,
        "n_ctx": TASK_CONTEXT,
        "n_slots": 1,
    }
    url = f"http://127.0.0.1:{port}"
    asked = _as_asked_here(paths[0], settings)
    with _server(told, url, folder / "server.log"):
        return {name: _of_task(url, texts) for name, texts in asked.items()}


def _as_asked_here(path: Path, settings: Settings) -> Mapping[str, list[str]]:
    """The texts with the engine's own template around them: the server's may say more."""
    model = load_model(Engine(lambda _: None), str(path), settings, only_plans=True)
    texts = {
        name: [model.chat_text(text)[0] for text in texts] for name, texts in TASK_TEXTS.items()
    }
    model.close()
    return texts


def _of_task(url: str, texts: Sequence[str]) -> Guesses:
    n_drafted = n_accepted = 0
    for text in texts:
        body = {
            "prompt": text,
            "n_predict": TASK_TOKENS,
            "ignore_eos": True,
            "temperature": 0,
            "cache_prompt": False,
        }
        timings = _posted(f"{url}/completion", body)["timings"]
        # Absent where nothing was guessed.
        n_drafted += timings.get("draft_n", 0)
        n_accepted += timings.get("draft_n_accepted", 0)
    return Guesses(n_drafted, n_accepted)


@contextlib.contextmanager
def _server(told: Mapping[str, Any], url: str, log: Path) -> Iterator[None]:
    command = [sys.executable, "-m", "benchmarks.speculation_server", json.dumps(told)]
    with (
        log.open("wb") as stream,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=stream, stderr=stream) as process,
    ):
        try:
            _await(url, process, log)
            yield
        finally:
            process.kill()


def _await(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end_s = time.monotonic() + _PATIENCE_S
    while time.monotonic() < end_s and process.poll() is None:
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            urllib.request.urlopen(f"{url}/health", timeout=5).read()
            return
        time.sleep(0.2)
    last = log.read_text("utf-8", errors="replace").splitlines()[-1:]
    raise click.ClickException(f"the server did not come up: {' '.join(last)}")


def _posted(url: str, document: Mapping[str, Any]) -> Mapping[str, Any]:
    body = json.dumps(document).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=_PATIENCE_S) as reply:
        found: Mapping[str, Any] = json.load(reply)
    return found


def table(ours: Side, theirs: Side) -> str:
    """Task by task what was guessed, and how much of it was right."""
    rows = [
        (
            name,
            ours[name].n_drafted,
            f"{ours[name].share:.3f}",
            theirs[name].n_drafted,
            f"{theirs[name].share:.3f}",
        )
        for name in ours
    ]
    headers = ("task", "guesses here", "accepted", "guesses there", "accepted")
    return tabulate(rows, headers, disable_numparse=True, stralign="right")


def verdict(ours: Side, theirs: Side) -> str:
    """The share of all tasks together on both sides, and whether that is what was asked for."""
    shares = [
        sum(it.n_accepted for it in side.values()) / sum(it.n_drafted for it in side.values())
        for side in (ours, theirs)
    ]
    is_same = abs(shares[0] - shares[1]) <= _SAME
    return (
        f"accepted: {shares[0]:.3f} here, {shares[1]:.3f} there; asked: within {_SAME} of each "
        f"other: {'yes' if is_same else 'no'}"
    )


if __name__ == "__main__":
    main()
