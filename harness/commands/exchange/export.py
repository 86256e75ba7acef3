"""
Stored experiments as rows of llama-bench: one for each case that it knows too, pp and tg.

A sample is one clean trial: that is llama-bench's repetition of the same workload. Theirs all come
from one process, ours from as many as there were Runs; `sample_runs` tells which from which.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from harness.commands.exchange.record import BenchRecord, averages, long_type
from harness.errors import UsageError
from harness.records.store import StoredExperiment
from harness.schema.configuration import workloads_for, workloads_under
from harness.schema.experiment import EngineInfo, Run, Trial
from harness.schema.machine import Device
from harness.schema.model import ModelFile
from harness.schema.model_kind import MODEL_KINDS
from harness.schema.moment import utc_time
from harness.schema.settings import Settings
from harness.schema.workload import Decode, ParallelDecode, ParallelPrefill, Prefill, parse_workload
from harness.schema.workload_kind import Workload

IsClean = Callable[[StoredExperiment, Run, Trial], bool]

FLASH_ATTN = {"auto": -1, "off": 0, "on": 1}
"""llama.cpp's numbers (enum llama_flash_attn_type)."""


@dataclass(frozen=True)
class ExportRow:
    """
    One row, and what llama-bench has no field for.

    `sample_runs` counts for each sample the Run it comes from. `title` names the model without
    its quantization.
    """

    record: BenchRecord
    experiment: str
    model: ModelFile
    title: str
    sample_runs: tuple[int, ...]


@dataclass(frozen=True)
class LeftOut:
    """A case that became no row, and why."""

    experiment: str
    model: str
    workload: str
    reason: str


@dataclass(frozen=True)
class Export:
    """The rows in the order of the experiments and their plans, and what is not among them."""

    rows: tuple[ExportRow, ...]
    left_out: tuple[LeftOut, ...]


def exported(experiments: Sequence[StoredExperiment], is_clean: IsClean) -> Export:
    """
    Every pp and tg case of `experiments`; commits are cut to one length, as the script wants them.

    Args:
        experiments: What was stored.
        is_clean: Whether a trial counts for the headline.

    Raises:
        UsageError: Two engine builds would become one by the cut.
    """
    found = [each for stored in experiments for each in _of_experiment(stored, is_clean)]
    rows = [each for each in found if isinstance(each, ExportRow)]
    return Export(
        rows=tuple(_with_equal_commits(rows)),
        left_out=tuple(each for each in found if isinstance(each, LeftOut)),
    )


def as_builds(rows: Sequence[ExportRow]) -> tuple[ExportRow, ...]:
    """
    `rows` with each quantization as a build of its own, of one and the same model.

    compare-llama-bench.py compares builds and nothing else: rows of different files never meet.
    The build is the quantization, filled up with "_" to one length.

    Raises:
        UsageError: Different files or engine builds would be taken for one.
    """
    builds = {row.record.build_commit for row in rows}
    if len(builds) > 1:
        raise UsageError(
            f"--as-builds puts quantizations in place of builds, and there are several builds: "
            f"{', '.join(sorted(builds))}. Export experiments of one build"
        )
    files: dict[tuple[str, str], ModelFile] = {}
    for row in rows:
        first = files.setdefault((row.title, row.model.quantization), row.model)
        if (first.file_name, first.sha256) != (row.model.file_name, row.model.sha256):
            raise UsageError(
                f"--as-builds would take {first.file_name} and {row.model.file_name} for one "
                f"file: both are {row.title} in {first.quantization}. Export them one by one"
            )
    width = max((len(row.model.quantization) for row in rows), default=0)
    return tuple(replace(row, record=_as_build(row, width)) for row in rows)


def build_names(rows: Sequence[ExportRow]) -> list[str]:
    """The builds in `rows`, in their order."""
    return list(dict.fromkeys(row.record.build_commit for row in rows))


def _as_build(row: ExportRow, width: int) -> BenchRecord:
    name = f"{row.title} (rehearsed)" if row.model.is_twin else row.title
    return row.record.model_copy(
        update={
            "build_commit": row.model.quantization.ljust(width, "_"),
            "model_filename": name,
            "model_type": name,
        }
    )


def _of_experiment(stored: StoredExperiment, is_clean: IsClean) -> Iterator[ExportRow | LeftOut]:
    experiment = stored.experiment
    for model in experiment.plan.models:
        if model.served is not None:
            why = "llama-bench does not ask servers"
            names = workloads_for(model, experiment.plan.workloads)
            yield from (LeftOut(experiment.id, model.key, name, why) for name in names)
            continue
        for settings in experiment.plan.engine_settings:
            mine = [r for r in stored.runs if (r.model, r.settings) == (model.key, settings)]
            for name in workloads_under(model, settings, experiment.plan.workloads):
                row = _row(stored, model, settings, name, mine, is_clean)
                yield (
                    LeftOut(experiment.id, model.key, name, row) if isinstance(row, str) else row
                )


def _row(
    stored: StoredExperiment,
    model: ModelFile,
    settings: Settings,
    name: str,
    runs: Sequence[Run],
    is_clean: IsClean,
) -> ExportRow | str:
    """The row of one case, or why there is none."""
    workload = parse_workload(name)
    if stored.experiment.origin == "llama-bench":
        return "it came from llama-bench, whose own file says more"
    if isinstance(workload, ParallelDecode | ParallelPrefill):
        return "llama-bench has one sequence alone; --format llama-batched-bench has several"
    if not isinstance(workload, Prefill | Decode):
        return "llama-bench has no such workload"
    if settings.n_ctx is not None:
        return "llama-bench cannot be given a context size"
    trials = [
        (run, trial)
        for run in runs
        for trial in run.trials
        if trial.workload == name and not trial.is_warm_up
    ]
    clean = [(run, trial) for run, trial in trials if is_clean(stored, run, trial)]
    if not clean:
        return "no clean trial" if trials else "not measured"
    samples = [trial.total_ns for _, trial in clean]
    return ExportRow(
        record=BenchRecord(
            **_machine_fields(stored.experiment.provenance.engine),
            **_model_fields(model),
            **_settings_fields(settings),
            **_workload_fields(workload),
            embeddings=MODEL_KINDS[model.kind].is_pooled,
            test_time=utc_time(clean[0][0].started_at).strftime("%Y-%m-%dT%H:%M:%SZ"),
            samples_ns=tuple(samples),
            **averages(workload.n, samples),
        ),
        experiment=stored.experiment.id,
        model=model,
        title=_title(model),
        sample_runs=tuple(run.index for run, _ in clean),
    )


def _machine_fields(engine: EngineInfo) -> dict[str, str]:
    cpus = [each.description for each in engine.devices if each.kind in ("cpu", "accel")]
    gpus = [each.description for each in engine.devices if each.is_gpu]
    # build_number is not told by the binding; 0 is what llama-bench itself writes then.
    return {
        "build_commit": engine.library_commit.split("-")[0] or "unknown",
        "cpu_info": ", ".join(cpus),
        "gpu_info": ", ".join(gpus),
        "backends": _backends(engine.devices),
    }


def _backends(devices: Sequence[Device]) -> str:
    """As llama-bench names them: the devices' names without their numbers, or "CPU"."""
    names = [re.sub(r"\d+$", "", each.name) for each in devices if each.kind != "cpu"]
    return ",".join(dict.fromkeys(names)) or "CPU"


def _model_fields(model: ModelFile) -> dict[str, str | int]:
    # llama.cpp has a table of sizes for each architecture; ours is the rounded count of parameters.
    description = f"{model.architecture} {_size_label(model.n_params)}"
    if model.is_twin:
        description += " rehearsed"
    return {
        "model_filename": model.file_name,
        "model_type": f"{description} {long_type(model.quantization)}",
        "model_size": model.weights_bytes,
        "model_n_params": model.n_params,
    }


def _size_label(n_params: int) -> str:
    if n_params >= 10**9:
        billions = n_params / 1e9
        return f"{billions:.0f}B" if billions >= 10 else f"{billions:.1f}".removesuffix(".0") + "B"
    return f"{max(1, round(n_params / 1e6))}M"


def _settings_fields(settings: Settings) -> dict[str, str | int | bool]:
    return {
        "n_batch": settings.n_batch,
        "n_ubatch": settings.n_ubatch,
        "n_threads": settings.n_threads,
        "type_k": settings.type_k,
        "type_v": settings.type_v,
        "n_gpu_layers": settings.n_gpu_layers,
        "n_cpu_moe": settings.n_cpu_moe,
        "split_mode": settings.split_mode,
        "main_gpu": settings.main_gpu,
        "flash_attn": FLASH_ATTN[settings.flash_attn],
        "devices": "/".join(settings.devices) or "auto",
        "tensor_split": "/".join(f"{share:.2f}" for share in settings.tensor_split) or "0.00",
        "load_mode": "dio" if settings.load_mode == "direct-io" else settings.load_mode,
        "repack": settings.repack,
    }


def _workload_fields(workload: Workload) -> dict[str, int]:
    return {
        "n_prompt": workload.n_prompt,
        "n_gen": workload.n_generated,
        "n_depth": workload.depth,
    }


def _title(model: ModelFile) -> str:
    """The model without its quantization: "smollm2-135m" of "smollm2-135m:Q4_1"."""
    name, colon, _ = model.key.rpartition(":")
    if colon:
        return name
    stem = model.key.removesuffix(".gguf")
    place = stem.lower().rfind(model.quantization.lower())
    if place < 0:
        return stem
    return (stem[:place] + stem[place + len(model.quantization) :]).strip("-_. ") or stem


def _with_equal_commits(rows: Sequence[ExportRow]) -> Iterator[ExportRow]:
    commits = {row.record.build_commit for row in rows}
    length = min((len(commit) for commit in commits), default=0)
    if len({commit[:length] for commit in commits}) < len(commits):
        raise UsageError(
            f"The builds {', '.join(sorted(commits))} cannot be told apart at one length; export "
            "their experiments one by one"
        )
    for row in rows:
        commit = row.record.build_commit[:length]
        yield replace(row, record=row.record.model_copy(update={"build_commit": commit}))
