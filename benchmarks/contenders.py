"""What is compared: this project's worker and llama-bench, each in a fresh process every time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from time import perf_counter_ns
from typing import Protocol

import click

from benchmarks.worker_variant import VARIANTS
from harness.analysis import disturbance as trust
from harness.measure import runner
from harness.measure.jobs.measure import MeasureJob, measure
from harness.measure.protocol import Event
from harness.schema.experiment import EngineInfo, Trial
from harness.schema.machine import Machine
from harness.schema.settings import Settings
from harness.schema.workload import Workload

_FOREVER_NS = 24 * 3600 * 1_000_000_000

# llama-bench's names of what has to be equal on both sides, and ours.
_SAME = {
    "n_threads": "n_threads",
    "n_batch": "n_batch",
    "n_ubatch": "n_ubatch",
    "n_gpu_layers": "n_gpu_layers",
    "n_cpu_moe": "n_cpu_moe",
    "type_k": "type_k",
    "type_v": "type_v",
    "load_mode": "load_mode",
    "repack": "repack",
    "split_mode": "split_mode",
}


@dataclass(frozen=True)
class Sample:
    """One process: tokens per second of each repetition, in order, and how long it all took."""

    rates: tuple[float, ...]
    wall_ns: int
    trials: tuple[Trial, ...] = ()

    @property
    def mean(self) -> float:
        """What llama-bench prints: the mean of the repetitions' rates."""
        return fmean(self.rates)


class Contender(Protocol):
    """Something that measures one workload of one model in one fresh process."""

    name: str

    def measure(self, model: Path, workload: Workload, seed: int) -> Sample:
        """One process's figures."""


@dataclass
class Worker:
    """
    The harness's own worker; `variant` is one of worker_variant.py, or None.

    It stops after `n_trials` clean trials or `n_trials_max` in all. The two are equal where
    disturbed ones shall count too.
    """

    machine: Machine
    settings: Settings
    log: Path
    n_trials: int
    n_trials_max: int
    variant: str | None = None
    name: str = "harness"
    engine: EngineInfo | None = field(default=None, init=False)

    def measure(
        self,
        model: Path,
        workload: Workload,
        seed: int,
        on_event: Callable[[Event], None] = lambda _: None,
    ) -> Sample:
        """One Run; warm-ups are left out."""
        started_ns = perf_counter_ns()
        job = MeasureJob(
            model_path=str(model),
            settings=self.settings,
            workloads=(workload.name,),
            n_trials=self.n_trials,
            n_trials_max=self.n_trials_max,
            seed=seed,
            n_cores_logical=self.machine.n_cores_logical,
            n_cores_usable=self.machine.n_cores_usable,
            started_ns=started_ns,
            deadline_ns=started_ns + _FOREVER_NS,
        )
        report = measure(job, log=self.log, on_event=on_event, command=self._command())
        if report.outcome.reason == "interrupted":
            raise KeyboardInterrupt
        if report.outcome.status == "failed":
            raise click.ClickException(f"The worker failed: {report.outcome.message}")
        self.engine = report.engine
        trials = tuple(trial for trial in report.trials if not trial.is_warm_up)
        rates = tuple(trial.n_tokens / trial.total_ns * 1e9 for trial in trials)
        return Sample(rates, perf_counter_ns() - started_ns, trials)

    def _command(self) -> tuple[str, ...]:
        if self.variant is None:
            return runner.WORKER
        script = Path(__file__).with_name("worker_variant.py")
        return (sys.executable, "-P", str(script), self.variant)

    def why_disturbed(self, trial: Trial) -> str | None:
        """Why `trial` does not count, or None."""
        return trust.why_disturbed(
            trial.counters,
            n_logical=self.machine.n_cores_logical,
            n_threads=self.settings.n_threads,
            n_usable=self.machine.n_cores_usable,
        )


@dataclass
class LlamaBench:
    """The program `binary`; with `libraries`, on the shared libraries that lie in that folder."""

    binary: Path
    settings: Settings
    n_reps: int
    libraries: Path | None = None
    arguments: tuple[str, ...] = ()
    name: str = "llama-bench"
    commit: str | None = field(default=None, init=False)

    def measure(self, model: Path, workload: Workload, seed: int) -> Sample:  # noqa: ARG002
        """One process; its tokens come from its own random numbers, always the same."""
        started_ns = perf_counter_ns()
        done = subprocess.run(
            self._command(model, workload),
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            tail = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            raise click.ClickException(f"{self.binary} ended with {done.returncode}: {tail}")
        rates, self.commit = parse_llama_bench(done.stdout, self.settings)
        return Sample(rates, perf_counter_ns() - started_ns)

    def _command(self, model: Path, workload: Workload) -> list[str]:
        settings = self.settings
        n_prompt, n_gen = workload.n_prompt, workload.n_generated
        given = {
            "-m": model,
            "-r": self.n_reps,
            "-p": n_prompt,
            "-n": n_gen,
            "-d": workload.depth,
            "-t": settings.n_threads,
            "-b": settings.n_batch,
            "-ub": settings.n_ubatch,
            "-o": "json",
        }
        words = [str(word) for option in given.items() for word in option]
        return [str(self.binary), *words, *self.arguments]

    def _environment(self) -> dict[str, str]:
        if self.libraries is None:
            return dict(os.environ)
        name = "DYLD_LIBRARY_PATH" if sys.platform == "darwin" else "LD_LIBRARY_PATH"
        return os.environ | {name: str(self.libraries)}

    def linked(self) -> list[str]:
        """The llama.cpp libraries it runs on, as the dynamic linker resolves them; Linux only."""
        if sys.platform != "linux":
            return []
        said = subprocess.run(
            ["ldd", str(self.binary)],
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        words = [line.split() for line in said.stdout.splitlines()]
        return [
            parts[2]
            for parts in words
            if len(parts) > 2
            and "lib" in parts[0][:3]
            and ("llama" in parts[0] or "ggml" in parts[0])
        ]

    def system_info(self) -> str | None:
        """
        What its library was compiled for, asked of the library itself in a process of its own.

        None where it cannot be found beside the binary or in `libraries`.
        """
        suffix = {"darwin": "dylib", "win32": "dll"}.get(sys.platform, "so")
        library = (self.libraries or self.binary.parent) / f"libllama.{suffix}"
        code = (
            "import ctypes, sys; lib = ctypes.CDLL(sys.argv[1]); "
            "lib.llama_print_system_info.restype = ctypes.c_char_p; "
            "lib.llama_backend_init(); print(lib.llama_print_system_info().decode())"
        )
        said = subprocess.run(
            [sys.executable, "-P", "-c", code, str(library)],
            capture_output=True,
            text=True,
            check=False,
        )
        return said.stdout.strip(" |\n") or None


def parse_llama_bench(text: str, settings: Settings) -> tuple[tuple[float, ...], str]:
    """
    Tokens per second of each repetition, and the commit, from `llama-bench -o json`.

    Raises:
        ClickException: Not one test, or one with other settings than ours.
    """
    tests = json.loads(text)
    if len(tests) != 1:
        raise click.ClickException(f"llama-bench told of {len(tests)} tests instead of one.")
    test = tests[0]
    ours = settings.model_dump()
    different = [
        f"{theirs} is {test[theirs]} there and {ours[name]} here"
        for theirs, name in _SAME.items()
        if theirs in test and test[theirs] != ours[name]
    ]
    if different:
        raise click.ClickException(f"llama-bench measured something else: {'; '.join(different)}.")
    n_tokens = test["n_prompt"] + test["n_gen"]
    # samples_ts is printed with six digits only.
    return tuple(n_tokens / ns * 1e9 for ns in test["samples_ns"]), test["build_commit"]


VARIANT_NAMES = sorted(VARIANTS)
