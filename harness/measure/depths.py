"""The depths at which work is measured: those that are named, or as far as memory and time go."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.analysis.speed.hardware_class import CALIBRATE
from harness.errors import UsageError
from harness.measure.depth_search import Means, depths_that_go
from harness.schema.experiment import Experiment
from harness.schema.machine import Machine
from harness.schema.model import AnyModel, ModelFile, ModelKey
from harness.schema.workload import parse_workload

Depths = tuple[int, ...] | Literal["auto"]
"""Tokens in the cache before the work begins."""

OF_FILES = ("pp512", "tg128")
OF_SERVERS = ("pp64+tg128",)
"""What is measured over depths, of files and of servers, where nobody asks for other work."""


@dataclass(frozen=True)
class DepthsAsked:
    """Which depths somebody asks for of which work, and of what; `paths` are those of files."""

    depths: Depths
    workloads: tuple[str, ...]
    models: Sequence[AnyModel]
    paths: Mapping[ModelKey, Path]


def at_depths(asked: DepthsAsked, means: Means) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """
    The workloads at the depths that are asked for, and what is to be said of where they end.

    Raises:
        UsageError: No work that can be at a depth, or "auto" of what is no file here.
    """
    if asked.depths != "auto":
        return behind_depths(asked.workloads, asked.depths, asked.models), ()
    files = [it for it in asked.models if isinstance(it, ModelFile) and it.key in asked.paths]
    if len(files) < len(asked.models):
        raise UsageError("--depths auto is for model files; name depths, as in --depths 0,4k,16k")
    at_none, at_one = (behind_depths(asked.workloads, (it,), asked.models) for it in (0, 1))
    moving = [parse_workload(name) for name in at_none if name not in at_one]
    beside = [parse_workload(name) for name in at_none if name in at_one]
    depths, notes = depths_that_go(files, asked.paths, moving, beside, means)
    return behind_depths(asked.workloads, depths, asked.models), notes


def behind_depths(
    workloads: Sequence[str], depths: Sequence[int], models: Sequence[AnyModel]
) -> tuple[str, ...]:
    """
    `workloads` at each of `depths`; what has a depth of its own, or none, stays as it is.

    Args:
        workloads: Their names; none are the usual ones of `models`.
        depths: Tokens in the cache before; of a request its prompt.
        models: What is to be measured.

    Raises:
        UsageError: None of them can be at a depth.
    """
    usual = OF_SERVERS if all(model.served for model in models) else OF_FILES
    found: list[str] = []
    why, has_depths = "", False
    for task in map(parse_workload, workloads or usual):
        try:
            found += [task.behind(task.depth or depth).name for depth in depths]
            has_depths = True
        except ValueError as error:
            found.append(task.name)
            why = str(error)
    if not has_depths:
        raise UsageError(f"--depths: {why}")
    return tuple(dict.fromkeys(found))


def unpredicted(experiment: Experiment) -> Iterator[str]:
    """Nothing where speeds are predicted beside the depths; else what may make predictions."""
    predicted = any(each.component == "tok_per_s" for each in experiment.predictions)
    machine = experiment.machine
    is_of_others = isinstance(machine, Machine) and bool(machine.rpc)
    if experiment.plan.engine_settings and not predicted and not is_of_others:
        yield (
            "No speed is predicted beside the depths; if this machine is not calibrated, "
            f"{CALIBRATE}"
        )
