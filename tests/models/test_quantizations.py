"""Quantizations made by the real quantizer, in its worker, from models the tests write."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from time import perf_counter_ns

import pytest
from click.testing import CliRunner
from make.small_models import odd_rows, write_small_model
from measure.jobs.test_plan import split_in_two

from harness.commands.quantize.command import command
from harness.commands.quantize.files import (
    PlannedQuantization,
    plan_quantizations,
    write_quantization,
)
from harness.commands.quantize.quantize import warnings
from harness.errors import FetchFailed, HarnessError, ModelInvalid
from harness.files import FetchProgress, untold
from harness.measure.conversation import Report
from harness.measure.jobs.measure import MeasureJob, measure
from harness.measure.protocol import Job
from harness.measure.runner import run_worker
from harness.models.catalog.catalog import load_catalog
from harness.models.gguf.header import read_header
from harness.models.precision import is_quantized, precision_rank
from harness.models.quantization_sets import quantization_set_files
from harness.models.quantizations import (
    QuantizationSource,
    is_made_from,
    quantization_set_name,
    quantization_source,
)
from harness.schema.settings import Settings


def source_of(path: Path) -> QuantizationSource:
    return quantization_source(str(path), untold, load_catalog())


def types_in(path: Path) -> dict[str, str]:
    with path.open("rb") as file:
        header = read_header(file, path.stat().st_size, path.name)
    return {tensor.name: tensor.type_name for tensor in header.tensors}


@pytest.mark.slow
def test_files_are_as_planned_to_the_byte_and_run(tmp_path: Path) -> None:
    source = source_of(write_small_model(tmp_path / "small-F16.gguf"))
    folder = tmp_path / "made"
    folder.mkdir()
    planned, larger = plan_quantizations(source, ("Q4_K_M", "Q8_0"), folder)
    assert [planned.n_fallback, larger.n_fallback] == [0, 0]
    assert planned.n_bytes < larger.n_bytes
    assert {"Q4_K", "Q6_K", "F32"} == set(planned.types.values())
    write_quantization(source, planned, 1, untold)
    assert planned.path.stat().st_size == planned.n_bytes
    assert types_in(planned.path) == planned.types
    assert list(folder.glob("*.part")) == []
    now = perf_counter_ns()
    job = MeasureJob(
        model_path=str(planned.path),
        settings=Settings(n_threads=1),
        workloads=("tg4",),
        started_ns=now,
        deadline_ns=now,
    )
    report = measure(job, log=tmp_path / "run.log")
    assert report.outcome.status == "ok", report.outcome
    (made,) = quantization_set_files(folder)
    assert made.path.name == f"{source.set_name}-Q4_K_M.gguf"
    assert (made.source_sha256, made.requantized_from) == (source.sha256, None)
    assert is_made_from(planned.path, source, planned.n_bytes)
    assert not is_made_from(planned.path, source, planned.n_bytes + 1)


def test_rows_that_fit_no_block_are_counted_and_sized(tmp_path: Path) -> None:
    source = source_of(write_small_model(tmp_path / "odd-Q8_0.gguf", odd_rows("Q8_0")))
    (planned,) = plan_quantizations(source, ("Q3_K_M",), tmp_path)
    assert planned.n_fallback > 0
    assert {"Q4_0", "Q5_0"} <= set(planned.types.values())
    told: list[FetchProgress] = []
    write_quantization(source, planned, 1, told.append)
    assert planned.path.stat().st_size == planned.n_bytes
    assert types_in(planned.path) == planned.types
    # One report a tensor, and one that it is done.
    assert len(told) == len(planned.types) + 1
    assert [it.n_bytes_done for it in told] == sorted(it.n_bytes_done for it in told)
    # The name and the metadata say that errors add up.
    assert planned.path.name.endswith("-Q3_K_M-from-Q8_0.gguf")
    (made,) = [it for it in quantization_set_files(tmp_path) if it.path == planned.path]
    assert made.requantized_from == "Q8_0"


@pytest.mark.slow
def test_a_file_that_was_made_can_be_the_source_of_another(
    tmp_path: Path, tiny_model: Path
) -> None:
    source = source_of(tiny_model)
    (planned,) = plan_quantizations(source, ("Q4_0",), tmp_path)
    write_quantization(source, planned, 1, untold)
    # Keys that are replaced are not counted twice.
    again = source_of(planned.path)
    (second,) = plan_quantizations(again, ("Q2_K",), tmp_path)
    write_quantization(again, second, 1, untold)
    assert second.path.stat().st_size == second.n_bytes


@pytest.mark.slow
def test_the_parts_of_a_split_model_become_one_file(tmp_path: Path, tiny_model: Path) -> None:
    source = source_of(split_in_two(tiny_model, tmp_path))
    (planned,) = plan_quantizations(source, ("Q4_0",), tmp_path)
    write_quantization(source, planned, 1, untold)
    assert planned.path.stat().st_size == planned.n_bytes
    assert len(types_in(planned.path)) == sum(len(it.tensors) for it in source.model.headers)


@pytest.fixture(scope="module")
def tiny_plan(tiny_model: Path) -> tuple[QuantizationSource, PlannedQuantization]:
    """What Q4_0 of the tiny model would be; where is up to each test."""
    source = source_of(tiny_model)
    (planned,) = plan_quantizations(source, ("Q4_0",), Path())
    return source, planned


def into(folder: Path, planned: PlannedQuantization) -> PlannedQuantization:
    folder.mkdir()
    return replace(planned, path=folder / planned.path.name)


def test_an_interruption_leaves_nothing(
    tmp_path: Path, tiny_plan: tuple[QuantizationSource, PlannedQuantization]
) -> None:
    source, planned = tiny_plan[0], into(tmp_path / "made", tiny_plan[1])

    def interrupt(progress: FetchProgress) -> None:
        if progress.phase == "quantizing" and progress.n_bytes_done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_quantization(source, planned, 1, interrupt)
    assert list(planned.path.parent.iterdir()) == []


@contextmanager
def largest_file(n_bytes: int) -> Iterator[None]:
    """Files of this process and its children cannot grow beyond `n_bytes`, as on a full disk."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX limits")
@pytest.mark.parametrize("share", [pytest.param(0.5, marks=pytest.mark.slow), 0.999])
def test_a_full_disk_leaves_what_was_there(
    tmp_path: Path, tiny_plan: tuple[QuantizationSource, PlannedQuantization], share: float
) -> None:
    source, planned = tiny_plan[0], into(tmp_path / "made", tiny_plan[1])
    planned.path.write_bytes(b"what was there")
    with largest_file(int(planned.n_bytes * share)), pytest.raises(HarnessError):
        write_quantization(source, planned, 1, untold)
    assert planned.path.read_bytes() == b"what was there"
    assert len(list(planned.path.parent.iterdir())) == 1


def test_a_set_without_room_is_refused_before_writing(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage:
        free = 1000

    monkeypatch.setattr("harness.files.shutil.disk_usage", lambda _: Usage)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # a lock of its own
    arguments = [str(tiny_model), "--to", "Q4_0", "--dir", str(tmp_path / "made")]
    result = CliRunner().invoke(command, arguments)
    assert isinstance(result.exception, FetchFailed)
    assert "set --dir to a folder on a larger disk" in str(result.exception)
    assert list((tmp_path / "made").iterdir()) == []


def test_an_engine_that_dies_is_a_sentence(
    tmp_path: Path,
    tiny_plan: tuple[QuantizationSource, PlannedQuantization],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source, planned = tiny_plan[0], into(tmp_path / "made", tiny_plan[1])
    command = (sys.executable, "-c", "import os; os.abort()")
    real = run_worker

    def dying(job: Job, **options: object) -> Report:
        return real(job, command=command, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("harness.measure.jobs.quantize.runner.run_worker", dying)
    with pytest.raises(HarnessError, match=r"^Q4_0 could not be made: .*"):
        write_quantization(source, planned, 1, untold)
    assert not planned.path.exists()


def test_a_source_with_fewer_bits_than_the_target_is_warned_of(tiny_model: Path) -> None:
    source = source_of(tiny_model)
    quantizations = [
        PlannedQuantization("F16", Path("a"), {}, 2_000_000, 16.0),
        PlannedQuantization("Q4_0", Path("b"), {}, 600_000, 4.7),
    ]
    added, larger = warnings(source, quantizations)
    assert "tiny.gguf is itself quantized: the errors of both quantizations add up" in added
    assert larger == "F16: larger than tiny.gguf, and no more precise than it is"
    assert len(warnings(source, quantizations[1:])) == 1


def test_a_damaged_source_is_refused_before_any_engine(tmp_path: Path, tiny_model: Path) -> None:
    path = tmp_path / "cut.gguf"
    path.write_bytes(tiny_model.read_bytes()[:-100])
    with pytest.raises(ModelInvalid, match="cut short"):
        source_of(path)


# ------------------------------------------------------------------ names and ranks


def test_more_precise_files_rank_lower() -> None:
    names = ["F32", "BF16", "F16", "Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q4_0", "Q3_K_M", "Q2_K"]
    ranks = [precision_rank(name) for name in names]
    assert ranks == sorted(ranks)
    assert len(set(ranks)) == len(names)
    assert precision_rank("UD-Q4_K_XL") == precision_rank("Q4_K_M")
    assert precision_rank("nothing known") > precision_rank("IQ1_S")


def test_what_is_quantized_is_told_by_its_tensors() -> None:
    assert is_quantized({"F32": 10, "Q4_K": 10})
    assert not is_quantized({"F32": 10, "F16": 10, "BF16": 10, "I32": 4})


def test_a_set_is_called_like_its_model(tmp_path: Path, tiny_model: Path) -> None:
    catalog = load_catalog()
    assert quantization_set_name("smollm2-135m:Q8_0", catalog, untold) == "smollm2-135m"
    assert (
        quantization_set_name("owner/Some-Model-GGUF:Q8_0", catalog, untold) == "owner--Some-Model"
    )
    path = tmp_path / "My Model.Q8_0.gguf"
    path.write_bytes(tiny_model.read_bytes())
    name = quantization_set_name(str(path), catalog, untold)
    assert name.startswith("My-Model-")
    assert len(name) == len("My-Model-") + 8
