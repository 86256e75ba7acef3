"""
Stored experiments as rows of llama-batched-bench: prompts and steps of several sequences together.

One of its rows holds both, as it measures them: the prompts from an empty cache, then the steps
behind them. Ours are cases of their own, so a row is made of `pp512x4` and `tg128x4@d512`, or of
one of them where it is complete without the other. It repeats nothing; ours are medians over Runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from harness.analysis.cases import Case
from harness.analysis.measured import Measured, measured_of
from harness.commands.exchange.export import FLASH_ATTN, LeftOut
from harness.records.store import StoredExperiment
from harness.report.json import encode
from harness.schema.settings import Settings
from harness.schema.workload import (
    Decode,
    ParallelDecode,
    ParallelPrefill,
    Prefill,
    parse_workload,
)
from harness.schema.workload_kind import Workload

FORMAT = "llama-batched-bench"


@dataclass(frozen=True)
class BatchedRow:
    """A row: the prompts, the steps behind them, or both, of one configuration."""

    measured: Measured
    settings: Settings
    prompt: Case | None
    steps: Case | None

    @property
    def document(self) -> dict[str, Any]:
        """
        Its fields in their order (batched-bench.cpp), and one of our own, `harness`.

        A time and a rate are 0 where there was no prompt or no step, as they are there.
        """
        settings = self.settings
        n_pp, n_tg = _n_tokens(self.prompt), _n_tokens(self.steps)
        n_sequences = self._task.n_sequences
        n_kv = n_sequences * (n_pp + n_tg)
        t_pp, t_tg = _seconds(self.prompt), _seconds(self.steps)
        return {
            "n_kv_max": self._n_ctx,
            "n_batch": settings.n_batch,
            "n_ubatch": settings.n_ubatch,
            "flash_attn": FLASH_ATTN[settings.flash_attn],
            "is_pp_shared": 0,
            "n_gpu_layers": settings.n_gpu_layers,
            "n_threads": settings.n_threads,
            "n_threads_batch": settings.n_threads,
            "pp": n_pp,
            "tg": n_tg,
            "pl": n_sequences,
            "n_kv": n_kv,
            "t_pp": round(t_pp, 6),
            "speed_pp": round(_rate(self.prompt), 6),
            "t_tg": round(t_tg, 6),
            "speed_tg": round(_rate(self.steps), 6),
            "t": round(t_pp + t_tg, 6),
            "speed": round(n_kv / (t_pp + t_tg), 6),
            "harness": self._facts,
        }

    @property
    def _cases(self) -> tuple[Case, ...]:
        return tuple(case for case in (self.prompt, self.steps) if case)

    @property
    def _task(self) -> Workload:
        return parse_workload(self._cases[0].workload)

    @property
    def _n_ctx(self) -> int:
        """Positions of the largest context that was made for it."""
        names = {case.workload for case in self._cases}
        runs = (run for case in self._cases for run in case.runs)
        made = (it.n_ctx for run in runs for it in run.contexts if it.workload in names)
        return max(made, default=0)

    @property
    def _facts(self) -> dict[str, Any]:
        model = self.measured.model
        return {
            "experiment": self.measured.experiment.id,
            "model": model.key,
            "quantization": model.quantization,
            "sha256": model.sha256,
            "rehearsed": model.is_twin,
            "workloads": [case.workload for case in self._cases],
            "n_runs": [case.metrics["tok_per_s"].n for case in self._cases],
        }


def batched(
    experiments: Sequence[StoredExperiment],
) -> tuple[tuple[BatchedRow, ...], tuple[LeftOut, ...]]:
    """Every row that `experiments` hold, and the cases that are in none of them."""
    groups = [it for each in experiments for it in measured_of(each.experiment, each.runs)]
    found = [each for group in groups for each in _of_configuration(group)]
    return (
        tuple(each for each in found if isinstance(each, BatchedRow)),
        tuple(each for each in found if isinstance(each, LeftOut)),
    )


def as_jsonl(rows: Sequence[BatchedRow]) -> str:
    """An object a line."""
    return "".join(encode(row.document) + "\n" for row in rows)


def _of_configuration(measured: Measured) -> Iterator[BatchedRow | LeftOut]:
    settings = measured.settings
    if not isinstance(settings, Settings):
        served = "a server measured it, and its settings are its own"
        yield from (_left_out(measured, case, served) for case in measured.cases)
        return
    prompts: dict[tuple[int, int], Case] = {}
    steps: list[Case] = []
    for case in measured.cases:
        task = parse_workload(case.workload)
        if why := _reason_against(measured, case, task):
            yield _left_out(measured, case, why)
        elif task.n_prompt:
            prompts[task.n_prompt, task.n_sequences] = case
        else:
            steps.append(case)
    used: set[tuple[int, int]] = set()
    for case in steps:
        task = parse_workload(case.workload)
        key = task.depth, task.n_sequences
        if task.depth and key not in prompts:
            several = f"x{task.n_sequences}" if task.n_sequences > 1 else ""
            why = f"its row has the prompts too: measure pp{task.depth}{several} beside it"
            yield _left_out(measured, case, why)
            continue
        used.add(key)
        yield BatchedRow(measured, settings, prompts.get(key), case)
    for key, case in prompts.items():
        if key not in used:
            yield BatchedRow(measured, settings, case, None)


def _reason_against(measured: Measured, case: Case, task: Workload) -> str | None:
    """Why no row can hold a case."""
    if measured.experiment.origin != "harness":
        return f"it came from {measured.experiment.origin}"
    if not isinstance(task, Prefill | Decode | ParallelPrefill | ParallelDecode):
        return f"{FORMAT} has no such workload"
    if task.n_prompt and task.depth:
        return f"{FORMAT} has no prompts behind what is cached"
    if "tok_per_s" not in case.metrics:
        return "no clean trial" if case.n_trials else "not measured"
    return None


def _left_out(measured: Measured, case: Case, why: str) -> LeftOut:
    return LeftOut(measured.experiment.id, measured.model.key, case.workload, why)


def _n_tokens(case: Case | None) -> int:
    """Of each sequence."""
    if case is None:
        return 0
    task = parse_workload(case.workload)
    return task.n_prompt + task.n_generated


def _rate(case: Case | None) -> float:
    return case.metrics["tok_per_s"].value if case else 0.0


def _seconds(case: Case | None) -> float:
    if case is None:
        return 0.0
    return _n_tokens(case) * parse_workload(case.workload).n_sequences / _rate(case)
