"""llama-batched-bench as the other side: one fresh process for each number of sequences."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import click

from benchmarks.llama_bench import said_by
from harness.schema.settings import Settings
from harness.schema.workload import ParallelDecode, ParallelPrefill
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
        (prompts,) = (task for task in tasks if isinstance(task, ParallelPrefill))
        (steps,) = (task for task in tasks if isinstance(task, ParallelDecode))
        if prompts.depth or (steps.depth, steps.n_sequences) != (prompts.n, prompts.n_sequences):
            raise click.UsageError(f"{self.name} decodes {steps.name} behind other prompts.")
        said = said_by(self._command(model, prompts, steps), self.libraries)
        rows = parse_batched_bench(said, self.settings, prompts, steps)[1:]
        return {
            prompts.name: [row["speed_pp"] for row in rows],
            steps.name: [row["speed_tg"] for row in rows],
        }

    def _command(self, model: Path, prompts: ParallelPrefill, steps: ParallelDecode) -> list[str]:
        settings = self.settings
        again = ",".join([str(prompts.n_sequences)] * (1 + self.n_reps))
        given = {
            "-m": model, "-c": steps.n_ctx, "-b": settings.n_batch, "-ub": settings.n_ubatch,
            "-npp": prompts.n, "-ntg": steps.n, "-npl": again,
            "-t": settings.n_threads, "-tb": settings.n_threads, "--output-format": "jsonl",
        }  # fmt: skip
        words = [str(word) for option in given.items() for word in option]
        return [str(self.binary), *words, *self.arguments]


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
