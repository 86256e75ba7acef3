"""What came of a fleet, made by hand: no machine is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.commands.fleet.document import FleetRun
from harness.commands.fleet.plan import FleetPlan, PlannedHost
from harness.fleet.links import Joined
from harness.fleet.order import Hello
from harness.fleet.plan import FleetResult
from harness.measure.session import SessionResult
from harness.measure.sweep import Result
from harness.schema.experiment import Experiment, Run
from make.records import make_experiment, make_run


def make_hello(**changes: Any) -> Hello:
    facts = {
        "harness_version": "0.1.0",
        "python_version": "3.11.7",
        "distributed_version": "2026.8.0",
        "machine_id": "3f2a91c04d",
        "machine_title": "AMD EPYC, 2 cores, 24 GiB",
        "hostname": "vm",
        "utc_ns": 1_795_968_000 * 10**9,
        "idle_cores_share": 0.0042,
        "idle_over_ns": 2 * 10**9,
        "rss_bytes": 96 << 20,
    }
    return Hello.model_validate(facts | changes)


def make_joined(host: str, clock_offset_ns: int = 0, **changes: Any) -> Joined:
    return Joined(host, make_hello(**changes), clock_offset_ns)


def make_fleet_run(
    measured: Mapping[str, tuple[Experiment, Sequence[Run]]] | None = None,
    failures: Mapping[str, str] | None = None,
    unreachable: Mapping[str, str] | None = None,
    interrupted: Sequence[str] = (),
) -> FleetRun:
    """By default two machines that have measured all, one a third faster than the other."""
    if measured is None:
        one = make_experiment(("tg128",))
        slow, fast = (
            [make_run(n, ("tg128",), {"tg128": rate}) for n in range(6)] for rate in (120.0, 160.0)
        )
        measured = {"laptop": (one, slow), "studio": (one, fast)}
    results = {
        host: SessionResult(
            experiment,
            Result(runs=list(runs), is_interrupted=host in interrupted),
            Path(f"results/{host}.jsonl"),
        )
        for host, (experiment, runs) in measured.items()
    }
    joined = {host: make_joined(host) for host in (*measured, *(failures or {}))}
    hosts = tuple(PlannedHost(it, "harness", ()) for it in (*joined, *(unreachable or {})))
    return FleetRun(
        FleetPlan(Path("plan.yaml"), "0" * 64, hosts),
        joined,
        dict(unreachable or {}),
        FleetResult(results, dict(failures or {}), is_interrupted=bool(interrupted)),
    )
