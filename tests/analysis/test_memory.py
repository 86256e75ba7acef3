from __future__ import annotations

from make.records import CPU, GPU, make_experiment, make_run, make_runs

from harness.analysis.measured import Measured, measured_of
from harness.analysis.memory import group_values
from harness.schema.experiment import Buffer, ContextFacts, Experiment, Run


def group_of(experiment: Experiment, runs: list[Run]) -> Measured:
    (group,) = measured_of(experiment, runs)
    return group


def test_need_is_weights_and_the_largest_context() -> None:
    def context(kv: int, compute: int) -> ContextFacts:
        buffers = (
            Buffer(device="CPU", kind="kv", n_bytes=kv),
            Buffer(device="CPU", kind="compute", n_bytes=compute),
        )
        return ContextFacts(workload="pp512", n_ctx=512, create_ns=1, buffers=buffers)

    weights = (
        Buffer(device="CPU_Mapped", kind="weights", n_bytes=1000),
        Buffer(device="CPU_REPACK", kind="weights", n_bytes=500),
    )
    values = group_values(make_run(weights=weights, contexts=(context(10, 90), context(60, 20))))
    assert (values["weights"], values["kv"], values["compute"]) == (1500, 60, 90)
    assert values["need"] == 1500 + 100


def test_cold_and_warm_loads_are_told_apart() -> None:
    metrics = group_of(make_experiment(), make_runs(3)).metrics
    assert (metrics["load_cold"].n, metrics["load_warm"].n) == (1, 2)
    assert "load" not in metrics


def test_gpu_memory_is_absent_without_a_gpu_and_when_others_gave_some_back() -> None:
    loaded = GPU.model_copy(update={"free_bytes": 3 << 30})
    taken = make_run(devices_before=(CPU, GPU), devices_loaded=(CPU, loaded))
    freed = make_run(devices_before=(CPU, loaded), devices_loaded=(CPU, GPU))
    assert group_values(taken)["gpu_memory"] == 4 << 30
    assert "gpu_memory" not in group_values(freed)
    assert "gpu_memory" not in group_values(make_run())


def test_the_footprint_is_the_peak_on_macos() -> None:
    mark = (
        make_run()
        .memory[0]
        .model_copy(
            update={"footprint_bytes": 7, "peak_footprint_bytes": 9, "anonymous_bytes": None}
        )
    )
    values = group_values(make_run(memory=(mark,)))
    assert (values["footprint"], values["peak"]) == (7, 9)
    assert "anonymous" not in values
