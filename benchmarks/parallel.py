"""
Whether several sequences together are measured as llama-batched-bench measures them.

    python -m benchmarks.parallel --llama-batched-bench PATH
"""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import click

from benchmarks import beside, sweeps
from benchmarks.batched_bench import CpuTimedBatchedBench, LlamaBatchedBench, SteppingBatchedBench
from benchmarks.beside import Beside
from benchmarks.llama_bench import system_info
from harness.measure import runner
from harness.models.download import download_all

# The ratio's interval must hold 1 and lie within 1 / 1.03 to 1.03.
_SAME = 0.03

_HELP = """
Compare the harness with llama-batched-bench, in interleaved pairs of fresh processes.

For each number of sequences both read as many prompts at once, then decode a token of each of them
a step; as many repetitions behind one that does not count, the mean of their rates. It ends when
every 95 % interval of harness / llama-batched-bench is within --precision.

With --verify batches of N tokens of one sequence stand beside its steps of N sequences, which are
as many tokens and logits in one call: verify1 is a step of one sequence in both, and of the others
the ratio tells what the caches of several cost.

\b
The program comes from the sources of the binding, as llama-bench (benchmarks.fidelity --help):
  cmake --build build --target llama-batched-bench -j

With --libs FOLDER it runs on the shared libraries in it. Given the binding's own folder
(site-packages/llama_cpp/lib), nothing but the two programs differs.

With --cpu-time both are measured by the CPU time of their processes, which one thread needs
whatever else runs on the machine (Linux): it takes --threads 1.
"""


@click.command(help=_HELP)
@click.option(
    "--llama-batched-bench",
    "binary",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
)
@click.option("--libs", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--sequences", "counts", multiple=True, type=int, default=(2, 4, 8))
@click.option("--prompt", "n_prompt", default=64, show_default=True, help="Tokens of each.")
@click.option("--steps", "n_steps", default=64, show_default=True)
@click.option("--verify", "is_verifying", is_flag=True, help="verifyN beside steps of N sequences.")
@click.option("--cpu-time", "is_by_cpu", is_flag=True, help="On a machine that others use.")
@sweeps.limit_options
@sweeps.common_options
@click.option("--trials", default=3, show_default=True, help="In each process.")
@click.option("--model", "models", multiple=True, default=("smollm2-135m",))
def main(
    binary: Path,
    libs: Path | None,
    counts: tuple[int, ...],
    n_prompt: int,
    n_steps: int,
    is_verifying: bool,
    is_by_cpu: bool,
    models: tuple[str, ...],
    trials: int,
    limits: sweeps.Limits,
    seed: int,
    threads: int | None,
    wait: int,
    as_json: bool,
) -> None:
    machine, settings = sweeps.machine_and_settings(threads)
    paths = {local.key: local.path for local in download_all(models)}
    libs = libs and libs.resolve()
    if is_by_cpu and threads != 1:
        raise click.UsageError("--cpu-time takes --threads 1: threads that wait compute, too.")
    if is_by_cpu and is_verifying:
        raise click.UsageError(
            "--cpu-time tells prompts and steps apart, and --verify has no prompts."
        )
    kind = CpuTimedBatchedBench if is_by_cpu else LlamaBatchedBench
    kind = SteppingBatchedBench if is_verifying else kind
    other = kind(binary.resolve(), settings, trials, libs)
    rows, documents = [], []
    with sweeps.alone(__file__, wait):
        for n in counts:
            workloads: tuple[str, ...] = (f"pp{n_prompt}x{n}", f"tg{n_steps}x{n}@d{n_prompt}")
            if is_verifying:
                workloads = (f"verify{n}@d{n_prompt}",)
            watcher = Beside(other, paths, workloads, Random(seed), same=_SAME, is_by_cpu=is_by_cpu)
            plan = sweeps.plan_of(paths, workloads, settings, limits, n_trials=trials, seed=seed)
            runs = beside.swept(plan, paths, machine, watcher, limits)
            rows += beside.rows(watcher, runs)
            documents += beside.documents(watcher, runs)
            sweeps.tell(beside.table(other, beside.rows(watcher, runs)))
    engine = runner.describe_engine()
    builds = {
        "harness": f"{engine.library_commit}  {engine.system_info}",
        other.name: system_info(other.binary, libs),
    }
    if as_json:
        click.echo(json.dumps({"builds": builds, "cases": documents}, indent=1))
    else:
        click.echo(beside.table(other, rows))
        click.echo("\n" + "\n".join(f"{name}: {build}" for name, build in builds.items()))


if __name__ == "__main__":
    main()
