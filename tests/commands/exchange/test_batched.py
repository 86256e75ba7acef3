from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from make.records import make_experiment, make_run, make_runs
from make.trials import make_trial

from harness.commands.exchange.batched import as_jsonl, batched
from harness.commands.exchange.export import exported
from harness.records.store import StoredExperiment
from harness.schema.experiment import Run

# One row of llama-batched-bench (batched-bench.cpp), by its keys.
KEYS = [
    "n_kv_max", "n_batch", "n_ubatch", "flash_attn", "is_pp_shared", "n_gpu_layers", "n_threads",
    "n_threads_batch", "pp", "tg", "pl", "n_kv", "t_pp", "speed_pp", "t_tg", "speed_tg", "t",
    "speed",
]  # fmt: skip


def stored(
    *workloads: str, rates: dict[str, float] | None = None, runs: Sequence[Run] | None = None
) -> StoredExperiment:
    made = [make_run(at, workloads, rates) for at in range(2)] if runs is None else runs
    return StoredExperiment(Path("it"), make_experiment(workloads), tuple(made), None)


def rows_of(*workloads: str, **rates: float) -> list[dict[str, Any]]:
    rows, _ = batched([stored(*workloads, rates=rates)])
    return [json.loads(line) for line in as_jsonl(rows).splitlines()]


def reasons(*workloads: str) -> dict[str, str]:
    _, left_out = batched([stored(*workloads)])
    return {each.workload: each.reason for each in left_out}


def test_prompts_and_the_steps_behind_them_are_one_row() -> None:
    experiment = stored(
        "pp64x4", "tg32x4@d64", rates={"pp64x4": 1280.0, "tg32x4@d64": 64.0}
    )  # fmt: skip
    rows, left_out = batched([experiment])
    (row,) = (json.loads(line) for line in as_jsonl(rows).splitlines())
    assert not left_out
    assert [*row][:-1] == KEYS
    assert (row["pp"], row["tg"], row["pl"], row["n_kv"]) == (64, 32, 4, 384)
    assert row["n_kv_max"] == 4 * 256
    assert row["speed_pp"] == pytest.approx(1280, rel=0.03)
    assert row["t_pp"] == pytest.approx(4 * 64 / row["speed_pp"], rel=1e-4)
    assert row["t_tg"] == pytest.approx(4 * 32 / row["speed_tg"], rel=1e-4)
    assert row["t"] == pytest.approx(row["t_pp"] + row["t_tg"], abs=2e-6)
    assert row["speed"] == pytest.approx(384 / row["t"], rel=1e-4)
    assert row["harness"]["workloads"] == ["pp64x4", "tg32x4@d64"]
    assert row["harness"]["n_runs"] == [2, 2]


def test_prompts_are_in_the_rows_of_all_steps_behind_them_and_else_in_their_own() -> None:
    rows = rows_of("pp64x4", "pp64", "pp32x2", "tg8x4@d64", "tg16x4@d64", "tg8@d64")
    assert [(row["pp"], row["tg"], row["pl"]) for row in rows] == [
        (64, 8, 4), (64, 16, 4), (64, 8, 1), (32, 0, 2),
    ]  # fmt: skip
    assert (rows[-1]["t_tg"], rows[-1]["speed_tg"]) == (0.0, 0.0)


def test_steps_from_an_empty_cache_have_no_prompt() -> None:
    (row,) = rows_of("tg8x4")
    assert (row["pp"], row["t_pp"], row["speed_pp"], row["n_kv"]) == (0, 0.0, 0.0, 32)
    assert row["t"] == row["t_tg"]


def test_what_no_row_can_hold_is_named() -> None:
    told = reasons("tg8x4@d64", "tg8@d32", "pp8x4@d64", "chat", "sustain8", "pp8")
    assert told == {
        "tg8x4@d64": "its row has the prompts too: measure pp64x4 beside it",
        "tg8@d32": "its row has the prompts too: measure pp32 beside it",
        "pp8x4@d64": "llama-batched-bench has no prompts behind what is cached",
        "chat": "llama-batched-bench has no such workload",
        "sustain8": "llama-batched-bench has no such workload",
    }
    (each,) = batched([stored("tg8x4", runs=[])])[1]
    assert each.reason == "not measured"


def test_llama_bench_has_one_sequence_alone() -> None:
    (each,) = exported([stored("tg8x4", runs=make_runs(1))], lambda *_: True).left_out
    assert each.reason.startswith("llama-bench has one sequence alone; --format llama-batched")


def test_a_step_of_the_row_is_the_trials_own() -> None:
    trial = make_trial("tg8x4", 100.0)
    assert trial.n_tokens == 32
    run = make_run(0, ("tg8x4",)).model_copy(update={"trials": (trial,)})
    rows, _ = batched([stored("tg8x4", runs=[run])])
    assert rows[0].document["speed_tg"] == pytest.approx(32 / trial.total_ns * 1e9, rel=1e-5)
