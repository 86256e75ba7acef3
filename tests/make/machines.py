"""Experiments of several machines, for whatever sets them side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.analysis.measured import measured_of
from harness.analysis.standings import Entry, entries_of
from harness.schema.experiment import Experiment
from harness.schema.machine import Machine
from harness.schema.settings import Settings
from make.gate import make_candidate, make_rounds, put
from make.records import make_machine, make_model

RATES: Mapping[str, float] = {"slow": 0.0, "middle": -0.4, "fast": -0.75}
"""Machines by their ids, to how much longer a token takes than the usual."""


def machine_called(name: str, n_cores: int = 2) -> Machine:
    return make_machine(
        id=name,
        cpu=f"{name.title()} Chip",
        n_cores_physical=n_cores,
        n_cores_logical=n_cores,
        n_cores_usable=n_cores,
    )


def experiment_on(name: str, n_cores: int = 2, **changes: Any) -> Experiment:
    """As `harness run` would make it there, with the machine's own number of threads."""
    changes.setdefault("identity", f"e-{name}")
    changes.setdefault("settings", (Settings(n_threads=n_cores),))
    return make_candidate(machine=machine_called(name, n_cores), **changes)


def entries(experiment: Experiment, machine: int, **given: Any) -> list[Entry]:
    """Everything that it has, with Runs as `make_rounds` makes them."""
    runs = make_rounds(experiment, **given)
    return [
        entry
        for measured in measured_of(experiment, runs)
        for entry in entries_of(machine, measured, is_asked_often=False)
    ]


def put_fleet(folder: Path, rates: Mapping[str, float] = RATES, **changes: Any) -> list[Path]:
    """A file of each machine, from one day to the next."""
    return [
        put(folder, experiment_on(name, 2 + at, day=1 + at, **changes), slowdown=slowdown, seed=at)
        for at, (name, slowdown) in enumerate(rates.items())
    ]


def models_called(*keys: str) -> tuple[Any, ...]:
    """Each a file of its own."""
    return tuple(make_model(key=key, sha256=f"{at:064x}") for at, key in enumerate(keys, start=1))


def numbered(groups: Sequence[Sequence[Entry]]) -> list[Entry]:
    """All of them, one machine after the other."""
    return [entry for group in groups for entry in group]
