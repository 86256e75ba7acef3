"""Experiments as their commands show them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.report.formats import FORMATS
from harness.report.json import render
from harness.report.measured_page import MeasuredResult, measured_page, measured_result
from harness.schema.experiment import Experiment, Run
from make.records import make_experiment

PATH = Path("results/x.jsonl")


def result_of(runs: Sequence[Run], workloads: Sequence[str] = (), **plan: Any) -> MeasuredResult:
    """What `runs` of an experiment with these workloads say."""
    return measured_result(make_experiment(tuple(workloads), **plan), runs, (), PATH)


def read(document: object) -> dict[str, Any]:
    """A document as a program reads it; what is no JSON fails the test."""
    made = json.loads(render(document), parse_constant=pytest.fail)
    assert isinstance(made, dict)
    return made


def shown(result: MeasuredResult, format: str = "plain", *, is_full: bool = False) -> str:
    """The page on stdout."""
    return FORMATS[format](measured_page(result, is_full=is_full))


def shown_of(experiment: Experiment, runs: Sequence[Run], format: str = "plain") -> str:
    """The page of an experiment."""
    return shown(measured_result(experiment, runs, (), PATH), format)
