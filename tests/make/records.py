"""Makes experiments, Runs and trials as a small Linux machine would yield them."""

from __future__ import annotations

import random
from typing import Any

from harness.schema.experiment import (
    Buffer,
    ContextFacts,
    End,
    EngineInfo,
    Experiment,
    Load,
    Plan,
    Provenance,
    Run,
    Stop,
    Trial,
)
from harness.schema.machine import (
    BandwidthSample,
    Conditions,
    CoreLevel,
    Device,
    Machine,
    MemoryMark,
)
from harness.schema.model import AnyModel, ModelFile, ServedModel
from harness.schema.outcome import Outcome
from harness.schema.served import Served
from harness.schema.settings import AnySettings, ServedSettings, Settings
from harness.schema.workload import parse_workload
from make.trials import make_trial

MIB = 1 << 20
KEY = "smollm2-135m:Q4_1"
SETTINGS = Settings(n_threads=2)
GPU = Device(name="CUDA0", description="RTX", kind="gpu", total_bytes=8 << 30, free_bytes=7 << 30)
CPU = Device(
    name="CPU",
    description="AMD EPYC",
    kind="cpu",
    total_bytes=24_000 * MIB,
    free_bytes=20_000 * MIB,
)


def make_machine(**changes: Any) -> Machine:
    facts = {
        "id": "3f2a91c04d",
        "os": "Linux",
        "os_version": "6.8.0",
        "arch": "x86_64",
        "cpu": "AMD EPYC",
        "n_cores_physical": 2,
        "n_cores_logical": 2,
        "n_cores_usable": 2,
        "core_levels": (CoreLevel(name="all", n_cores=2),),
        "last_level_cache_bytes": 32 * MIB,
        "memory_bytes": 24_000 * MIB,
    }
    return Machine.model_validate(facts | changes)


def make_model(**changes: Any) -> ModelFile:
    facts = {
        "key": KEY,
        "file_name": "SmolLM2-135M-Instruct.Q4_1.gguf",
        "n_bytes": 98_362_432,
        "sha256": "b1" * 32,
        "quantization": "Q4_1",
        "architecture": "llama",
        "n_params": 134_515_008,
        "n_layer": 30,
        "n_embd": 576,
        "n_vocab": 49_152,
        "n_ctx_train": 8192,
        "weights_bytes": 96_000_000,
        "tensor_bytes": {"Q4_1": 66_000_000, "Q8_0": 30_000_000},
        "token_read_bytes": 96_000_000,
        "kv_read_bytes_per_position": 23_040,
    }
    return ModelFile.model_validate(facts | changes)


def make_served(**changes: Any) -> ServedModel:
    """What a llama-server on this machine tells of its model."""
    served = Served(
        url="http://127.0.0.1:8080",
        model="smollm2",
        server="llama-server",
        version="b11549",
        is_local=True,
        settings=ServedSettings(n_ctx=4096, n_slots=4),
    )
    facts = {"key": "smollm2@127.0.0.1:8080", "served": served, "file_name": "smollm2"}
    return ServedModel.model_validate(facts | changes)


def make_context(workload: str) -> ContextFacts:
    n_ctx = parse_workload(workload).n_ctx
    return ContextFacts(
        workload=workload,
        n_ctx=n_ctx,
        create_ns=3_000_000,
        buffers=(
            Buffer(device="CPU", kind="kv", n_bytes=n_ctx * 23_040),
            Buffer(device="CPU", kind="compute", n_bytes=100 * MIB),
            Buffer(device="CPU", kind="output", n_bytes=196_608),
        ),
    )


def make_run(
    index: int = 0,
    workloads: tuple[str, ...] = ("pp512", "tg128"),
    rates: dict[str, float] | None = None,
    *,
    n_trials: int = 3,
    rng: random.Random | None = None,
    **changes: Any,
) -> Run:
    """A Run with a warm-up and `n_trials` trials of each workload, at `rates` tokens a second."""
    rng = rng or random.Random(index)
    usual = {"pp512": 310.0, "tg128": 120.0} | (rates or {})
    trials = []
    for workload in workloads:
        rate = usual.get(workload, 100.0)
        trials.append(make_trial(workload, rate * 0.8, is_warm_up=True, rng=rng))
        trials += [make_trial(workload, rate, i, rng=rng) for i in range(n_trials)]
    bandwidth = BandwidthSample(
        median_bytes_per_s=30_000_000_000,
        q90_bytes_per_s=33_000_000_000,
        n_samples=15,
        n_threads=2,
        buffer_bytes=512 * MIB,
    )
    mark = MemoryMark(at="end", source="/proc/self/status", resident_bytes=300 * MIB)
    facts = {
        "index": index,
        "round": index,
        "model": KEY,
        "settings": SETTINGS,
        "workloads": workloads,
        "seed": 1000 + index,
        "started_at": f"2026-11-23T17:{index:02}:00+00:00",
        "duration_ns": 20_000_000_000,
        "outcome": Outcome(status="ok", exit_code=0),
        "load": Load(
            cached_ratio=0.0 if index == 0 else 1.0,
            is_cold=index == 0,
            process_ns=400_000_000,
            model_ns=90_000_000,
            total_ns=520_000_000,
        ),
        "weights": (Buffer(device="CPU", kind="weights", n_bytes=92 * MIB),),
        "contexts": tuple(make_context(workload) for workload in workloads),
        "memory": (
            mark.model_copy(
                update={
                    "peak_bytes": 310 * MIB,
                    "anonymous_bytes": 190 * MIB,
                    "file_backed_bytes": 110 * MIB,
                }
            ),
        ),
        "devices_before": (CPU,),
        "devices_loaded": (CPU,),
        "bandwidth_before": bandwidth,
        "bandwidth_after": bandwidth,
        "trials": tuple(trials),
        "log": f"run-{index}.log",
    }
    return Run.model_validate(facts | changes)


def run_of(*trials: Trial, **changes: Any) -> Run:
    """A Run of just these trials."""
    workloads = tuple(dict.fromkeys(trial.workload for trial in trials))
    return make_run(workloads=workloads, trials=trials, **changes)


def make_runs(n: int = 6, spread: float = 0.03, **changes: Any) -> list[Run]:
    """`n` Runs whose rates lie within ± `spread` of 310 (pp512) and 120 (tg128) tokens a second."""
    rng = random.Random(7)
    return [
        make_run(
            index,
            rates={
                "pp512": 310 * rng.uniform(1 - spread, 1 + spread),
                "tg128": 120 * rng.uniform(1 - spread, 1 + spread),
            },
            rng=rng,
            **changes,
        )
        for index in range(n)
    ]


def make_failed_run(index: int = 0, **changes: Any) -> Run:
    """A Run whose worker was killed before its first trial."""
    outcome = Outcome(
        status="failed",
        reason="killed",
        message="The system killed the worker while it loaded the model: not enough memory.",
        exit_code=-9,
    )
    facts: dict[str, Any] = {"outcome": outcome, "trials": (), "memory": ()}
    return make_run(index, **(facts | changes))


def make_experiment(
    workloads: tuple[str, ...] = ("pp512", "tg128"),
    *,
    id: str = "k7f3q9",
    started_at: str = "2026-11-23T17:54:00+00:00",
    models: tuple[AnyModel, ...] | None = None,
    settings: tuple[AnySettings, ...] = (SETTINGS,),
    machine: Machine | None = None,
    warnings: tuple[str, ...] = (),
    **plan: Any,
) -> Experiment:
    return Experiment(
        id=id,
        started_at=started_at,
        machine=machine or make_machine(),
        conditions=Conditions(
            power_source="mains",
            memory_available_bytes=20_000 * MIB,
            swap_used_bytes=0,
            load_average_1m=0.2,
            warnings=warnings,
            unknown={"battery_percent": "this machine has no battery"},
        ),
        provenance=Provenance(
            harness_version="0.1.0",
            python_version="3.11.7",
            engine=EngineInfo(
                binding="llama-cpp-python",
                binding_version="0.3.36",
                library_version="10023",
                library_commit="0123abc",
                system_info="CPU : AVX512 = 1",
                supports_gpu_offload=False,
                devices=(CPU,),
            ),
        ),
        plan=Plan.model_validate(
            {
                "models": models or (make_model(),),
                "settings": settings,
                "workloads": workloads,
                "n_runs_max": 12,
                "n_trials": 3,
                "n_cold_loads": 1,
                "budget_ns": 300_000_000_000,
                "precision": 0.02,
                "seed": 42,
            }
            | plan
        ),
    )


def make_end(n_runs: int = 6) -> End:
    stop = Stop(model=KEY, settings=SETTINGS, reason="precise", n_runs=n_runs)
    return End(finished_at="2026-11-23T17:59:00+00:00", stops=(stop,))
