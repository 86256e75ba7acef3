"""
Rows of llama-bench as experiments.

One experiment for each machine and build among the rows. A Run is one process, so each further row
of the same case is another Run: the k-th time a model's case comes up belongs to its k-th Run.
What no row tells stays unknown: counters, memory, loading, the machine but for its name.
"""

from __future__ import annotations

import re
from collections import Counter as Tally
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from harness.commands.exchange.facts import (
    digest,
    engine_of,
    machine_of,
    model_of,
    settings_of,
    workload_of,
)
from harness.commands.exchange.record import BenchRecord
from harness.errors import ResultsInvalid
from harness.schema.experiment import End, Experiment, Plan, Provenance, Run, Stop, Trial
from harness.schema.machine import Conditions
from harness.schema.model import ModelFile
from harness.schema.moment import utc_time
from harness.schema.outcome import Outcome
from harness.schema.settings import Settings

# llama-bench draws its tokens with rand() and never calls srand(): in C that is the seed 1.
_SEED = 1

# What changes a measurement and has no place in Settings, with the value that it must have.
_USUAL: dict[str, object] = {
    "no_kv_offload": False,
    "embeddings": False,
    "no_op_offload": 0,
    "no_host": False,
    "cpu_strict": False,
    "poll": 50,
    "lazy_mode": "auto",
    "fit_target": 0,
    "fit_min_ctx": 0,
}
_NO_MASK = re.compile(r"(0x)?0*")


@dataclass(frozen=True)
class ImportedExperiment:
    """One experiment file, ready to be written."""

    experiment: Experiment
    runs: tuple[Run, ...]
    end: End


@dataclass(frozen=True)
class Import:
    """
    What a file's rows became.

    `left_out` counts rows by the reason why they became nothing; `n_without_samples` are those
    of which only the average was kept.
    """

    experiments: tuple[ImportedExperiment, ...]
    left_out: dict[str, int]
    n_without_samples: int


@dataclass(frozen=True)
class _Row:
    record: BenchRecord
    model: ModelFile
    settings: Settings
    workload: str


def imported(
    records: Sequence[BenchRecord], *, name: str, harness_version: str, python_version: str
) -> Import:
    """
    Args:
        records: In the order of the file.
        name: The file's, for messages.
        harness_version: Of whoever imports.
        python_version: The same.

    Raises:
        ResultsInvalid: No row can be imported, or one describes something impossible.
    """
    reasons = [_reason_against(record) for record in records]
    usable = [record for record, reason in zip(records, reasons, strict=True) if reason is None]
    left_out = dict(Tally(reason for reason in reasons if reason))
    if not usable:
        raise ResultsInvalid(f"{name} was not imported: no row is left ({', '.join(left_out)}).")
    groups: dict[tuple[str, ...], list[BenchRecord]] = {}
    for record in usable:
        groups.setdefault(_origin(record), []).append(record)
    software = {"harness_version": harness_version, "python_version": python_version}
    return Import(
        experiments=tuple(_experiment(group, name, software) for group in groups.values()),
        left_out=left_out,
        n_without_samples=sum(not record.samples_ns for record in usable),
    )


def _reason_against(record: BenchRecord) -> str | None:
    """Why no Run of ours can say what the row says."""
    if record.n_prompt and record.n_gen:
        return "pp and tg under one clock"
    for field, usual in _USUAL.items():
        if getattr(record, field) != usual:
            return f"{field} is {getattr(record, field)}"
    if not _NO_MASK.fullmatch(record.cpu_mask):
        return f"cpu_mask is {record.cpu_mask}"
    if record.tensor_buft_overrides not in ("none", ""):
        return "tensor_buft_overrides is set"
    return None


def _origin(record: BenchRecord) -> tuple[str, ...]:
    """What all rows of one experiment share: the machine and the build."""
    build = (record.build_commit, str(record.build_number), record.backends)
    return (record.cpu_info, record.gpu_info, *build)


def _experiment(
    records: Sequence[BenchRecord], name: str, software: dict[str, str]
) -> ImportedExperiment:
    try:
        rows = _rows(records)
        runs = tuple(_runs(rows))
        times = [record.test_time for record in records]
        plan = _plan(rows, runs)
        experiment = Experiment(
            id=digest([record.model_dump(mode="json") for record in records])[:8],
            started_at=min(times, key=utc_time),
            origin="llama-bench",
            machine=machine_of(records[0]),
            conditions=Conditions(),
            provenance=Provenance(engine=engine_of(records[0]), **software),
            plan=plan,
        )
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ResultsInvalid(f"{name} was not imported: {where}: {first['msg']}.") from error
    except ValueError as error:
        raise ResultsInvalid(f"{name} was not imported: {error}.") from error
    end = End(finished_at=max(times, key=utc_time), stops=tuple(_stops(runs)))
    return ImportedExperiment(experiment, runs, end)


def _stops(runs: Sequence[Run]) -> Iterable[Stop]:
    n_runs = Tally((run.model, run.settings) for run in runs)
    for (model, settings), n in n_runs.items():
        yield Stop(model=model, settings=settings, reason="max-runs", n_runs=n)


def _rows(records: Sequence[BenchRecord]) -> list[_Row]:
    models: dict[tuple[str, str, int, int], ModelFile] = {}
    rows = []
    for record in records:
        identity = (
            record.model_filename,
            record.model_type,
            record.model_size,
            record.model_n_params,
        )
        if identity not in models:
            models[identity] = model_of(record, {model.key for model in models.values()})
        rows.append(_Row(record, models[identity], settings_of(record), workload_of(record)))
    return rows


def _runs(rows: Sequence[_Row]) -> Iterable[Run]:
    """Runs in the order in which their first rows come; each a round of its own."""
    seen: Tally[tuple[str, Settings, str]] = Tally()
    processes: dict[tuple[str, Settings, int], list[_Row]] = {}
    for row in rows:
        case = (row.model.key, row.settings, row.workload)
        processes.setdefault((row.model.key, row.settings, seen[case]), []).append(row)
        seen[case] += 1
    for index, ((model, settings, _), mine) in enumerate(processes.items()):
        trials = tuple(trial for row in mine for trial in _trials(row))
        yield Run(
            index=index,
            # Nothing says that processes took turns, so no two of them make a pair.
            round=index,
            model=model,
            settings=settings,
            workloads=tuple(row.workload for row in mine),
            seed=_SEED,
            started_at=min((row.record.test_time for row in mine), key=utc_time),
            # At least: only the timed regions are known.
            duration_ns=sum(trial.total_ns for trial in trials),
            outcome=Outcome(status="ok"),
            trials=trials,
        )


def _trials(row: _Row) -> Iterable[Trial]:
    """A trial for each sample; without samples one that ran at the average rate."""
    record = row.record
    average_ns = round(record.n_tokens / record.avg_ts * 1e9)
    for index, total_ns in enumerate(record.samples_ns or (average_ns,)):
        yield Trial(workload=row.workload, index=index, n_tokens=record.n_tokens, total_ns=total_ns)


def _plan(rows: Sequence[_Row], runs: Sequence[Run]) -> Plan:
    n_runs = Tally((run.model, run.settings) for run in runs)
    return Plan(
        models=tuple({row.model.key: row.model for row in rows}.values()),
        settings=tuple(dict.fromkeys(row.settings for row in rows)),
        workloads=tuple(dict.fromkeys(row.workload for row in rows)),
        n_runs_max=max(n_runs.values()),
        n_trials=max(len(row.record.samples_ns) or 1 for row in rows),
        n_cold_loads=0,
        # Nobody set a budget or asked for a precision: what was spent, and any at all.
        budget_ns=max(1, sum(run.duration_ns for run in runs)),
        precision=1.0,
        seed=_SEED,
    )
