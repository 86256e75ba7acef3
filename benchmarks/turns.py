"""
Whether a conversation's turns wait as long here as llama-server itself says that they do.

    python -m benchmarks.turns --model smollm2-135m
"""

from __future__ import annotations

import json
import tempfile
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

import click
from tabulate import tabulate

from benchmarks import sweeps
from harness import units
from harness.analysis.formulas import trials_of
from harness.analysis.stats.ratio import Comparison
from harness.analysis.turns import answered
from harness.measure.jobs.turns_text import Texts, Write, texts_of
from harness.models.download import download_all
from harness.schema.configuration import Configuration
from harness.schema.experiment import Run, Stop
from harness.schema.settings import Settings
from harness.schema.workload import parse_workload
from harness.schema.workload_turns import Turns
from harness.serving.program import ServerProgram, ServerSetup, server_program
from harness.serving.server import serve

_SAME = 0.05
_LEAST_ROUNDS = 2  # of one there is no interval
_CHARACTERS_PER_TOKEN = 4
_WAIT_S = 600
_NS_PER_MS = 1e6

_HELP = """
Hold one conversation with the engine in process and with a llama-server, in interleaved pairs of
fresh processes, and compare what each turn waits for its first token with the cache kept.

Of the server it is `timings.prompt_ms` of its own answer, which holds the prompt behind what was
cached and the first token; sent by Python's urllib, with the texts cut by the server's own
tokenizer. Ours holds tokenizing the whole conversation and finding what is kept, too. Both write as
many greedy tokens; what they write may differ, and with it how many tokens of it are kept.

The server is that of the extra `serve`, another build of llama.cpp than the engine; --server-binary
takes one of the engine's own commit.
"""


@dataclass(frozen=True)
class Turn:
    """What one turn was, by whoever measured it: ns to the first token, tokens in all and kept."""

    ttft_ns: float
    n_prompt: int
    n_cached: int


Side = list[list[Turn]]
"""Of each round, its turns."""


@click.command(help=_HELP)
@click.option("--model", default="smollm2-135m", show_default=True)
@click.option("--workload", default="turns6:700+150+40", show_default=True)
@click.option("--rounds", default=10, show_default=True, help="Pairs of processes.")
@click.option(
    "--server-binary", type=click.Path(exists=True, dir_okay=False, path_type=Path), default=None
)
@sweeps.common_options
def main(
    model: str,
    workload: str,
    rounds: int,
    server_binary: Path | None,
    seed: int,
    threads: int | None,
    wait: int,
    as_json: bool,
) -> None:
    task = parse_workload(workload)
    if not isinstance(task, Turns) or task.n_sequences > 1:
        raise click.UsageError(f"{workload} is no conversation of one user; write turns6")
    machine, settings = sweeps.machine_and_settings(threads)
    (local,) = download_all([model])
    paths = {local.key: local.path}
    watcher = Beside(task, local.path, settings, server_program(server_binary), Random(seed))
    limits = sweeps.Limits(rounds, rounds, 0.0, sweeps.A_DAY_NS)
    plan = sweeps.plan_of(paths, [task.name], settings, limits, n_trials=1, seed=seed)
    with sweeps.alone(__file__, wait):
        runs = sweeps.swept(plan, paths, machine, watcher)
    ours = [turns_of(run, task.name) for run in runs]
    if as_json:
        told = {"harness": ours, "llama-server": watcher.theirs}
        click.echo(json.dumps(told, indent=1, default=vars))
        return
    click.echo(table(ours, watcher.theirs))
    click.echo(verdict(later_ratio(ours, watcher.theirs)))


@dataclass
class Beside(sweeps.Watcher):
    """Has a fresh llama-server hold the same conversation before or after each Run, in turns."""

    task: Turns
    path: Path
    settings: Settings
    program: ServerProgram
    rng: Random
    theirs: Side = field(default_factory=list)

    def __post_init__(self) -> None:
        self.is_first = self.rng.random() < 0.5

    def run_started(self, number: int, configuration: Configuration) -> None:  # noqa: ARG002
        """The other goes first every second time."""
        self.is_first = not self.is_first
        if self.is_first:
            self.theirs.append(self.measured())

    def run_finished(self, run: Run, stop: Stop | None) -> None:  # noqa: ARG002
        """Else it goes behind."""
        if not self.is_first:
            self.theirs.append(self.measured())
        sweeps.tell(f"round {run.round + 1}")

    def measured(self) -> list[Turn]:
        """The turns of one conversation with a fresh server."""
        with tempfile.TemporaryDirectory() as folder:
            setup = ServerSetup(self.path, self.settings, self.task.n_ctx, 1)
            with serve(self.program, setup, log=Path(folder) / "server.log") as server:
                return held(server.url, self.task)


def held(url: str, task: Turns) -> list[Turn]:
    """One conversation with a server that is there, by its own times."""
    texts = _texts(url, task)
    # As the harness's warm-up: one short turn that has nothing in common with what follows.
    _asked(url, [("user", "Say hello.")], 8)
    messages = [("system", texts.system)]
    found = []
    for text in texts.inputs[0]:
        messages.append(("user", text))
        told = _asked(url, messages, task.n_output)
        timings = told["timings"]
        n_cached = timings["cache_n"]
        n_prompt = timings["prompt_n"] + n_cached
        found.append(Turn(timings["prompt_ms"] * _NS_PER_MS, n_prompt, n_cached))
        messages.append(("assistant", told["choices"][0]["message"]["content"]))
    return found


def _texts(url: str, task: Turns) -> Texts:
    def cut(write: Write, n_tokens: int, _kind: int) -> str:
        n_characters = n_tokens * _CHARACTERS_PER_TOKEN
        while True:
            asked = {"content": write(n_characters), "with_pieces": True}
            tokens = _posted(f"{url}/tokenize", asked)["tokens"]
            if len(tokens) >= n_tokens:
                return b"".join(_piece(it["piece"]) for it in tokens[:n_tokens]).decode().strip()
            n_characters *= 2

    return texts_of(task, cut)


def _piece(piece: str | list[int]) -> bytes:
    """A token's text; of a part of a character its bytes."""
    return piece.encode() if isinstance(piece, str) else bytes(piece)


def _asked(url: str, messages: Sequence[tuple[str, str]], n_tokens: int) -> Mapping[str, Any]:
    body = {
        "messages": [{"role": role, "content": text} for role, text in messages],
        "max_tokens": n_tokens,
        "ignore_eos": True,
        "temperature": 0,
        "cache_prompt": True,
    }
    return _posted(f"{url}/v1/chat/completions", body)


def _posted(url: str, document: Mapping[str, Any]) -> Mapping[str, Any]:
    body = json.dumps(document).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=_WAIT_S) as reply:
        found: Mapping[str, Any] = json.load(reply)
    return found


def turns_of(run: Run, workload: str) -> list[Turn]:
    """The turns of a Run of ours."""
    (trial,) = trials_of(run, workload)
    return [
        Turn(it.ttft_ns or 0, it.n_prompt or 0, it.n_cached or 0) for it in answered(trial, "kept")
    ]


def later_ratio(ours: Side, theirs: Side) -> Comparison | None:
    """What later turns wait for, ours over theirs, by rounds."""
    here, there = (
        {number: sum(turn.ttft_ns for turn in turns[1:]) for number, turns in enumerate(side)}
        for side in (ours, theirs)
    )
    return sweeps.ratio_of(here, there, _SAME)


def table(ours: Side, theirs: Side) -> str:
    """Turn by turn the medians of both."""
    rows = []
    for number, (a, b) in enumerate(
        zip(zip(*ours, strict=True), zip(*theirs, strict=True), strict=True), start=1
    ):
        cells = [
            cell
            for side in (a, b)
            for cell in (
                f"{median(it.n_cached for it in side):.0f}",
                f"{median(it.n_prompt for it in side):.0f}",
                units.duration(median(it.ttft_ns for it in side)),
            )
        ]
        rows.append((number, *cells))
    headers = ("turn", *("cached", "of", "TTFT here"), *("cached", "of", "prompt_ms"))
    return tabulate(rows, headers, disable_numparse=True, stralign="right")


def verdict(ratio: Comparison | None) -> str:
    """The ratio of later turns, and whether it is what was asked for."""
    asked = f"asked: the 95 % interval lies within {1 / (1 + _SAME):.2f} to {1 + _SAME:.2f}"
    if ratio is None or ratio.n < _LEAST_ROUNDS:
        return f"{asked}: too few rounds"
    is_same = 1 / (1 + _SAME) <= ratio.low <= ratio.high <= 1 + _SAME
    said = sweeps.ratio_text(ratio)
    return f"TTFT of later turns, here / server: {said}; {asked}: {'yes' if is_same else 'no'}"


if __name__ == "__main__":
    main()
