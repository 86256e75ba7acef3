"""
Whether the harness measures what llama-bench measures: rounds of fresh processes.

    python -m benchmarks.fidelity --llama-bench PATH
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from random import Random
from statistics import fmean, median

import click
from tabulate import tabulate

from benchmarks import sweeps
from benchmarks.llama_bench import LlamaBench
from harness.analysis.stats.ratio import Comparison
from harness.measure import runner
from harness.models.download import download_all
from harness.schema.configuration import Configuration
from harness.schema.experiment import Run, Stop
from harness.schema.workload import parse_workload

# The ratio's interval must hold 1 and lie within 1 / 1.05 to 1.05.
_SAME = 0.05
# Setting one of them ends glibc's own tuning of both: mallopt(3).
_MALLOC = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_")
_THRESHOLD_EXPONENTS = (14, 25)  # up to 32 MiB, the largest that glibc takes

_HELP = """
Compare the harness with llama-bench, in interleaved pairs of fresh processes.

Both do the same: as many repetitions, threads and batch sizes, all repetitions counted, the mean
of their rates. It ends when every 95 % interval of harness / llama-bench is within --precision.

\b
llama-bench of the very same llama.cpp comes from the sources of the binding:
  pip download --no-binary :all: --no-deps llama-cpp-python==0.3.36
  tar xf llama_cpp_python-0.3.36.tar.gz
  cd llama_cpp_python-0.3.36
  cmake -S vendor/llama.cpp -B build -DCMAKE_BUILD_TYPE=Release \\
    -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_SERVER=OFF -DLLAMA_BUILD_UI=OFF
  cmake --build build --target llama-bench -j
  (the program is build/bin/llama-bench)

With --libs FOLDER llama-bench runs on the shared libraries in it. Given the binding's own folder
(site-packages/llama_cpp/lib), nothing but the two programs differs.

Where malloc happens to place the engine's buffers decides between two speeds of a tiny model's
pp512, 13 % apart, and the two programs' own arrangements fall on different ones. --vary-memory
draws malloc's thresholds anew for every pair, the same for both programs: what is left is the
difference between the programs.
"""


Case = tuple[str, str]
"""A model and a workload, by their names."""


class Beside(sweeps.Watcher):
    """Has llama-bench measure the same before or after each Run, every second time the other."""

    def __init__(
        self,
        other: LlamaBench,
        paths: dict[str, Path],
        workloads: Sequence[str],
        rng: Random,
        *,
        is_memory_varied: bool,
    ) -> None:
        self._other, self._paths, self._rng = other, paths, rng
        self._tasks = [parse_workload(name) for name in workloads]
        self._is_first = {model: rng.random() < 0.5 for model in paths}
        self._is_memory_varied = is_memory_varied
        self._rates: dict[str, float] = {}
        self.theirs: dict[Case, dict[int, float]] = {}

    def run_started(self, number: int, configuration: Configuration) -> None:  # noqa: ARG002
        """Draws the arrangement of memory of both, and lets llama-bench go first or not."""
        if self._is_memory_varied:
            threshold = round(2 ** self._rng.uniform(*_THRESHOLD_EXPONENTS))
            os.environ.update(dict.fromkeys(_MALLOC, str(threshold)))
        self._is_first[configuration.model.key] = not self._is_first[configuration.model.key]
        if self._is_first[configuration.model.key]:
            self._measure(configuration.model.key)

    def run_finished(self, run: Run, stop: Stop | None) -> None:  # noqa: ARG002
        """Keeps llama-bench's figures of the round."""
        if not self._is_first[run.model]:
            self._measure(run.model)
        for workload, rate in self._rates.items():
            self.theirs.setdefault((run.model, workload), {})[run.round] = rate
        sweeps.tell(f"round {run.round + 1}, {run.model}")

    def ours(self, runs: Sequence[Run], case: Case) -> dict[int, float]:
        """Round to the mean rate of as many trials as llama-bench has repetitions."""
        model, workload = case
        return {
            run.round: fmean(sweeps.rates(run, workload, self._other.n_reps))
            for run in runs
            if run.model == model
        }

    def ratios(self, runs: Sequence[Run]) -> dict[Case, Comparison | None]:
        """Ours over llama-bench's of each case."""
        return {
            case: sweeps.ratio_of(self.ours(runs, case), theirs, _SAME)
            for case, theirs in self.theirs.items()
        }

    def _measure(self, model: str) -> None:
        tasks = self._rng.sample(self._tasks, len(self._tasks))
        self._rates = {it.name: fmean(self._other.rates(self._paths[model], it)) for it in tasks}


@click.command(help=_HELP)
@click.option(
    "--llama-bench", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=True
)
@click.option("--libs", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--llama-bench-args", default="", help="More of its options, as one word.")
@click.option("--vary-memory", is_flag=True, help="Another arrangement in every pair (glibc).")
@sweeps.round_options
@sweeps.common_options
def main(
    llama_bench: Path,
    libs: Path | None,
    llama_bench_args: str,
    vary_memory: bool,
    models: tuple[str, ...],
    workloads: tuple[str, ...],
    trials: int,
    limits: sweeps.Limits,
    seed: int,
    threads: int | None,
    wait: int,
    as_json: bool,
) -> None:
    machine, settings = sweeps.machine_and_settings(threads)
    paths = {local.key: local.path for local in download_all(models)}
    other = LlamaBench(
        llama_bench.resolve(), settings, trials, libs and libs.resolve(),
        tuple(llama_bench_args.split()),
    )  # fmt: skip
    watcher = Beside(other, paths, workloads, Random(seed), is_memory_varied=vary_memory)
    plan = sweeps.plan_of(paths, workloads, settings, limits, n_trials=trials, seed=seed)
    with sweeps.alone(__file__, wait):
        runs = sweeps.swept(
            plan,
            paths,
            machine,
            watcher,
            lambda runs: limits.are_met(runs, watcher.ratios(runs).values()),
        )
    engine = runner.describe_engine()
    builds = {
        "harness": f"{engine.library_commit}  {engine.system_info}",
        "llama-bench": f"{other.commit}  {other.system_info()}",
    }
    if as_json:
        click.echo(json.dumps({"builds": builds, "cases": _document(watcher, runs)}, indent=1))
    else:
        click.echo(_table(watcher, runs))
        click.echo("\n" + "\n".join(f"{name}: {build}" for name, build in builds.items()))


def _document(watcher: Beside, runs: Sequence[Run]) -> list[dict[str, object]]:
    return [
        {
            "model": case[0],
            "workload": case[1],
            "harness": watcher.ours(runs, case),
            "llama_bench": watcher.theirs[case],
            "ratio": sweeps.ratio_text(ratio),
        }
        for case, ratio in watcher.ratios(runs).items()
    ]


def _table(watcher: Beside, runs: Sequence[Run]) -> str:
    rows = [
        [
            *case,
            ratio.n,
            f"{median(watcher.ours(runs, case).values()):.1f}",
            f"{median(watcher.theirs[case].values()):.1f}",
            sweeps.ratio_text(ratio),
            verdict(ratio),
        ]
        for case, ratio in watcher.ratios(runs).items()
        if ratio
    ]
    headers = ["model", "workload", "rounds", "harness", "llama-bench", "ratio (95 %)", "verdict"]
    return tabulate(rows, headers, disable_numparse=True)


def verdict(ratio: Comparison) -> str:
    """Whether the two agree: the interval holds 1, and is inside of what counts as the same."""
    holds = "holds 1" if ratio.low <= 1 <= ratio.high else "NOT 1"
    inside = "inside" if ratio.verdict == "same" else "NOT inside"
    return f"{holds}, {inside} {1 / (1 + _SAME):.2f} to {1 + _SAME:.2f}"


if __name__ == "__main__":
    main()
