"""Results as one JSON document; docs/reference/json.md describes it for those who read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.analysis.cases import Case
from harness.analysis.energy import CaseEnergy
from harness.analysis.findings import case_findings, tally
from harness.analysis.measured import Measured
from harness.report.measured_page import MeasuredResult
from harness.report.text import kind_text
from harness.report.verdict import verdict_entry
from harness.schema.figure import Figure

DOCUMENT_SCHEMA = 1
# History of the document, newest first. A new key does not raise the number; a key that goes away
# or means something else does.
# 1 (2026-11): the first.


def document(result: MeasuredResult) -> dict[str, Any]:
    """Everything `harness run` and `harness show` know; each workload of a group is one case."""
    experiment = result.experiment
    return {
        "schema": DOCUMENT_SCHEMA,
        "experiment": experiment.id,
        "started_at": experiment.started_at,
        "origin": experiment.origin,
        "stored": str(result.path),
        "machine": experiment.machine.model_dump(mode="json"),
        "conditions": experiment.conditions.model_dump(mode="json"),
        "provenance": experiment.provenance.model_dump(mode="json"),
        "cases": [_case(group, case) for group in result.groups for case in group.cases],
        "verdicts": [
            verdict_entry(group, verdict)
            for group, verdict in zip(result.groups, result.verdicts, strict=True)
        ],
        "stops": [stop.model_dump(mode="json") for stop in result.stops],
        "trust": [finding.text for finding in result.findings],
    }


def _case(group: Measured, case: Case) -> dict[str, Any]:
    outcome = case.outcome
    return {
        "model": group.model.key,
        "quantization": group.model.quantization,
        "file": {"name": group.model.file_name, "sha256": group.model.sha256},
        "rehearsed": group.model.is_twin,
        "workload": case.workload,
        "settings": group.settings.model_dump(mode="json"),
        "outcome": {
            "status": outcome.status,
            "reason": outcome.reason,
            "message": outcome.message,
        },
        "metrics": _figures(group.metrics | case.metrics),
        "disturbed": _figures(case.disturbed),
        "not_applicable": case.not_applicable,
        "n_runs": case.n_runs,
        "n_runs_failed": group.n_failed,
        "n_runs_without_value": case.n_runs_without_value,
        "n_trials": case.n_trials,
        "n_contaminated": case.n_disturbed if group.experiment.origin == "harness" else None,
        "others_ratio": case.others_ratio,
        "labels": tally(group, case),
        "flags": [finding.text for finding in case_findings(group, case)],
        "energy": _energy(case.energy),
    }


def _energy(taken: CaseEnergy) -> dict[str, Any] | None:
    """What the joules per token are of; None where there are none."""
    if not taken.domains:
        return None
    return {
        "domains": list(taken.domains),
        "source": taken.source,
        "idle_watts": taken.idle_watts,
        "of_domain": _figures(taken.of_domain),
    }


def _figures(figures: Mapping[str, Figure]) -> dict[str, dict[str, str | float | None]]:
    return {
        name: {
            "median": figure.value,
            "low": figure.low,
            "high": figure.high,
            "n": figure.n,
            "unit": figure.unit,
            "kind": kind_text(figure),
        }
        for name, figure in figures.items()
    }
