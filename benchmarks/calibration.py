"""
How often a comparison errs, and what it finds: a model against itself and against a slowed engine.

    python -m benchmarks.calibration [--live | --looks]
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.random import Generator

from benchmarks import calibration_tables as tables
from benchmarks import setting_up
from benchmarks.busy import load
from benchmarks.calibration_repeats import Judged, judge, pairs
from benchmarks.calibration_rounds import SLOWED, WORKLOADS, Value, measure, read, recordings, write
from harness.models.download import download_all

# The load beside a disturbed recording: a program that wants a core for a sixth of the time.
_LOAD_MS = (250, 1500)

_HELP = f"""
Judge comparisons whose truth is known, on recorded rounds: a model against itself, and against
an engine that takes {SLOWED:.0%} longer. With --live the rounds are measured now, on this machine.

A recording has three processes in each round: the model, the model again, and the model on the
slowed engine. Long series are drawn from it in blocks of rounds, --repeats of them, and judged as
`harness compare` judges. Beside them stands what one process of llama-bench each would have said:
different where mean ± stdev do not overlap, or where the ratio of both means is not within 2 %.
"""


@click.command(help=_HELP)
@click.option("--live", is_flag=True, help="Measure now, instead of the recordings.")
@click.option("--looks", is_flag=True, help="Only simulate: many looks, and rounds needed.")
@click.option("--repeats", default=2000, show_default=True, help="Series for each figure.")
@click.option("--rounds", default=60, show_default=True, help="To measure with --live.")
@click.option("--model", default="tiny-random", show_default=True, help="For --live.")
@click.option("--workload", "workloads", multiple=True, default=WORKLOADS, help="For --live.")
@click.option("--disturbed", is_flag=True, help="With --live: beside a program that takes turns.")
@click.option("--keep", type=click.Path(path_type=Path), help="With --live: write the rounds here.")
@setting_up.measuring_options
def main(live: bool, looks: bool, repeats: int, as_json: bool, seed: int, **asked: Any) -> None:
    if looks:
        click.echo(tables.looks(repeats, seed))
        return
    if live:
        series = {f"live, {asked['model']}": _measured(seed, **asked)}
    else:
        series = {path.stem.removeprefix("rounds-"): read(path) for path in recordings()}
    found = {
        name: _judged(values, repeats, np.random.default_rng(seed))
        for name, values in series.items()
    }
    if as_json:
        click.echo(json.dumps({k: [asdict(it) for it in v] for k, v in found.items()}, indent=1))
        return
    for name, judged in found.items():
        values = series[name]
        shown = [
            f"### {name}",
            tables.against_itself(judged),
            tables.against_slower(judged),
            tables.as_measured(values),
            tables.one_process(values),
        ]
        click.echo("\n\n".join(shown) + "\n")


def _measured(
    seed: int,
    rounds: int,
    model: str,
    workloads: tuple[str, ...],
    disturbed: bool,
    keep: Path | None,
    threads: int | None,
    wait: int,
) -> list[Value]:
    machine, settings = setting_up.machine_and_settings(threads)
    beside = load(1, *_LOAD_MS) if disturbed else nullcontext()
    with setting_up.alone(__file__, wait), beside:
        values = measure(download_all([model])[0], machine, settings, workloads, rounds, seed)
        if keep:
            write(values, keep)
    return values


def _judged(values: Sequence[Value], n_repeats: int, rng: Generator) -> list[Judged]:
    return [
        judge(figure, pairs(values, figure, "plain", "again"), n_repeats, rng)
        for figure in tables.figures(values)
    ]


if __name__ == "__main__":
    main()
