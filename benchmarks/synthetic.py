"""
Whether a twin with random weights runs like the model it is a twin of: rounds of fresh processes.

    python -m benchmarks.synthetic
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median

import click
from tabulate import tabulate

from benchmarks import sweeps
from harness.analysis.stats.ratio import Comparison
from harness.files import untold
from harness.models.download import LocalWeights, download_all
from harness.models.find import find
from harness.models.twin.twin import twin_of
from harness.schema.configuration import Configuration
from harness.schema.experiment import Run, Stop
from harness.schema.machine import Machine
from harness.schema.settings import Settings

_SAME = 0.03
_PIECE_BYTES = 8 << 20  # as models/twin/twin.py
_TWIN, _MODEL = "twin", "model"


class Writing(sweeps.Watcher):
    """
    Writes each Run's file anew: a twin, or a copy of the real one.

    How the pages of a file happen to lie in memory decides a good part of how fast one is read,
    and of one file it would be the same in every round.
    """

    def __init__(self, local: LocalWeights, folder: Path) -> None:
        self._local, self._folder = local, folder
        self._stack = ExitStack()
        self.paths = {side: folder / f"{side}.gguf" for side in (_TWIN, _MODEL)}

    def run_started(self, number: int, configuration: Configuration) -> None:  # noqa: ARG002
        """The file, forced to disk."""
        path = self.paths[configuration.model.key]
        path.unlink(missing_ok=True)
        if configuration.model.key == _TWIN:
            found = find(str(self._local.path))
            path.symlink_to(self._stack.enter_context(twin_of(found, self._folder, untold)))
            return
        with self._local.path.open("rb") as source, path.open("wb", buffering=0) as target:
            shutil.copyfileobj(source, target, _PIECE_BYTES)
            os.fsync(target.fileno())

    def run_finished(self, run: Run, stop: Stop | None) -> None:  # noqa: ARG002
        """Removes it."""
        self._stack.close()
        self.paths[run.model].unlink()
        sweeps.tell(f"{self._local.key} {run.model} {run.round + 1}")


@click.command()
@sweeps.round_options
@click.option("--dir", "directory", type=click.Path(path_type=Path), help="Where files are made.")
@sweeps.common_options
def main(
    models: tuple[str, ...],
    workloads: tuple[str, ...],
    trials: int,
    limits: sweeps.Limits,
    directory: Path | None,
    seed: int,
    threads: int | None,
    wait: int,
    as_json: bool,
) -> None:
    """Compare twins with their models, in interleaved fresh processes on fresh files."""
    machine, settings = sweeps.machine_and_settings(threads)
    cases: list[Case] = []
    with sweeps.alone(__file__, wait):
        for local in download_all(models):
            with tempfile.TemporaryDirectory(dir=directory) as folder:
                bench = Bench(machine, settings, workloads, limits, trials, seed)
                cases += bench.measured(local, Path(folder))
    click.echo(json.dumps([vars(case) for case in cases], indent=1) if as_json else _table(cases))


@dataclass(frozen=True)
class Case:
    """One workload of one model, and how its twin stands to it."""

    model: str
    workload: str
    twin_tok_per_s: float
    model_tok_per_s: float
    ratio: str
    peak_memory_ratio: float
    weights_ratio: float
    is_same: bool


@dataclass(frozen=True)
class Bench:
    """What is the same for all models."""

    machine: Machine
    settings: Settings
    workloads: Sequence[str]
    limits: sweeps.Limits
    n_trials: int
    seed: int

    def measured(self, local: LocalWeights, folder: Path) -> list[Case]:
        """Every workload of one model beside its twin."""
        watcher = Writing(local, folder)
        plan = sweeps.plan_of(
            dict.fromkeys(watcher.paths, local.path), self.workloads, self.settings, self.limits,
            n_trials=self.n_trials, seed=self.seed,
        )  # fmt: skip
        runs = sweeps.swept(
            plan,
            watcher.paths,
            self.machine,
            watcher,
            lambda runs: self.limits.are_met(
                runs, (self._ratio(runs, workload) for workload in self.workloads)
            ),
        )
        return [self._case(local, runs, workload) for workload in self.workloads]

    def _ratio(self, runs: Sequence[Run], workload: str) -> Comparison | None:
        twin, model = (self._rates(runs, workload, side) for side in (_TWIN, _MODEL))
        return sweeps.ratio_of(twin, model, _SAME)

    def _rates(self, runs: Sequence[Run], workload: str, side: str) -> dict[int, float]:
        return {
            run.round: fmean(sweeps.rates(run, workload, self.n_trials))
            for run in runs
            if run.model == side
        }

    def _case(self, local: LocalWeights, runs: Sequence[Run], workload: str) -> Case:
        ratio = self._ratio(runs, workload)
        twins, models = ([run for run in runs if run.model == side] for side in (_TWIN, _MODEL))
        return Case(
            model=local.key,
            workload=workload,
            twin_tok_per_s=median(self._rates(runs, workload, _TWIN).values()),
            model_tok_per_s=median(self._rates(runs, workload, _MODEL).values()),
            ratio=sweeps.ratio_text(ratio),
            peak_memory_ratio=median(map(_peak_bytes, twins)) / median(map(_peak_bytes, models)),
            weights_ratio=_weights_bytes(twins[0]) / _weights_bytes(models[0]),
            is_same=ratio is not None and abs(ratio.ratio - 1) <= _SAME,
        )


def _peak_bytes(run: Run) -> int:
    mark = run.memory[-1]
    return mark.peak_bytes or mark.resident_bytes


def _weights_bytes(run: Run) -> int:
    return sum(buffer.n_bytes for buffer in run.weights)


def _table(cases: Sequence[Case]) -> str:
    headers = (
        "model", "workload", "twin", "model", "twin / model", "peak memory", "weights",
        "within 0.97-1.03",
    )  # fmt: skip
    return tabulate(
        [list(vars(case).values()) for case in cases],
        headers,
        floatfmt=("", "", ".1f", ".1f", "", ".4f", ".4f", ""),
    )


if __name__ == "__main__":
    main()
