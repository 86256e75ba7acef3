"""analysis/energy.py: from counters to joules per token, or the reason why there are none."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from make.records import CPU, GPU, make_experiment, make_machine, make_run, run_of
from make.shown import shown_of
from make.trials import disturbed_counters, make_trial

from harness.analysis.cases import Case
from harness.analysis.energy import METRIC, PerToken, of_case, per_token
from harness.analysis.formulas import run_energy, run_values
from harness.analysis.measured import measured_of
from harness.schema.experiment import Run, Trial
from harness.schema.machine import Energy, EnergyKind

MACHINE = make_machine()
SECOND = 1_000_000_000
MS = 1_000_000


def took(
    joules: float,
    domain: str = "package-0",
    kind: EnergyKind = "package",
    window_ns: int = SECOND,
    **facts: Any,
) -> Energy:
    usual: dict[str, Any] = {"source": "powercap", "refresh_ns": MS, "step_joules": 2**-14}
    return Energy(domain=domain, kind=kind, joules=joules, window_ns=window_ns, **(usual | facts))


def gpu(joules: float, window_ns: int = SECOND) -> Energy:
    facts = {"source": "nvml", "refresh_ns": 100 * MS, "step_joules": 1e-3}
    return took(joules, "gpu-0", "gpu", window_ns, **facts)


def trial(*energy: Energy, index: int = 0, **changes: Any) -> Trial:
    """100 tokens, and what was counted around them."""
    return make_trial("tg100", 100, index, energy=energy, **changes)


def energy_run(trials: list[Trial], *idle: Energy, **changes: Any) -> Run:
    return run_of(*trials, idle_energy=idle, **changes)


def of(run: Run) -> PerToken:
    return per_token(run, [one for one in run.trials if not one.is_warm_up])


def test_the_rest_is_subtracted_and_trials_are_joined_by_sums() -> None:
    trials = [trial(took(30)), trial(took(80, window_ns=2 * SECOND), index=1)]
    found = of(energy_run(trials, took(20, window_ns=2 * SECOND)))
    # 110 J in 3 s, of which 30 J are 10 W of rest, over 200 tokens.
    assert found.joules == pytest.approx((110 - 30) / 200)
    assert (found.domains, found.source) == (("package-0",), "powercap")
    assert found.idle_watts == pytest.approx(10)


def test_memory_is_added_and_parts_and_platform_never_are() -> None:
    every = (
        took(30),
        took(12, "package-0/dram", "memory"),
        took(25, "package-0/core", "part"),
        took(90, "psys", "platform"),
    )
    idle = (
        took(10),
        took(2, "package-0/dram", "memory"),
        took(5, "package-0/core", "part"),
        took(40, "psys", "platform"),
    )
    found = of(energy_run([trial(*every)], *idle))
    assert found.joules == pytest.approx(0.30)
    assert found.domains == ("package-0", "package-0/dram")
    assert found.of_domain == pytest.approx(
        {"package-0": 0.2, "package-0/dram": 0.1, "package-0/core": 0.2, "psys": 0.5}
    )


def test_a_gpu_counts_only_where_the_engine_found_one() -> None:
    trials = [trial(took(30), gpu(210))]
    idle = (took(10), gpu(10))
    without = of(energy_run(trials, *idle))
    assert without.domains == ("package-0",)
    with_gpu = of(energy_run(trials, *idle, devices_loaded=(GPU, CPU)))
    assert with_gpu.domains == ("gpu-0", "package-0")
    assert with_gpu.joules == pytest.approx(2.2)
    assert with_gpu.source == "nvml + powercap"


def test_a_gpu_that_cannot_be_read_leaves_no_figure_of_the_rest() -> None:
    found = of(energy_run([trial(took(30))], took(10), devices_loaded=(GPU, CPU)))
    assert found.joules is None
    assert found.reason == "no counter covers the GPU; only package-0 could be read"
    reasons_missing = {"nvml": "nvidia-ml-py is not installed"}
    run = energy_run(
        [trial(took(30))], took(10), devices_loaded=(GPU,), energy_reasons_missing=reasons_missing
    )
    assert of(run).reason == "nvml: nvidia-ml-py is not installed"


def test_a_gpu_alone_is_named_as_such() -> None:
    found = of(energy_run([trial(gpu(150))], gpu(50), devices_loaded=(GPU,)))
    assert found.domains == ("gpu-0",)
    assert found.joules == pytest.approx(1.0)


def test_windows_too_short_for_the_counter_are_refused_however_many() -> None:
    idle = gpu(100, 2 * SECOND)
    short = [trial(gpu(150, 900 * MS), index=i) for i in range(9)]
    found = of(energy_run(short, idle, devices_loaded=(GPU,)))
    assert found.joules is None
    assert found.reason is not None
    assert "windows of 900 ms are too short for the counter of gpu-0: 1.00 s" in found.reason
    long = [trial(gpu(150, SECOND), index=i) for i in range(2)]
    assert of(energy_run(long, idle, devices_loaded=(GPU,))).joules == pytest.approx(1.0)


def test_an_unknown_refresh_counts_as_the_slowest_that_is_known() -> None:
    apple: dict[str, Any] = {"source": "apple", "refresh_ns": None, "step_joules": 1e-3}
    short = took(30, "cpu", window_ns=999 * MS, **apple)
    rest = took(5, "cpu", **apple)
    assert "1.00 s are needed" in str(of(energy_run([trial(short)], rest)).reason)
    assert of(energy_run([trial(took(30, "cpu", **apple))], rest)).joules == pytest.approx(0.25)


def test_too_few_steps_are_refused() -> None:
    coarse: dict[str, Any] = {"step_joules": 2.0}
    found = of(energy_run([trial(took(39, **coarse))], took(1, **coarse)))
    assert "39.0 J a trial are too few for the steps of package-0 (2.00 J)" in str(found.reason)
    enough = of(energy_run([trial(took(41, **coarse))], took(1, **coarse)))
    assert enough.joules == pytest.approx(0.4)


def test_a_part_of_the_chip_that_did_nothing_spoils_no_sum() -> None:
    npu = took(0, "ane", "npu", step_joules=1e-3)
    found = of(energy_run([trial(took(30), npu)], took(10), npu))
    assert found.joules == pytest.approx(0.2)


def test_without_a_rest_there_is_no_figure() -> None:
    found = of(energy_run([trial(took(30))]))
    assert (found.joules, found.reason) == (None, "nothing is known of package-0 when idle")
    short = of(energy_run([trial(took(30))], took(0.1, window_ns=9 * MS)))
    assert "the rest before loading was too short" in str(short.reason)


def test_a_battery_gives_what_it_lost_and_only_where_nothing_else_tells() -> None:
    facts = {"source": "battery", "refresh_ns": 5 * SECOND, "step_joules": 36.0}
    lost = took(1800, "battery", "battery", 60 * SECOND, **facts)
    found = of(energy_run([trial(lost)]))
    assert found.joules == pytest.approx(18)
    assert (found.domains, found.idle_watts) == (("battery",), None)
    assert of(energy_run([trial(lost, took(30))], took(10))).domains == ("package-0",)
    short = took(1800, "battery", "battery", 49 * SECOND, **facts)
    assert "50.0 s are needed" in str(of(energy_run([trial(short)])).reason)


def test_a_trial_that_lacks_a_counter_is_left_out_with_its_tokens() -> None:
    dram = took(5, "package-0/dram", "memory")
    trials = [trial(took(30), dram), trial(took(90), index=1)]
    found = of(energy_run(trials, took(10), took(1, "package-0/dram", "memory")))
    assert found.joules == pytest.approx((35 - 11) / 100)


def test_a_record_without_energy_says_so_or_why() -> None:
    assert of(make_run()).reason == "the record holds no energy"
    run = make_run(energy_reasons_missing={"powercap": "only root may read it", "battery": "none"})
    assert of(run).reason == "battery: none; powercap: only root may read it"
    assert per_token(run, []).reason == "no clean trial"


@given(
    joules=st.floats(0.01, 1e4),
    idle=st.floats(0, 1e4),
    window_ns=st.integers(20 * MS, 600 * SECOND),
)
def test_no_figure_is_ever_zero_or_less_without_a_reason(
    joules: float, idle: float, window_ns: int
) -> None:
    found = of(energy_run([trial(took(joules, window_ns=window_ns))], took(idle)))
    assert (found.joules is None) == (found.reason is not None)
    assert found.joules is None or found.joules > 0
    if joules <= idle * window_ns / 1e9 * (1 - 1e-9):
        assert "no more than when idle" in str(found.reason)


@given(st.lists(st.floats(1, 1e3), min_size=1, max_size=6), st.integers(1, 5))
def test_joining_trials_is_the_same_as_one_long_one(parts: list[float], n_domains: int) -> None:
    names = [f"package-{n}" for n in range(n_domains)]
    many = [
        trial(*(took(joules, name) for name in names), index=i) for i, joules in enumerate(parts)
    ]
    n_seconds = len(parts)
    whole = trial(
        *(took(sum(parts), name, window_ns=n_seconds * SECOND) for name in names),
        n_tokens=100 * n_seconds,
    )
    idle = [took(0.5, name) for name in names]
    assert of(energy_run(many, *idle)).joules == pytest.approx(
        of(energy_run([whole], *idle)).joules
    )


# ------------------------------------------------------------------ a case


def case_of(runs: list[Run]) -> Case:
    (group,) = measured_of(make_experiment(("tg100",)), runs)
    return group.cases[0]


def some_runs(joules: list[float], **changes: Any) -> list[Run]:
    return [
        energy_run([trial(took(one))], took(10), index=i, **changes) for i, one in enumerate(joules)
    ]


def test_disturbed_trials_and_warm_ups_are_left_out() -> None:
    spoilt = trial(took(500), index=1, counters=disturbed_counters())
    warm_up = trial(took(900), is_warm_up=True)
    run = energy_run([warm_up, trial(took(30)), spoilt], took(10))
    assert run_values(run, "tg100", MACHINE)[METRIC] == pytest.approx(0.2)
    assert METRIC not in run_values(run, "tg100", MACHINE, "disturbed")
    assert run_energy(run, "tg100", MACHINE).joules == pytest.approx(0.2)


def test_a_case_has_its_figure_with_an_interval_over_runs() -> None:
    case = case_of(some_runs([30, 31, 32, 29, 30, 30]))
    figure = case.metrics[METRIC]
    assert (figure.n, figure.unit, figure.kind) == (6, "J/token", "interval")
    assert figure.value == pytest.approx(0.2)
    assert METRIC not in case.not_applicable
    assert case.energy.of_domain["package-0"].n == 6


def test_runs_that_took_no_more_than_at_rest_are_named() -> None:
    case = case_of(some_runs([30, 9, 30]))
    assert case.metrics[METRIC].n == 2
    assert case.energy.n_silent == 1
    assert case.energy.why_silent == "package-0 took no more than when idle (-1.00 J)"
    case = case_of(some_runs([9, 8]))
    assert METRIC not in case.metrics
    assert "no more than when idle" in case.not_applicable[METRIC]


def test_runs_that_counted_different_domains_make_no_figure() -> None:
    dram = took(5, "package-0/dram", "memory")
    other = energy_run([trial(took(30), dram)], took(10), dram, index=1)
    case = case_of([*some_runs([30]), other])
    assert METRIC not in case.metrics
    assert case.not_applicable[METRIC].startswith("its Runs counted different domains: package-0;")
    assert of_case([]).not_applicable == {}


def test_the_table_names_the_domain_and_is_silent_without_a_figure() -> None:
    experiment = make_experiment(("tg100",))
    text = shown_of(experiment, some_runs([30] * 6))
    assert "tg100     J/token" in text
    assert "J/token: joules of package-0 (powercap), above the rest, / tokens." in text
    assert max(map(len, text.splitlines())) <= 80
    reasons_missing = {"powercap": "only root may read it"}
    silent = shown_of(experiment, [energy_run([trial()], energy_reasons_missing=reasons_missing)])
    assert "J/token" not in silent
    assert "root" not in silent
