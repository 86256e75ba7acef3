"""How many rounds a comparison takes with trials in turns, and with processes one by one."""

from __future__ import annotations

import json
import math
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Literal

import click
import numpy as np
from numpy.random import Generator
from tabulate import tabulate

from benchmarks import busy, sweeps
from benchmarks.comparing_power import MOST_ROUNDS, deviation, of_way
from harness.analysis import neighbours
from harness.analysis.formulas import trials_of, why_disturbed
from harness.analysis.measured import Measured, measured_of
from harness.analysis.stats.ratio import compare_rounds
from harness.measure.experiment import new_experiment
from harness.measure.maker import Task
from harness.measure.rounds import RunMaker
from harness.models.catalog.catalog import load_catalog
from harness.models.find import find
from harness.schema.configuration import configurations_of
from harness.schema.experiment import Experiment, Plan, Run

_HELP = """
Compare a model with itself, and with itself slowed by a known share, both ways in alternating
blocks: trials in turns, and one process after the other.

For each way: the spread of a round's log ratio, how often a comparison of 6, 12 and 24 rounds tells
the model from itself (drawn from the rounds recorded, in blocks of 4, sides swapped at random), how
often it finds the slowed one, and the rounds for 90 %. And whether both ways measure the same: the
ratio of their figures, with its 95 % interval.
"""

Way = Literal["in turns", "apart"]
_WAYS: tuple[Way, ...] = ("in turns", "apart")
_COMMAND = (sys.executable, "-P", str(Path(__file__).with_name("delayed_worker.py")))


@dataclass
class Recording:
    """The Runs of one way, by round; the first two sides are one model, the third is slowed."""

    experiment: Experiment
    runs: list[Run] = field(default_factory=list)

    @property
    def sides(self) -> list[Measured]:
        """The three."""
        return measured_of(self.experiment, self.runs)

    def logs(self, way: Way, workload: str, other: int) -> dict[int, float]:
        """Round to the logarithm of the ratio of side `other` to the first in tok/s."""
        one, two = self.sides[0], self.sides[other]
        if way == "in turns":
            found = neighbours.ratios(one, two, workload).get("tok_per_s", {})
            return {at[1]: math.log(ratio) for at, ratio in found.items()}  # type: ignore[index]
        a, b = rates(one, workload), rates(two, workload)
        return {number: math.log(b[number] / a[number]) for number in a if number in b}


def rates(side: Measured, workload: str) -> dict[int, float]:
    """Round to tok/s."""
    found = {run.round: side.values(run, workload).get("tok_per_s") for run in side.runs}
    return {number: value for number, value in found.items() if value}


@click.command(help=_HELP)
@click.option("--model", "models", multiple=True, default=("smollm2-135m", "tiny-random"))
@click.option("--workload", "workloads", multiple=True, default=("pp64", "tg48"))
@click.option("--rounds", default=24, show_default=True)
@click.option("--trials", default=3, show_default=True, help="Clean ones in each process.")
@click.option("--delay", default=1.05, show_default=True, help="What the slowed engine takes.")
@click.option("--load/--no-load", "is_loaded", help="Beside a process that comes and goes.")
@sweeps.common_options
def main(
    models: tuple[str, ...],
    workloads: tuple[str, ...],
    rounds: int,
    trials: int,
    delay: float,
    is_loaded: bool,
    seed: int,
    threads: int | None,
    wait: int,
    as_json: bool,
) -> None:
    load: Callable[[], AbstractContextManager[object]] = nullcontext
    if is_loaded:
        load = _coming_and_going
    documents = []
    with sweeps.alone(__file__, wait):
        for name in models:
            with tempfile.TemporaryDirectory() as folder, load():
                recordings = _recorded(
                    name, Path(folder), workloads, (rounds, trials, delay), threads, seed
                )
            for workload in workloads:
                found = _judged(recordings, workload, math.log(delay), seed)
                documents.append({"model": name, "workload": workload, **found})
                if not as_json:
                    click.echo(_text(documents[-1]))
    if as_json:
        click.echo(json.dumps(documents, indent=1))


def _coming_and_going() -> AbstractContextManager[object]:
    """One core busy for 4 s in every 12."""
    return busy.load(1, 4000, 12000)


def _recorded(
    name: str,
    folder: Path,
    workloads: Sequence[str],
    amounts: tuple[int, int, float],
    threads: int | None,
    seed: int,
) -> dict[Way, Recording]:
    """As many rounds of each way as asked for, or until Ctrl-C."""
    n_rounds, n_trials, delay = amounts
    model = find(name, load_catalog(()), "weights")
    machine, settings = sweeps.machine_and_settings(threads)
    names = ("a", "b", f"slowed@{delay}")
    paths = {each: folder / f"{each}.gguf" for each in names}
    for path in paths.values():
        path.symlink_to(model.weights)
    limits = sweeps.Limits(0, n_rounds, 0.0, sweeps.A_DAY_NS)
    plan = sweeps.plan_of(paths, workloads, settings, limits, n_trials=n_trials, seed=seed)
    recordings, makers = {}, {}
    for way in _WAYS:
        experiment = new_experiment(plan, machine, ())
        recordings[way] = Recording(experiment)
        record = folder / f"{way}.jsonl"
        makers[way] = RunMaker(experiment, paths, record, sweeps.Watcher(), command=_COMMAND)
    rng = np.random.default_rng(seed)
    try:
        for number in range(n_rounds):
            for index in rng.permutation(len(_WAYS)):
                way = _WAYS[index]
                recordings[way].runs += _round(makers[way], way, plan, number, rng)
            sweeps.tell(f"{name}: round {number + 1} of {n_rounds}")
    except KeyboardInterrupt:
        sweeps.tell("Interrupted: this is what there is.")
    return recordings


def _round(maker: RunMaker, way: Way, plan: Plan, number: int, rng: Generator) -> list[Run]:
    """One Run of each side."""
    sides = list(configurations_of(plan))
    workloads = tuple(plan.workloads[index] for index in rng.permutation(len(plan.workloads)))
    tasks = [
        Task(
            index=number * len(sides) + place,
            round_index=number,
            configuration=sides[index],
            workloads=workloads,
            seed=int(rng.integers(2**31)),
            is_cold=False,
            left_ns=sweeps.A_DAY_NS,
        )
        for place, index in enumerate(rng.permutation(len(sides)))
    ]
    if way == "in turns":
        runs = maker.in_turns(tasks, workloads, rng)
    else:
        runs = [maker.alone(task).run for task in tasks]
    if any(run.outcome.reason == "interrupted" for run in runs):
        raise KeyboardInterrupt
    return runs


def _judged(
    recordings: Mapping[Way, Recording], workload: str, effect: float, seed: int
) -> dict[str, object]:
    found: dict[str, object] = {}
    for way in _WAYS:
        logs = [*recordings[way].logs(way, workload, 1).values()]
        slowed = [*recordings[way].logs(way, workload, 2).values()]
        found[way] = of_way(logs, slowed, effect, np.random.default_rng(seed))
    pairs = _pair_logs(recordings["in turns"].sides, workload)
    found["parts"] = _parts(recordings, workload, pairs)
    sides = (recordings[way].sides[0] for way in _WAYS)
    in_turns, apart = (rates(side, workload) for side in sides)
    both = compare_rounds(apart, in_turns, is_more_better=True, confidence=sweeps.CONFIDENCE)
    found["in turns / apart"] = sweeps.ratio_text(both)
    return found


def _pair_logs(sides: Sequence[Measured], workload: str) -> dict[int, list[float]]:
    """Round to the log ratios of the pairs of neighbours of the first two sides."""
    by_round: dict[int, list[dict[int, float]]] = {}
    for side in sides[:2]:
        for run in side.runs:
            clean = {
                it.index: it.n_tokens / it.total_ns
                for it in trials_of(run, workload)
                if not why_disturbed(it, run, side.experiment.machine)
            }
            by_round.setdefault(run.round, []).append(clean)
    return {
        number: [math.log(b[at] / a[at]) for at in a.keys() & b.keys()]
        for number, (a, b) in by_round.items()
    }


def _parts(
    recordings: Mapping[Way, Recording], workload: str, pairs: Mapping[int, Sequence[float]]
) -> dict[str, float]:
    """
    How a round's spread divides, as deviations of its log ratio, all by the middle half of values.

    Within a process: what the pairs of a round differ by, carried over to their median. Between
    processes: the rest of what rounds in turns differ by. Drift: what is more than that, apart.
    """
    several = [each for each in pairs.values() if len(each) > 1]
    logs = {way: [*recordings[way].logs(way, workload, 1).values()] for way in _WAYS}
    if not several or min(map(len, logs.values())) < 2:
        return {}
    n_pairs = fmean(map(len, several))
    rest = [log - fmean(each) for each in several for log in each]
    # The mean of a round took one of its n values; a median varies pi / 2 times as much as a mean.
    within = deviation(rest) * math.sqrt(n_pairs / (n_pairs - 1) * math.pi / 2 / n_pairs)
    turns, apart = deviation(logs["in turns"]), deviation(logs["apart"])
    return {
        "within a process": within,
        "between processes": math.sqrt(max(0.0, turns**2 - within**2)),
        "drift": math.sqrt(max(0.0, apart**2 - turns**2)),
    }


def _text(document: Mapping[str, object]) -> str:
    rows = []
    for way in _WAYS:
        of_way = document[way]
        assert isinstance(of_way, dict)
        rows.append([way, *(_cell(name, value) for name, value in of_way.items())])
    first = document[_WAYS[0]]
    assert isinstance(first, dict)
    parts = document["parts"]
    assert isinstance(parts, dict)
    of_parts = ", ".join(f"{name} {value:.1%}" for name, value in parts.items())
    return "\n".join(
        (
            f"\n{document['model']} {document['workload']}",
            tabulate(rows, headers=["", *first]),
            f"A round's spread: {of_parts}.",
            f"Figures of both ways, in turns / apart: {document['in turns / apart']}",
        )
    )


def _cell(name: str, value: object) -> str:
    if value is None:
        return f"over {MOST_ROUNDS}"
    if isinstance(value, float) and name != "slowed":
        return f"{value:.1%}"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
