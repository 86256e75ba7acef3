"""llama.cpp's own compare-llama-bench.py, run on what `harness export` writes."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from make.compare_script import compare_script
from make.records import make_experiment, make_model, make_run

from harness.commands.exchange.export import ExportRow, as_builds, exported
from harness.commands.exchange.write import as_csv, as_json, as_jsonl, as_sql
from harness.records.store import StoredExperiment
from harness.schema.model import ModelFile

WRITERS: dict[str, Callable[[Sequence[ExportRow]], str]] = {
    "json": as_json, "jsonl": as_jsonl, "csv": as_csv, "sqlite": as_sql,
}  # fmt: skip
WORKLOADS = ("pp512", "tg128", "tg128@d4096")
SPEEDS = {"Q4_K_M": 150.0, "Q8_0": 100.0}


def quantization(name: str) -> ModelFile:
    return make_model(key=f"smollm2:{name}", file_name=f"{name}.gguf", quantization=name)


def rows_of_quantizations() -> Sequence[ExportRow]:
    models = tuple(map(quantization, SPEEDS))
    runs = tuple(
        make_run(i, WORKLOADS, dict.fromkeys(WORKLOADS, SPEEDS[model.quantization]),
                 model=model.key)
        for i, model in enumerate(models)
    )  # fmt: skip
    stored = StoredExperiment(Path("it"), make_experiment(WORKLOADS, models=models), runs, None)
    return as_builds(exported([stored], lambda *_: True).rows)


def rows_of_builds() -> Sequence[ExportRow]:
    found = []
    for commit, speed in (("aaaaaaa", 100.0), ("bbbbbbb00", 150.0)):
        experiment = make_experiment(WORKLOADS)
        engine = experiment.provenance.engine.model_copy(update={"library_commit": commit})
        provenance = experiment.provenance.model_copy(update={"engine": engine})
        experiment = experiment.model_copy(update={"provenance": provenance})
        run = make_run(0, WORKLOADS, dict.fromkeys(WORKLOADS, speed))
        found.append(StoredExperiment(Path("it"), experiment, (run,), None))
    return exported(found, lambda *_: True).rows


def compared(script: Path, rows: Sequence[ExportRow], output: str, folder: Path) -> str:
    """What the script says of the two builds in `rows`, in that order."""
    path = folder / f"rows.{output}"
    text = WRITERS[output](rows)
    if output == "sqlite":
        connection = sqlite3.connect(path)
        connection.executescript(text)
        connection.close()
    else:
        path.write_text(text, "utf-8")
    before, after = sorted({row.record.build_commit for row in rows})
    done = subprocess.run(
        [sys.executable, script, "-t", "llama-bench", "-i", path, "-b", before, "-c", after],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "differing lengths" not in done.stderr
    return done.stdout


def speedups(table: str) -> dict[str, float]:
    cells = [[cell.strip() for cell in line.split("|")] for line in table.splitlines()[2:]]
    return {row[-5]: float(row[-2]) for row in cells}


@pytest.mark.parametrize(
    ("output", "may_fetch"),
    [
        ("json", False),
        *(pytest.param(output, True, marks=pytest.mark.slow) for output in WRITERS),
    ],
)
def test_the_script_compares_what_was_exported(
    output: str, may_fetch: bool, tmp_path: Path
) -> None:
    pytest.importorskip("git", reason="the script needs GitPython")
    script = compare_script(tmp_path, may_fetch=may_fetch)

    builds = speedups(compared(script, rows_of_builds(), output, tmp_path))
    assert builds == dict.fromkeys(WORKLOADS, pytest.approx(1.5, abs=0.02))
    (tmp_path / f"rows.{output}").unlink()
    quants = speedups(compared(script, rows_of_quantizations(), output, tmp_path))
    assert quants == dict.fromkeys(WORKLOADS, pytest.approx(1 / 1.5, abs=0.02))
