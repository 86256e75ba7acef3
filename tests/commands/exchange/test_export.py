from __future__ import annotations

import csv
import io
import json
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from make.records import CPU, GPU, SETTINGS, make_experiment, make_model, make_runs, run_of
from make.trials import disturbed_counters, make_trial

from harness.analysis.formulas import why_disturbed
from harness.commands.exchange.export import Export, ExportRow, as_builds, build_names, exported
from harness.commands.exchange.record import NAMES, OLDER
from harness.commands.exchange.write import as_csv, as_json, as_jsonl, as_markdown, as_sql
from harness.errors import UsageError
from harness.records.store import StoredExperiment
from harness.schema.experiment import Experiment, Run, Trial
from harness.schema.model import ModelFile
from harness.schema.settings import Settings

GOLD = Path(__file__).parents[2] / "gold"
WRITERS: dict[str, Callable[[Sequence[ExportRow]], str]] = {
    "json": as_json,
    "jsonl": as_jsonl,
    "csv": as_csv,
    "sql": as_sql,
    "md": as_markdown,
}

# What compare-llama-bench.py asks for: the present one, and the one of commit 05f3b204.
NEW_SCRIPT = {
    "build_commit", "test_time", "avg_ts", "cpu_info", "gpu_info", "backends", "n_gpu_layers",
    "n_cpu_moe", "tensor_buft_overrides", "model_filename", "model_type", "n_batch", "n_ubatch",
    "embeddings", "cpu_mask", "cpu_strict", "poll", "n_threads", "type_k", "type_v", "load_mode",
    "no_kv_offload", "split_mode", "main_gpu", "tensor_split", "flash_attn", "n_prompt", "n_gen",
    "n_depth", "fit_target", "fit_min_ctx",
}  # fmt: skip
OLD_SCRIPT = (NEW_SCRIPT | {"use_mmap"}) - {"load_mode", "n_cpu_moe", "fit_target", "fit_min_ctx"}


def stored(
    *models: ModelFile, runs: Sequence[Run] = (), commit: str = "0c1e570-dirty", **plan: Any
) -> StoredExperiment:
    experiment = make_experiment(models=models or (make_model(),), **plan)
    return StoredExperiment(Path("it"), with_engine(experiment, commit), tuple(runs), None)


def with_engine(experiment: Experiment, commit: str, **changes: Any) -> Experiment:
    engine = experiment.provenance.engine.model_copy(update={"library_commit": commit} | changes)
    provenance = experiment.provenance.model_copy(update={"engine": engine})
    return experiment.model_copy(update={"provenance": provenance})


def is_clean(of: StoredExperiment, run: Run, trial: Trial) -> bool:
    return why_disturbed(trial, run, of.experiment.machine) is None


def export(*experiments: StoredExperiment) -> Export:
    return exported(experiments, is_clean)


def of_quantization(name: str, **changes: Any) -> ModelFile:
    return make_model(
        key=f"smollm2-135m:{name}", file_name=f"{name}.gguf", quantization=name, **changes
    )


def two_quantizations() -> tuple[ExportRow, ...]:
    models = (of_quantization("Q4_K_M"), of_quantization("Q8_0"))
    runs = [run.model_copy(update={"model": model.key}) for model in models for run in make_runs(2)]
    return export(stored(*models, runs=runs)).rows


@pytest.mark.parametrize("output", WRITERS)
def test_each_output_is_as_it_was(output: str) -> None:
    text = WRITERS[output](two_quantizations())

    assert text == (GOLD / f"llama-bench.{output}").read_text("utf-8")


@pytest.mark.parametrize("output", ["json", "jsonl", "csv"])
def test_both_generations_of_the_script_find_their_keys_and_no_null(output: str) -> None:
    text = WRITERS[output](two_quantizations())
    if output == "csv":
        rows: list[dict[str, Any]] = list(csv.DictReader(io.StringIO(text)))
    elif output == "json":
        rows = json.loads(text)
    else:
        rows = [json.loads(line) for line in text.splitlines()]

    assert len(rows) == 4
    for row in rows:
        assert row.keys() >= NEW_SCRIPT | OLD_SCRIPT
        assert all(row[key] is not None for key in (*NAMES, *OLDER))


def test_sql_goes_into_a_database_of_llama_benchs_however_the_file_is_called() -> None:
    model = make_model(file_name="it's; DROP TABLE llama_bench; --\0.gguf")
    (row, _) = export(stored(model, runs=make_runs(1))).rows
    connection = sqlite3.connect(":memory:")
    connection.executescript(as_sql([row]))
    connection.executescript(as_sql([row]))
    found = connection.execute("SELECT model_filename, avg_ts, flash_attn FROM llama_bench")

    expected = (model.file_name.replace("\0", ""), row.record.avg_ts, -1)
    assert found.fetchall() == [expected, expected]
    connection.close()


def test_a_row_has_the_clean_trials_of_all_runs() -> None:
    runs = [
        run_of(make_trial("tg128", 100), make_trial("tg128", 200, 1), index=0),
        run_of(make_trial("tg128", 300), make_trial("tg128", 900, is_warm_up=True), index=1),
        run_of(make_trial("tg128", 50, counters=disturbed_counters()), index=2),
    ]
    (row,) = export(stored(runs=runs, workloads=("tg128",))).rows

    assert row.sample_runs == (0, 0, 1)
    assert row.record.avg_ts == pytest.approx(200, rel=1e-6)
    assert row.record.stddev_ts == pytest.approx(100, rel=1e-6)


def test_commits_are_cut_to_one_length_and_to_the_hash() -> None:
    found = export(
        stored(runs=make_runs(1), commit="0c1e570-dirty"),
        stored(runs=make_runs(1), commit="fedcba9876"),
    )

    assert build_names(found.rows) == ["0c1e570", "fedcba9"]


def test_builds_that_a_cut_would_make_one_are_refused() -> None:
    with pytest.raises(UsageError, match="0c1e570, 0c1e570aa"):
        export(
            stored(runs=make_runs(1), commit="0c1e570"),
            stored(runs=make_runs(1), commit="0c1e570aa"),
        )


def test_devices_tell_processors_and_backends() -> None:
    second = GPU.model_copy(update={"name": "CUDA1"})
    one = stored(runs=make_runs(1))
    experiment = with_engine(one.experiment, "0c1e570", devices=(GPU, second, CPU))
    (row, _) = export(StoredExperiment(one.path, experiment, one.runs, None)).rows

    record = row.record
    assert (record.cpu_info, record.gpu_info, record.backends) == ("AMD EPYC", "RTX, RTX", "CUDA")


def test_settings_are_written_in_llama_benchs_words() -> None:
    settings = Settings(
        n_threads=2, flash_attn="on", load_mode="direct-io", tensor_split=(3, 1),
        devices=("CUDA0", "CUDA1"), n_gpu_layers=20, n_cpu_moe=3, type_k="q8_0",
    )  # fmt: skip
    runs = [run.model_copy(update={"settings": settings}) for run in make_runs(1)]
    rows = export(stored(runs=runs, settings=(settings,))).rows
    record = rows[0].record

    assert (record.flash_attn, record.load_mode, record.tensor_split) == (1, "dio", "3.00/1.00")
    assert record.devices == "CUDA0/CUDA1"
    for column in ("n_cpu_moe", "type_k", "fa", "dev", "ts", "lm"):
        assert f" {column} " in as_markdown(rows).splitlines()[0]


def test_a_context_size_of_ones_own_has_no_counterpart() -> None:
    settings = SETTINGS.model_copy(update={"n_ctx": 4096})
    runs = [run.model_copy(update={"settings": settings}) for run in make_runs(1)]
    found = export(stored(runs=runs, settings=(settings,)))

    assert {each.reason for each in found.left_out} == {
        "llama-bench cannot be given a context size"
    }


def test_a_rehearsal_is_never_taken_for_the_model() -> None:
    (measured, _) = export(stored(runs=make_runs(1))).rows
    (rehearsed, _) = export(stored(make_model(is_twin=True), runs=make_runs(1))).rows

    assert rehearsed.record.model_type == "llama 135M rehearsed Q4_1"
    assert measured.record.model_type == "llama 135M Q4_1"
    assert as_builds([rehearsed])[0].record.model_type != as_builds([measured])[0].record.model_type


def test_as_builds_makes_quantizations_builds_of_one_model() -> None:
    rows = as_builds(two_quantizations())

    assert build_names(rows) == ["Q4_K_M", "Q8_0__"]
    assert {(row.record.model_filename, row.record.model_type) for row in rows} == {
        ("smollm2-135m", "smollm2-135m")
    }


def test_as_builds_knows_a_file_without_its_quantization() -> None:
    model = make_model(key="tiny-Q4_1-00001.gguf", file_name="tiny-Q4_1-00001.gguf")
    (row, _) = as_builds(export(stored(model, runs=make_runs(1, model=model.key))).rows)

    assert row.record.model_filename == "tiny--00001"


def test_as_builds_refuses_to_mix_files_and_builds() -> None:
    models = [
        make_model(key=f"{place}:Q4_1", file_name=f"{place}.gguf", sha256=place * 32)
        for place in ("aa", "bb")
    ]
    others = [model.model_copy(update={"key": "smollm2:Q4_1"}) for model in models]
    found = [export(stored(model, runs=make_runs(1, model=model.key))).rows[0] for model in others]
    with pytest.raises(UsageError, match=r"aa.gguf and bb.gguf for one file"):
        as_builds(found)
    builds = export(
        stored(runs=make_runs(1), commit="aaaaaaa"), stored(runs=make_runs(1), commit="bbbbbbb")
    )
    with pytest.raises(UsageError, match="aaaaaaa, bbbbbbb"):
        as_builds(builds.rows)


def test_a_table_never_holds_control_characters_or_columns_of_a_name() -> None:
    model = make_model(architecture="evil\x1b[2J|a|\n")
    text = as_markdown(export(stored(model, runs=make_runs(1))).rows)

    assert all(char.isprintable() or char == "\n" for char in text)
    lines = text.splitlines()
    assert len({line.replace("\\|", "").count("|") for line in lines[:4]}) == 1


def test_the_form_of_each_output_is_that_of_llama_bench_itself() -> None:
    """The first lines: a table's header and rule, the columns of CSV, the whole SQL table."""
    real = GOLD / "llama-bench-0c1e570"
    ours = {name: WRITERS[name](two_quantizations()).splitlines() for name in WRITERS}
    theirs = {name: (real / f"tiny.{name}").read_text("utf-8").splitlines() for name in WRITERS}

    assert ours["md"][:2] == theirs["md"][:2]
    assert ours["csv"][0].split(",")[: len(NAMES)] == theirs["csv"][0].split(",")
    assert ours["sql"][:45] == theirs["sql"][:45]
    insert = theirs["sql"][45].split(" VALUES ")[0]
    assert ours["sql"][45].split(" VALUES ")[0] == insert
    keys = list(json.loads(theirs["jsonl"][0]))
    assert [key for key in json.loads(ours["jsonl"][0]) if key in keys] == keys
    first = json.loads("\n".join(theirs["json"]))[0]
    mine = json.loads("\n".join(ours["json"]))[0]
    assert {key: type(first[key]) for key in keys} == {key: type(mine[key]) for key in keys}


def test_what_reads_a_text_at_once_is_a_row_with_embeddings() -> None:
    (row,) = export(stored(make_model(architecture="bert"), runs=make_runs(1))).rows
    assert (row.record.n_prompt, row.record.n_gen) == (512, 0)
    assert row.record.embeddings
    (prompt, _) = export(stored(runs=make_runs(1))).rows
    assert not prompt.record.embeddings
