"""
What RPC in the engine costs those who do not use it: a build without beside one with.

    python -m benchmarks.rpc_build --without PYTHON
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from time import perf_counter_ns

import click

from benchmarks import beside, sweeps
from benchmarks.beside import Beside
from harness.measure.jobs.measure import MeasureJob, measure
from harness.models.download import download_all
from harness.schema.machine import Machine
from harness.schema.settings import Settings
from harness.schema.workload_kind import Workload

_SAME = 0.02
_ROOT = Path(__file__).resolve().parent.parent
_HAS_RPC = "from llama_cpp import llama_cpp as it; print(int(bool(it.llama_supports_rpc())))"

_HELP = """
Compare the engine here, built with RPC, with one built without, in interleaved pairs of fresh
workers of the same harness.

\b
An environment with the other build, in a copy of the repository:
  CMAKE_ARGS=-DGGML_RPC=off make setup-dev
  (its Python is .venv/bin/python there)
"""


@dataclass(frozen=True)
class OtherBuild:
    """A worker of this harness under another interpreter, whose engine is another build."""

    python: Path
    settings: Settings
    machine: Machine
    n_reps: int
    name: str = "without RPC"

    def measured(self, model: Path, tasks: Sequence[Workload]) -> Mapping[str, Sequence[float]]:
        """Tokens per second of each repetition, by workload, from a fresh process."""
        now = perf_counter_ns()
        job = MeasureJob(
            model_path=str(model),
            settings=self.settings,
            workloads=tuple(task.name for task in tasks),
            n_trials=self.n_reps,
            n_trials_max=self.n_reps,
            seed=1,
            n_cores_logical=self.machine.n_cores_logical,
            n_cores_usable=self.machine.n_cores_usable,
            started_ns=now,
            deadline_ns=now + sweeps.A_DAY_NS,
        )
        command = (str(self.python), "-P", "-m", "harness.measure.worker")
        with tempfile.TemporaryDirectory() as folder:
            found = measure(job, log=Path(folder) / "worker.log", command=command)
        if found.outcome.status == "failed":
            raise click.ClickException(f"without RPC: {found.outcome.message}")
        return {
            task.name: [
                it.n_tokens / it.total_ns * 1e9
                for it in found.trials
                if it.workload == task.name and not it.is_warm_up
            ]
            for task in tasks
        }


@click.command(help=_HELP)
@click.option(
    "--without",
    "python",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="The Python of an environment whose engine was built without RPC.",
)
@sweeps.round_options
@sweeps.common_options
def main(
    python: Path,
    models: tuple[str, ...],
    workloads: tuple[str, ...],
    trials: int,
    limits: sweeps.Limits,
    seed: int,
    threads: int | None,
    wait: int,
    as_json: bool,
) -> None:
    # Both sides are this harness, whatever the other environment has of it.
    os.environ["PYTHONPATH"] = str(_ROOT)
    if has_rpc(python):
        raise click.UsageError(f"the engine of {python} has RPC too; build one without")
    machine, settings = sweeps.machine_and_settings(threads)
    paths = {local.key: local.path for local in download_all(models)}
    other = OtherBuild(python.absolute(), settings, machine, trials)
    watcher = Beside(other, paths, workloads, Random(seed), same=_SAME)
    plan = sweeps.plan_of(paths, workloads, settings, limits, n_trials=trials, seed=seed)
    with sweeps.alone(__file__, wait):
        runs = beside.swept(plan, paths, machine, watcher, limits)
    if as_json:
        click.echo(json.dumps(beside.documents(watcher, runs), indent=1))
    else:
        click.echo(beside.table(other, beside.rows(watcher, runs)))


def has_rpc(python: Path) -> bool:
    """Whether the engine of that environment was built with it."""
    told = subprocess.run(
        [python.absolute(), "-P", "-c", _HAS_RPC], capture_output=True, text=True, check=False
    )
    if told.returncode != 0:
        raise click.UsageError(f"{python} has no engine: {told.stderr.strip().splitlines()[-1]}")
    return told.stdout.strip() == "1"


if __name__ == "__main__":
    main()
