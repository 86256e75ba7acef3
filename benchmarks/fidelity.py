"""
Whether the harness measures what llama-bench measures: rounds of fresh processes.

    python -m benchmarks.fidelity --llama-bench PATH
"""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import click

from benchmarks import beside, sweeps
from benchmarks.beside import Beside
from benchmarks.llama_bench import LlamaBench
from harness.measure import runner
from harness.models.download import download_all

# The ratio's interval must hold 1 and lie within 1 / 1.05 to 1.05.
_SAME = 0.05

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
    watcher = Beside(
        other, paths, workloads, Random(seed), same=_SAME, is_memory_varied=vary_memory
    )
    plan = sweeps.plan_of(paths, workloads, settings, limits, n_trials=trials, seed=seed)
    with sweeps.alone(__file__, wait):
        runs = beside.swept(plan, paths, machine, watcher, limits)
    engine = runner.describe_engine()
    builds = {
        "harness": f"{engine.library_commit}  {engine.system_info}",
        "llama-bench": f"{other.commit}  {other.system_info()}",
    }
    if as_json:
        click.echo(
            json.dumps({"builds": builds, "cases": beside.documents(watcher, runs)}, indent=1)
        )
    else:
        click.echo(beside.table(other, beside.rows(watcher, runs)))
        click.echo("\n" + "\n".join(f"{name}: {build}" for name, build in builds.items()))


if __name__ == "__main__":
    main()
