"""
Whether the harness measures what llama-bench measures: pairs of fresh processes.

    python -m benchmarks.fidelity --llama-bench PATH
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from random import Random
from statistics import median

import click
from tabulate import tabulate

from benchmarks import setting_up
from benchmarks.contenders import VARIANT_NAMES, LlamaBench, Worker
from benchmarks.pairing import Cell, measure, splits
from benchmarks.ratios import Ratio
from harness.analysis.stats import interval as stats

_SAME_RANGE = (0.95, 1.05)

_HELP = """
Compare the harness with llama-bench, in interleaved pairs of fresh processes.

Both do the same: as many repetitions, threads and batch sizes, all repetitions counted, the mean
of their rates. A cell (model and workload) ends when the 95 % interval of harness / llama-bench
is within --precision.

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
@click.option("--llama-bench", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--libs", type=click.Path(exists=True, file_okay=False, resolve_path=True))
@click.option("--llama-bench-args", default="", help="More of its options, as one word.")
@click.option("--variant", type=click.Choice(VARIANT_NAMES), help="Change one thing in ours.")
@click.option("--against-itself", is_flag=True, help="Harness against harness: tests the method.")
@click.option("--vary-memory", is_flag=True, help="Another arrangement in every pair (glibc).")
@setting_up.pair_options
@setting_up.measuring_options
def main(
    llama_bench: Path | None,
    libs: str | None,
    llama_bench_args: str,
    variant: str | None,
    against_itself: bool,
    vary_memory: bool,
    models: tuple[str, ...],
    workloads: tuple[str, ...],
    reps: int,
    min_pairs: int,
    max_pairs: int,
    precision: float,
    budget: int,
    seed: int,
    threads: int | None,
    wait: int,
    as_json: bool,
) -> None:
    machine, settings = setting_up.machine_and_settings(threads)
    todo = [Cell(local, task) for local, task in setting_up.cells(models, workloads)]
    with tempfile.TemporaryDirectory() as folder, setting_up.alone(__file__, wait):
        ours = Worker(machine, settings, Path(folder) / "worker.log", reps, reps, variant)
        other: Worker | LlamaBench
        if against_itself:
            other = Worker(machine, settings, Path(folder) / "other.log", reps, reps)
        elif llama_bench:
            more = tuple(llama_bench_args.split())
            at = Path(libs) if libs else None
            other = LlamaBench(llama_bench.resolve(), settings, reps, at, more)
        else:
            raise click.UsageError("Give --llama-bench PATH (see --help), or --against-itself.")
        limits = (min_pairs, max_pairs, precision)
        measure(todo, ours, other, Random(seed), limits, budget, is_memory_varied=vary_memory)
        document = {
            "builds": builds(ours, other),
            "settings": settings.model_dump(mode="json"),
            "reps": reps,
            "variant": variant,
            "cells": [cell_document(cell, ours) for cell in todo if cell.pairs],
        }
    click.echo(json.dumps(document, indent=1) if as_json else summary(todo, ours, document))


def builds(ours: Worker, other: Worker | LlamaBench) -> dict[str, object]:
    """Which libraries the two sides run on: a difference may be the compiler's."""
    engine = ours.engine
    facts: dict[str, object] = {
        "harness_commit": engine.library_commit if engine else None,
        "harness_system_info": engine.system_info if engine else None,
    }
    if isinstance(other, LlamaBench):
        facts["llama_bench_commit"] = other.commit
        facts["llama_bench_system_info"] = other.system_info()
        facts["llama_bench_libraries"] = other.linked()
    return facts


def cell_document(cell: Cell, ours: Worker) -> dict[str, object]:
    """Everything about one cell, raw rates included."""
    ratio = cell.ratio()
    of_each = stats.estimate([p.harness.mean / p.other.mean for p in cell.pairs], "ratio")
    n_disturbed = sum(
        ours.why_disturbed(trial) is not None for p in cell.pairs for trial in p.harness.trials
    )
    return {
        "model": cell.local.key,
        "workload": cell.workload.name,
        "ratio": ratio.as_dict() if ratio else None,
        "median_ratio": asdict(of_each),
        "splits": {name: part.as_dict() for name, part in splits(cell).items() if part},
        "harness_trials_disturbed": n_disturbed,
        "pairs": [
            {
                "harness": p.harness.rates,
                "other": p.other.rates,
                "is_harness_first": p.is_harness_first,
                "malloc_threshold_bytes": p.malloc_threshold_bytes,
            }
            for p in cell.pairs
        ],
    }


def summary(todo: list[Cell], ours: Worker, document: dict[str, object]) -> str:
    """The tables for people."""
    measured = [(cell, ratio) for cell in todo if (ratio := cell.ratio())]
    rows = [
        [
            cell.local.key,
            cell.workload.name,
            ratio.n,
            f"{median(p.harness.mean for p in cell.pairs):.1f}",
            f"{median(p.other.mean for p in cell.pairs):.1f}",
            ratio.text,
            f"{ratio.spread:.1%}",
            verdict(ratio),
        ]
        for cell, ratio in measured
    ]
    headers = [
        "model",
        "workload",
        "pairs",
        "harness",
        "other",
        "ratio (95 %)",
        "spread",
        "verdict",
    ]
    parts = {cell.name: splits(cell) for cell, _ in measured}
    names = list(next(iter(parts.values()))) if parts else []
    details = [
        [name, *(part.text if (part := of_cell[name]) else "" for of_cell in parts.values())]
        for name in names
    ]
    medians = [
        stats.estimate([p.harness.mean / p.other.mean for p in cell.pairs], "ratio")
        for cell, _ in measured
    ]
    details.append(
        ["median pair", *(f"{m.value:.3f} ({m.low:.3f} to {m.high:.3f})" for m in medians)]
    )
    disturbed = [str(cell_document(cell, ours)["harness_trials_disturbed"]) for cell, _ in measured]
    details.append(["disturbed trials (kept)", *disturbed])
    facts = document["builds"]
    assert isinstance(facts, dict)
    return "\n".join(
        [
            tabulate(rows, headers, disable_numparse=True),
            "",
            tabulate(details, ["ratio of", *parts], disable_numparse=True),
            "",
            *(f"{name}: {fact}" for name, fact in facts.items()),
        ]
    )


def verdict(ratio: Ratio) -> str:
    """Whether the two agree: the interval holds 1, and lies within 0.95 to 1.05."""
    low, high = _SAME_RANGE
    contains = "holds 1" if ratio.low <= 1 <= ratio.high else "NOT 1"
    inside = "inside" if low <= ratio.low and ratio.high <= high else "NOT inside"
    return f"{contains}, {inside} {low}-{high}"


if __name__ == "__main__":
    main()
