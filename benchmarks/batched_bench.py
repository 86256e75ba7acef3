"""llama-batched-bench as the other side: one fresh process for each number of sequences."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import ClassVar

import click

from benchmarks.llama_bench import environment_with, said_by
from harness.schema.settings import Settings
from harness.schema.workload import ParallelDecode, ParallelPrefill, Verify
from harness.schema.workload_kind import Workload

_FLASH_ATTN = {"auto": -1, "off": 0, "on": 1}


@dataclass
class LlamaBatchedBench:
    """
    The program `binary`; with `libraries`, on the shared libraries that lie in that folder.

    It repeats nothing by itself: it is asked for the same row again and again. The first one, that
    also lays out the graph for its shape, counts no more than our warm-up does.
    """

    name: ClassVar[str] = "llama-batched-bench"

    binary: Path
    settings: Settings
    n_reps: int
    libraries: Path | None = None
    arguments: tuple[str, ...] = ()

    def measured(self, model: Path, tasks: Sequence[Workload]) -> Mapping[str, Sequence[float]]:
        """
        Tokens per second of each repetition of prompts and of the steps behind them.

        Args:
            model: Its file.
            tasks: The prompts and the steps, `pp64x4` and `tg64x4@d64`, in any order.

        Raises:
            ClickException: It failed, or measured something else.
        """
        prompts, steps = _parted(tasks)
        said = said_by(self._command(model, prompts, steps), self.libraries)
        rows = parse_batched_bench(said, self.settings, prompts, steps)[1:]
        return {
            prompts.name: [row["speed_pp"] for row in rows],
            steps.name: [row["speed_tg"] for row in rows],
        }

    def _command(
        self, model: Path, prompts: ParallelPrefill, steps: ParallelDecode, n_more: int = 1
    ) -> list[str]:
        settings = self.settings
        again = ",".join([str(prompts.n_sequences)] * (self.n_reps + n_more))
        given = {
            "-m": model, "-c": steps.n_ctx, "-b": settings.n_batch, "-ub": settings.n_ubatch,
            "-npp": prompts.n, "-ntg": steps.n, "-npl": again,
            "-t": settings.n_threads, "-tb": settings.n_threads, "--output-format": "jsonl",
        }  # fmt: skip
        words = [str(word) for option in given.items() for word in option]
        return [str(self.binary), *words, *self.arguments]


class CpuTimedBatchedBench(LlamaBatchedBench):
    """
    The same by its CPU time, for a machine that others use; of one thread, which never spins.

    A row is printed when it is done, and what the process has computed until then is looked up
    (Linux). Rows with a single step, from processes of their own, tell prompts and steps apart.
    """

    def measured(self, model: Path, tasks: Sequence[Workload]) -> Mapping[str, Sequence[float]]:
        """Tokens per second of CPU time, a mean of all repetitions; as in the base class."""
        prompts, steps = _parted(tasks)
        whole_s = self._row_s(model, prompts, steps)
        short_s = self._row_s(model, prompts, replace(steps, n=1))
        step_s = (whole_s - short_s) / (steps.n - 1)
        n = prompts.n_sequences
        return {prompts.name: [n * prompts.n / (short_s - step_s)], steps.name: [n / step_s]}

    def _row_s(self, model: Path, prompts: ParallelPrefill, steps: ParallelDecode) -> float:
        """Seconds that a row computes, in the mean."""
        # The last row is there so that the process still lives when the one before is done.
        command = self._command(model, prompts, steps, n_more=2)
        computed_s: list[float] = []
        lines: list[str] = []
        with subprocess.Popen(
            command,
            env=environment_with(self.libraries),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as process:
            assert process.stdout
            for line in process.stdout:
                if line.startswith("{"):
                    lines.append(line)
                    if len(lines) <= self.n_reps + 1:
                        computed_s.append(_computed_s(process.pid))
        parse_batched_bench("".join(lines), self.settings, prompts, steps)
        return fmean(after - before for before, after in pairwise(computed_s))


def _computed_s(pid: int) -> float:
    """CPU time of all threads that a process has."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


class SteppingBatchedBench(LlamaBatchedBench):
    """
    Its steps of N sequences beside our batches of N tokens of one.

    It knows no batch of one sequence that is asked for all of its logits. A step of N sequences is
    as many tokens and logits in one call; what differs is whose cells each looks at.
    """

    def measured(self, model: Path, tasks: Sequence[Workload]) -> Mapping[str, Sequence[float]]:
        """Tokens per second of the steps, by the names of `tasks`, one `verify8@d64`."""
        (task,) = (it for it in tasks if isinstance(it, Verify))
        prompts = ParallelPrefill(task.depth, n_sequences=task.n)
        steps = ParallelDecode(task.n_steps, task.depth, task.n)
        return {task.name: super().measured(model, (prompts, steps))[steps.name]}


def _parted(tasks: Sequence[Workload]) -> tuple[ParallelPrefill, ParallelDecode]:
    (prompts,) = (task for task in tasks if isinstance(task, ParallelPrefill))
    (steps,) = (task for task in tasks if isinstance(task, ParallelDecode))
    if prompts.depth or (steps.depth, steps.n_sequences) != (prompts.n, prompts.n_sequences):
        raise click.UsageError(f"{steps.name} is not decoded behind {prompts.name}.")
    return prompts, steps


def parse_batched_bench(
    text: str, settings: Settings, prompts: ParallelPrefill, steps: ParallelDecode
) -> list[dict[str, float]]:
    """
    The rows of `--output-format jsonl`, with whatever else was printed left out.

    Raises:
        ClickException: One is of something else than ours.
    """
    rows = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    ours = {
        "n_kv_max": steps.n_ctx, "n_batch": settings.n_batch, "n_ubatch": settings.n_ubatch,
        "flash_attn": _FLASH_ATTN[settings.flash_attn], "is_pp_shared": 0,
        "n_threads": settings.n_threads, "n_threads_batch": settings.n_threads,
        "pp": prompts.n, "tg": steps.n, "pl": prompts.n_sequences,
    }  # fmt: skip
    different = [
        f"{name} is {row.get(name)} there and {value} here"
        for row in rows
        for name, value in ours.items()
        if row.get(name) != value
    ]
    if different or not rows:
        what = different[0] if different else "no row"
        raise click.ClickException(f"llama-batched-bench measured something else: {what}.")
    return rows
