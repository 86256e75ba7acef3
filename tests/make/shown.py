"""Experiments as their commands show them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.report.formats import FORMATS
from harness.report.measured_page import MeasuredResult, measured_page, measured_result
from harness.schema.experiment import Experiment, Run
from make.records import make_experiment

PATH = Path("results/x.jsonl")


def result_of(runs: Sequence[Run], workloads: Sequence[str] = (), **plan: Any) -> MeasuredResult:
    """What `runs` of an experiment with these workloads say."""
    return measured_result(make_experiment(tuple(workloads), **plan), runs, (), PATH)


def shown(result: MeasuredResult, format: str = "plain") -> str:
    """The page on stdout."""
    return FORMATS[format](measured_page(result))


def shown_of(experiment: Experiment, runs: Sequence[Run], format: str = "plain") -> str:
    """The page of an experiment."""
    return shown(measured_result(experiment, runs, (), PATH), format)
