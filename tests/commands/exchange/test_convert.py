from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from make.bench_rows import Row, as_json, as_sql, make_record, make_row
from make.records import make_experiment, make_model, make_run, make_runs
from make.shown import PATH, read, shown

from harness.analysis.measured import measured_of
from harness.analysis.verdict_measured import NoVerdict, judge
from harness.commands.exchange import write as llama_bench_write
from harness.commands.exchange.convert import Import, ImportedExperiment, imported
from harness.commands.exchange.export import exported
from harness.commands.exchange.read import parse
from harness.commands.exchange.record import NAMES, BenchRecord, averages, long_type, short_type
from harness.errors import ResultsInvalid
from harness.records.store import ExperimentWriter, StoredExperiment, load
from harness.report.document import document
from harness.report.measured_page import measured_result
from harness.schema.machine import Machine
from harness.schema.model import ModelFile
from harness.schema.settings import Settings, computing_threads


def take(*rows: Row, data: bytes | None = None) -> Import:
    records = parse(data or as_json(*rows), "it").records
    return imported(records, name="it", harness_version="0.1.0", python_version="3.11.7")


def take_one(*rows: Row) -> ImportedExperiment:
    (only,) = take(*rows).experiments
    return only


def test_a_row_becomes_a_run_with_a_trial_for_each_sample() -> None:
    found = take_one(make_row((100_000_000, 110_000_000)))

    (run,) = found.runs
    assert [(trial.workload, trial.total_ns, trial.n_tokens) for trial in run.trials] == [
        ("tg128", 100_000_000, 128),
        ("tg128", 110_000_000, 128),
    ]
    assert {trial.counters for trial in run.trials} == {None}
    assert run.outcome.status == "ok"
    assert (run.load, run.memory, run.weights) == (None, (), ())


def test_what_llama_bench_does_not_tell_is_unknown_not_zero() -> None:
    experiment = take_one(make_row(gpu_info="RTX 4080, RTX 4080")).experiment
    machine, (model,) = experiment.machine, experiment.plan.models

    assert experiment.origin == "llama-bench"
    assert not isinstance(machine, Machine)
    assert (machine.memory_bytes, machine.n_cores_logical, machine.os) == (None, None, None)
    assert [gpu.name for gpu in machine.accelerators] == ["RTX 4080", "RTX 4080"]
    assert isinstance(model, ModelFile)
    assert (model.n_layer, model.token_read_bytes, model.sha256) == (None, None, None)
    assert (model.quantization, model.architecture) == ("Q4_K_M", "llama")
    assert (model.key, model.weights_bytes) == ("smollm2-135m-q4_k_m.gguf", 105_000_000)


def test_the_id_of_an_imported_machine_is_never_that_of_a_measured_one() -> None:
    machine = take_one(make_row()).experiment.machine

    assert machine.id.startswith("llama-bench-")


def test_rows_of_different_models_settings_and_workloads_are_one_experiment() -> None:
    rows = [
        make_row(n_prompt=512, n_gen=0),
        make_row(),
        make_row(n_threads=4),
        make_row(model_filename="other.gguf"),
    ]
    found = take_one(*rows)

    assert [
        (run.model[:5], computing_threads(run.settings), run.workloads) for run in found.runs
    ] == [
        ("smoll", 8, ("pp512", "tg128")),
        ("smoll", 4, ("tg128",)),
        ("other", 8, ("tg128",)),
    ]
    assert sum(stop.n_runs for stop in found.end.stops) == 3


def test_a_row_that_comes_again_is_another_process_and_pairs_with_none() -> None:
    found = take_one(*[make_row(test_time=f"2026-04-2{day}T00:00:00Z") for day in range(3)])

    assert [run.round for run in found.runs] == [0, 1, 2]
    assert found.experiment.plan.n_runs_max == 3
    assert found.experiment.started_at == "2026-04-20T00:00:00Z"
    assert found.end.finished_at == "2026-04-22T00:00:00Z"


def test_rounds_of_two_models_are_never_shared() -> None:
    rows = [make_row(), make_row(model_filename="other.gguf")] * 3
    runs = take_one(*rows).runs

    assert len({run.round for run in runs}) == len(runs) == 6


def test_each_machine_and_build_is_an_experiment() -> None:
    found = take(
        make_row(),
        make_row(build_commit="00000000"),
        make_row(cpu_info="Apple M1"),
        make_row(gpu_info="RTX 4080", backends="CUDA"),
    )

    assert len({each.experiment.id for each in found.experiments}) == 4
    assert len({each.experiment.machine.id for each in found.experiments}) == 3


def test_two_files_of_one_name_are_two_models() -> None:
    rows = [make_row(model_filename="a/m.gguf"), make_row(model_filename="b/m.gguf")]
    rows.append(make_row(model_filename="b/m.gguf", model_size=7))
    keys = [model.key for model in take_one(*rows).experiment.plan.models]

    assert keys == ["m.gguf", "b/m.gguf", "b/m.gguf (2)"]


def test_a_row_without_samples_is_one_trial_at_the_average_rate() -> None:
    found = take(data=as_sql(make_row((100_000_000, 140_000_000))))
    ((trial,),) = [run.trials for run in found.experiments[0].runs]

    assert found.n_without_samples == 1
    expected = (128 / 0.1 + 128 / 0.14) / 2
    assert trial.n_tokens / trial.total_ns * 1e9 == pytest.approx(expected, rel=1e-7)


def test_settings_are_taken_over_in_our_words() -> None:
    row = make_row(
        load_mode="dio", flash_attn=1, tensor_split="3.00/1.00", devices="CUDA0/CUDA1",
        split_mode="row", n_cpu_moe=4, type_k="q8_0", repack=False,
    )  # fmt: skip
    (run,) = take_one(row).runs

    assert run.settings == Settings(
        n_threads=8, load_mode="direct-io", flash_attn="on", tensor_split=(3.0, 1.0),
        devices=("CUDA0", "CUDA1"), split_mode="row", n_cpu_moe=4, type_k="q8_0", repack=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"n_prompt": 512, "n_gen": 128}, "pp and tg under one clock"),
        ({"no_kv_offload": True}, "no_kv_offload is True"),
        ({"poll": 0}, "poll is 0"),
        ({"embeddings": True}, "embeddings is True"),
        ({"cpu_mask": "0x3"}, "cpu_mask is 0x3"),
        ({"tensor_buft_overrides": "exps=CPU"}, "tensor_buft_overrides is set"),
    ],
)
def test_a_row_that_has_no_counterpart_is_left_out_and_named(changes: Row, reason: str) -> None:
    assert take(make_row(), make_row(**changes)).left_out == {reason: 1}
    with pytest.raises(ResultsInvalid, match=reason):
        take(make_row(**changes))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"n_gen": 10**8}, "not a workload"),
        ({"n_depth": 10**12}, "not a workload"),
        ({"tensor_split": "a/b"}, "tensor_split"),
        ({"tensor_split": "inf"}, "tensor_split"),
        ({"tensor_split": "-1/2"}, "tensor_split"),
    ],
)
def test_what_cannot_be_measured_is_refused(changes: Row, told: str) -> None:
    with pytest.raises(ResultsInvalid, match=f"^it was not imported: .*{told}"):
        take(make_row(**changes))


def test_the_id_depends_on_the_rows_and_not_on_their_format() -> None:
    rows = (make_row(), make_row(n_threads=4))
    data = as_json(*rows)
    same = take(data=data.replace(b"\n", b""))

    assert take(data=data).experiments[0].experiment.id == same.experiments[0].experiment.id
    assert take(*rows[:1]).experiments[0].experiment.id != same.experiments[0].experiment.id


def test_an_imported_experiment_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    found = take_one(make_row(), make_row(n_prompt=64, n_gen=0))
    with ExperimentWriter(tmp_path, found.experiment) as writer:
        for run in found.runs:
            writer.append_run(run)
        writer.finish(found.end)
    stored = load(writer.path)

    assert (stored.experiment, stored.runs, stored.end) == (
        found.experiment, found.runs, found.end,
    )  # fmt: skip


def test_a_measured_experiment_without_its_machine_is_damaged() -> None:
    record = make_experiment().model_dump(by_alias=True)
    del record["machine"]["memory_bytes"]

    with pytest.raises(ValueError, match="machine is not described in full"):
        type(make_experiment()).model_validate(record)


def test_tables_and_documents_of_an_import_say_so_and_claim_nothing() -> None:
    found = take_one(make_row(), make_row(n_prompt=512, n_gen=0))
    result = measured_result(found.experiment, found.runs, found.end.stops, PATH)
    (group,) = result.groups
    text = shown(result)
    facts = read(document(result))

    assert "imported from llama-bench" in text
    assert max(map(len, text.splitlines())) <= 80
    assert "imported" in shown(result, "csv")
    assert facts["origin"] == "llama-bench"
    assert {case["n_disturbed"] for case in facts["cases"]} == {None}
    assert {case["others_ratio"] for case in facts["cases"]} == {None}
    assert {name for case in facts["cases"] for name in case["metrics"]} == {"tok_per_s"}
    assert group.cases[0].metrics["tok_per_s"].kind == "range"
    assert isinstance(judge(group), NoVerdict)
    lines = " ".join(found.text for found in result.findings)
    assert "whether a figure was disturbed is not known" in lines
    assert "quiet" not in lines


samples = st.lists(st.integers(1_000, 10**12), min_size=1, max_size=8)
rows = st.builds(
    lambda times, n, depth, is_prompt: make_record(
        n_prompt=n if is_prompt else 0,
        n_gen=0 if is_prompt else n,
        n_depth=depth,
        samples_ns=tuple(times),
        **averages(n, times),
    ),
    samples,
    st.integers(1, 100_000),
    st.integers(0, 100_000),
    st.booleans(),
)


@given(st.lists(rows, min_size=1, max_size=4))
@settings(max_examples=40)
def test_every_sample_of_every_row_is_in_some_trial(records: list[BenchRecord]) -> None:
    found = imported(records, name="it", harness_version="0", python_version="3")
    trials = [trial for each in found.experiments for run in each.runs for trial in run.trials]

    assert sorted(trial.total_ns for trial in trials) == sorted(
        ns for record in records for ns in record.samples_ns
    )


@given(st.integers(1, 4), st.sampled_from(["as_json", "as_jsonl", "as_csv", "as_sql"]))
@settings(max_examples=20)
def test_what_is_exported_and_imported_again_has_the_same_figures(n: int, writer: str) -> None:
    runs = tuple(make_runs(n))
    stored = StoredExperiment(Path("it"), make_experiment(), runs, None)
    out = exported([stored], lambda *_: True).rows
    (back,) = take(data=getattr(llama_bench_write, writer)(out).encode()).experiments

    assert back.experiment.plan.workloads == stored.experiment.plan.workloads
    assert back.experiment.plan.engine_settings == stored.experiment.plan.engine_settings
    (group,) = measured_of(back.experiment, back.runs)
    for row, case in zip(out, group.cases, strict=True):
        times = [t.total_ns for run in back.runs for t in run.trials if t.workload == case.workload]
        n_tokens = row.record.n_tokens
        if writer in ("as_json", "as_jsonl"):
            assert times == list(row.record.samples_ns)
        rates = [n_tokens / ns * 1e9 for ns in times]
        assert sum(rates) / len(rates) == pytest.approx(row.record.avg_ts, rel=1e-6)


def test_averages_are_those_that_llama_bench_prints() -> None:
    # The example of its own README (tools/llama-bench/README.md, JSON).
    times = [74601900, 71632900, 71745200, 71952700, 70745500]

    assert averages(512, times) == {
        "avg_ns": 72135640,
        "stddev_ns": 1453752,
        "avg_ts": 7100.002165,
        "stddev_ts": 140.34152,
    }


def test_a_quantization_keeps_its_name_through_llama_cpps() -> None:
    for name in ("Q4_K_M", "Q8_0", "IQ3_M", "F32", "MXFP4", "BF16", "Q2_K"):
        assert short_type(long_type(name)) == name
    assert short_type("(guessed) Q4_K - Small") == "Q4_K_S"
    assert short_type("mostly Q4_0") == "Q4_0"


def test_a_model_that_was_left_unmeasured_is_named_not_exported() -> None:
    stored = StoredExperiment(
        Path("it"),
        make_experiment(("pp512", "chat", "sustain60", "tg16"), models=(make_model(),)),
        (make_run(workloads=("pp512", "chat")),),
        None,
    )
    found = exported([stored], lambda *_: True)

    assert [row.record.n_prompt for row in found.rows] == [512]
    assert [(each.workload, each.reason) for each in found.left_out] == [
        ("chat", "llama-bench has no such workload"),
        ("sustain60", "llama-bench has no such workload"),
        ("tg16", "not measured"),
    ]


def test_all_42_fields_are_there_in_llama_benchs_order() -> None:
    assert len(NAMES) == 42
    assert (NAMES[0], NAMES[22], NAMES[26:28], NAMES[-1]) == (
        "build_commit", "flash_attn", ("load_mode", "lazy_mode"), "stddev_ts",
    )  # fmt: skip
