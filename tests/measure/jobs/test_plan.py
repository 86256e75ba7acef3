"""The engine's planner against what the same engine then takes, on models a test can afford."""

from __future__ import annotations

import re
from pathlib import Path
from time import perf_counter_ns

import pytest
from make.gguf import write_small
from make.header_stubs import as_if_remote, small_stub
from make.other_kinds import mamba
from make.records import make_runs

from harness.analysis.device_memory import SYSTEM
from harness.analysis.memory import group_values
from harness.errors import HarnessError
from harness.measure.jobs import plan as planning
from harness.measure.jobs.measure import MeasureJob, MeasureReport, measure
from harness.measure.jobs.plan import ContextRequest, MemoryPlan, plan_memory
from harness.measure.predictions import memory_predictions
from harness.models.find import find, local_model
from harness.models.twin.stub import header_stub, write_header_stub
from harness.schema.settings import Settings

MIB = 1 << 20


def planned(path: Path, settings: Settings, *lengths: int, n_sequences: int = 1) -> MemoryPlan:
    cache = {"type_k": settings.type_k, "type_v": settings.type_v}
    requests = [ContextRequest(n_ctx=n, n_sequences=n_sequences, **cache) for n in lengths]
    with header_stub(as_if_remote(path)) as empty:
        return plan_memory(empty, local_model(path, "k").headers, settings, requests)


def measured(tmp_path: Path, path: Path, settings: Settings, *workloads: str) -> MeasureReport:
    now = perf_counter_ns()
    job = MeasureJob(
        model_path=str(path),
        settings=settings,
        workloads=workloads,
        started_ns=now,
        deadline_ns=now,
    )
    report = measure(job, log=tmp_path / "run.log")
    assert report.outcome.status == "ok", report.outcome
    return report


def assert_as_planned(plan: MemoryPlan, report: MeasureReport) -> None:
    """Every kind of buffer of every context within 2 %, or what the log rounds away."""
    weights = sum(buffer.n_bytes for buffer in report.weights)
    for planned_context, taken in zip(plan.contexts, report.contexts, strict=True):
        assert planned_context.n_ctx == taken.n_ctx
        told = {it.component: it.value for it in memory_predictions(plan, planned_context)}
        by_kind = {
            kind: sum(buffer.n_bytes for buffer in taken.buffers if buffer.kind in kinds)
            for kind, kinds in {
                "kv_bytes": ("kv", "recurrent"),
                "compute_bytes": ("compute", "output"),
            }.items()
        }
        slack = 0.01 * MIB
        assert told["weights_bytes"] == pytest.approx(weights, rel=0.02, abs=slack)
        assert told["kv_bytes"] == pytest.approx(by_kind["kv_bytes"], rel=0.02, abs=slack)
        assert told["compute_bytes"] == pytest.approx(by_kind["compute_bytes"], rel=0.02, abs=slack)
        assert told["total_bytes"] == pytest.approx(
            weights + sum(by_kind.values()), rel=0.02, abs=slack
        )


@pytest.mark.parametrize("cache", ["f16", pytest.param("q8_0", marks=pytest.mark.slow)])
def test_what_is_planned_is_what_the_engine_takes(
    tmp_path: Path, tiny_model: Path, cache: str
) -> None:
    settings = Settings(n_threads=1, type_k=cache, type_v=cache)
    plan = planned(tiny_model, settings, 512, 2048)
    assert plan.outcome.status == "ok"
    assert_as_planned(plan, measured(tmp_path, tiny_model, settings, "pp512", "tg8@d2040"))


@pytest.mark.parametrize(
    "model", ["tiny-random", pytest.param("tiny-mamba", marks=pytest.mark.slow)]
)
def test_several_sequences_take_what_was_planned_for_so_many(
    tmp_path: Path, tiny_model: Path, model: str
) -> None:
    path = tiny_model if model == "tiny-random" else mamba().write(tmp_path)
    settings = Settings(n_threads=1)
    plan = planned(path, settings, 4 * 256, 4 * 512, n_sequences=4)
    report = measured(tmp_path, path, settings, "tg8x4", "pp500x4")
    assert_as_planned(plan, report)
    caches = [
        sum(it.n_bytes for it in each.buffers if it.kind in ("kv", "recurrent"))
        for each in (planned(path, settings, 256).contexts[0], plan.contexts[0])
    ]
    # The log rounds to 0.01 MiB.
    assert caches[1] == pytest.approx(4 * caches[0], abs=0.025 * MIB)
    assert caches[0] > 0.1 * MIB


@pytest.mark.parametrize("load_mode", [pytest.param("none", marks=pytest.mark.slow), "mmap"])
def test_sliding_windows_and_rearranged_weights_are_planned_too(
    tmp_path: Path, load_mode: str
) -> None:
    path = small_stub(tmp_path, "gemma-3-270m-it:Q4_0", 12, {262_144: 512})
    settings = Settings.model_validate({"n_threads": 1, "n_ctx": 4096, "load_mode": load_mode})
    plan = planned(path, settings, 4096)
    report = measured(tmp_path, path, settings, "tg1")
    assert_as_planned(plan, report)
    kinds = {buffer.kind: buffer.n_bytes for buffer in plan.contexts[0].buffers}
    # Two layers keep 4096 positions of a key and a value of 256 halves, ten keep their window
    # of 512 and a micro-batch of 512.
    assert kinds["kv"] == 2 * 4096 * 2 * 256 * 2
    assert kinds["kv-sliding"] == 10 * 1024 * 2 * 256 * 2
    # CPUs that rearrange nothing have one copy in either mode.
    is_rearranged = any(buffer.device == "CPU_REPACK" for buffer in report.weights)
    assert (plan.copied_bytes > 0.1 * plan.weights_bytes) == (is_rearranged and load_mode == "mmap")


@pytest.mark.parametrize(
    "name",
    ["qwen3.6-35b-a3b", pytest.param("nemotron-3-nano-30b-a3b", marks=pytest.mark.slow)],
)
def test_the_state_of_recurrent_layers_is_what_the_shape_says(name: str) -> None:
    found = find(name, asks_hub=False)
    assert found.spec is not None
    assert found.spec.shape is not None
    with header_stub(found) as empty:
        request = ContextRequest(n_ctx=512, type_k="f16", type_v="f16")
        plan = plan_memory(empty, found.headers, Settings(n_threads=1), [request])
    kinds = {buffer.kind: buffer.n_bytes for buffer in plan.contexts[0].buffers}
    assert kinds["recurrent"] == pytest.approx(found.spec.shape.state_bytes, abs=0.01 * MIB)


@pytest.mark.slow
def test_smollm2_takes_what_was_planned_and_its_process_no_more(tmp_path: Path) -> None:
    found = find("smollm2-135m", asks_hub=False)
    if found.path is None:
        pytest.skip("smollm2-135m has not been fetched")
    settings = Settings(n_threads=2)
    plan = planned(found.path, settings, 512)
    report = measured(tmp_path, found.path, settings, "pp512")
    assert_as_planned(plan, report)
    # Of the compute buffer a prompt leaves the scores of all but its last position untouched:
    # 511 rows of the vocabulary in 4 bytes each. All else is resident, and nothing beside it.
    peak = report.memory[-1].peak_bytes
    own = report.memory[0].resident_bytes
    need = sum(it.n_bytes for it in plan.contexts[0].buffers) + plan.reported_bytes
    assert found.file.n_vocab is not None
    if peak is not None:
        untouched = 511 * 4 * found.file.n_vocab
        assert need - untouched - 8 * MIB < peak - own < 1.02 * need


def test_weights_and_buffers_lie_on_devices_the_engine_has(tiny_model: Path) -> None:
    plan = planned(tiny_model, Settings(n_threads=1, n_gpu_layers=0), 512)
    assert set(plan.taken(plan.contexts[0])) <= {device.name for device in plan.devices}
    assert plan.weights_bytes == local_model(tiny_model, "k").file.weights_bytes


def test_the_largest_context_is_the_last_that_is_within_the_limit(tiny_model: Path) -> None:
    found = local_model(tiny_model, "k")
    request = ContextRequest(n_ctx=8192)

    def largest(system_bytes: int) -> int | None:
        plan = plan_memory(
            tiny_model,
            found.headers,
            Settings(n_threads=1, n_gpu_layers=0),
            [],
            largest=[request],
            system_bytes=system_bytes,
        )
        (context,) = plan.largest
        if context.n_ctx is not None:
            # A build for GPUs lays a compute buffer on one, whatever stays on the CPU.
            assert plan.taken(context)[SYSTEM] <= system_bytes
        return context.n_ctx

    assert largest(1 << 40) == 8192
    assert largest(1 * MIB) is None
    n_ctx = largest(12 * MIB)
    assert n_ctx is not None
    assert n_ctx % 256 == 0
    plan = plan_memory(
        tiny_model,
        found.headers,
        Settings(n_threads=1, n_gpu_layers=0),
        [ContextRequest(n_ctx=n_ctx + 256)],
    )
    assert plan.taken(plan.contexts[0])[SYSTEM] > 12 * MIB


def test_a_context_the_engine_refuses_leaves_the_others(tiny_model: Path) -> None:
    settings = Settings(n_threads=1, flash_attn="off")
    found = local_model(tiny_model, "k")
    requests = [ContextRequest(n_ctx=512, type_v="q8_0"), ContextRequest(n_ctx=512)]
    refused, planned_ = plan_memory(tiny_model, found.headers, settings, requests).contexts
    assert (refused.n_ctx, planned_.n_ctx) == (None, 512)
    assert "512 positions" in (refused.message or "")


def test_a_model_the_engine_does_not_know_is_a_failed_plan(tmp_path: Path) -> None:
    keys = {f"nosuch__{key}": 2 for key in ("block_count", "embedding_length")}
    path = write_small(tmp_path / "odd.gguf", general__architecture="nosuch", **keys)
    plan = planned(path, Settings(n_threads=1), 512)
    assert (plan.outcome.status, plan.outcome.reason) == ("failed", "architecture-unknown")
    assert plan.contexts == ()


def test_a_model_with_tensors_missing_is_a_failed_plan(tmp_path: Path) -> None:
    path = write_small(tmp_path / "bare.gguf")
    plan = planned(path, Settings(n_threads=1), 512)
    assert plan.outcome.status == "failed"
    assert plan.outcome.message


def test_the_parts_of_a_split_model_are_planned_together(tmp_path: Path, tiny_model: Path) -> None:
    whole = planned(tiny_model, Settings(n_threads=1), 512)
    first = split_in_two(tiny_model, tmp_path)
    split = planned(first, Settings(n_threads=1), 512)
    assert split.outcome.status == "ok", split.outcome
    assert split.weights == whole.weights
    assert split.contexts == whole.contexts


def split_in_two(path: Path, folder: Path) -> Path:
    """The model at `path` in two parts, with nothing of its weights."""
    gguf = pytest.importorskip("gguf")
    reader = gguf.GGUFReader(path)
    half = len(reader.tensors) // 2
    for index, tensors in enumerate((reader.tensors[:half], reader.tensors[half:])):
        part = folder / f"two-{index + 1:05}-of-00002.gguf"
        writer = gguf.GGUFWriter(part, "llama")
        if index == 0:
            for field in reader.fields.values():
                if field.name.startswith("GGUF.") or field.name == "general.architecture":
                    continue
                sub = field.types[1] if len(field.types) > 1 else None
                writer.add_key_value(field.name, field.contents(), field.types[0], sub)
        writer.add_uint16("split.no", index)
        writer.add_uint16("split.count", 2)
        writer.add_int32("split.tensors.count", len(reader.tensors))
        for tensor in tensors:
            writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
    return folder / "two-00001-of-00002.gguf"


# ------------------------------------------------------------------ header stubs


def test_a_header_stub_has_the_size_of_the_model_and_takes_the_room_of_its_header(
    tmp_path: Path,
) -> None:
    path = small_stub(tmp_path, "gemma-3-270m-it:Q8_0", 18, {})
    found = as_if_remote(path)
    with header_stub(found) as empty:
        status = empty.stat()
        assert status.st_size == found.file.n_bytes > 200 * MIB
        if hasattr(status, "st_blocks"):
            assert status.st_blocks * 512 < len(found.parts[0].data) + MIB
        kept = empty.read_bytes()[: len(found.parts[0].data)]
        assert kept == found.parts[0].data
    assert not empty.exists()
    assert not empty.parent.exists()


def test_a_model_that_is_here_is_its_own_stub(tiny_model: Path) -> None:
    with header_stub(local_model(tiny_model, "k")) as path:
        assert path == tiny_model
    assert tiny_model.exists()


def test_the_files_of_a_stub_are_named_as_parts(tmp_path: Path, tiny_model: Path) -> None:
    parts = as_if_remote(tiny_model).parts * 3
    first = write_header_stub(parts, tmp_path)
    assert first.name == "stub-00001-of-00003.gguf"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"stub-0000{index}-of-00003.gguf" for index in (1, 2, 3)
    ]


def test_a_folder_that_cannot_be_written_is_one_clear_line(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("harness.models.twin.stub.write_header_stub", refuse)
    found = as_if_remote(tiny_model)
    with pytest.raises(HarnessError, match=r"No space left on device.*TMPDIR"), header_stub(found):
        pass


def test_what_a_run_needs_by_its_record_is_what_was_planned(
    tmp_path: Path, tiny_model: Path
) -> None:
    """The record's own "need" counts the same buffers."""
    report = measured(tmp_path, tiny_model, Settings(n_threads=1), "pp512")
    run = make_runs(1)[0].model_copy(
        update={"weights": report.weights, "contexts": report.contexts}
    )
    plan = planned(tiny_model, Settings(n_threads=1), 512)
    told = {it.component: it.value for it in memory_predictions(plan, plan.contexts[0])}
    assert told["total_bytes"] == pytest.approx(group_values(run)["need"], rel=0.02)


# What the engine reported on an H100 with a mapped file, in MiB of system memory and of the card.
@pytest.mark.parametrize(
    ("n_cpu_moe", "in_system", "on_card"),
    [(0, 586.82, 10949.38), (12, 6354.92, 6095.70), (24, 11536.18, 1242.03)],
)
def test_experts_beside_a_gpu_are_counted_as_the_stretch_of_the_file_that_is_mapped(
    n_cpu_moe: int, in_system: float, on_card: float
) -> None:
    (header,) = find("gpt-oss-20b", asks_hub=False).headers
    beside = re.compile(r"token_embd|blk\.(\d+)\.ffn_(?:up|down|gate)_exps")
    pinned = [
        tensor.name
        for tensor in header.tensors
        if (match := beside.match(tensor.name)) and int(match[1] or -1) < n_cpu_moe
    ]
    others = [tensor.name for tensor in header.tensors if tensor.name not in pinned]
    sizes = {tensor.name: tensor.n_bytes for tensor in header.tensors}
    reported = planning._reported_bytes(
        {"CUDA_Host": pinned, "CUDA0": others}, [header], sizes, is_mapped=True
    )
    assert reported / MIB == pytest.approx(in_system + on_card, abs=0.05)
