"""What was measured, for programs: the document that `run`, `rehearse` and `show` share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.analysis import disturbance
from harness.analysis.cases import Case, CaseOutcome
from harness.analysis.energy import CaseEnergy
from harness.analysis.finding import Finding
from harness.analysis.findings import case_findings, tally
from harness.analysis.measured import Measured
from harness.analysis.serving_cost import serving_costs
from harness.analysis.speculation import guessings
from harness.analysis.verdict import Verdict
from harness.analysis.verdict_measured import NoVerdict
from harness.report.document_parts import (
    FileDocument,
    VerdictDocument,
    file_document,
    verdict_document,
)
from harness.report.loads_document import LoadsDocument, loads_documents
from harness.report.measured_page import MeasuredResult
from harness.report.serving_document import ServingDocument, serving_documents
from harness.report.speculation_document import SpeculationDocument, speculation_documents
from harness.report.turns_document import ConversationDocument, conversation_documents
from harness.schema.experiment import Provenance, Stop
from harness.schema.figure import Figure
from harness.schema.machine import Conditions, Machine, MachineFacts
from harness.schema.served import Served
from harness.schema.settings import AnySettings


@dataclass(frozen=True, slots=True)
class EnergyOfTokens:
    """
    What the joules per token are of; only figures of the same domains can be compared.

    Attributes:
        domains: What was added up.
        source: Of their counters.
        idle_watts: Of the rest that was subtracted; null where it was not (a battery's).
        of_domain: The same figure for each single domain, parts and platform too.
    """

    domains: tuple[str, ...]
    source: str
    idle_watts: float | None
    of_domain: Mapping[str, Figure]


@dataclass(frozen=True, slots=True)
class ConfigurationVerdict:
    """
    The verdict on one configuration.

    Attributes:
        model: Its key.
        settings: How the engine was set up.
        verdict: Null where what was measured allows none.
        reason: Then why.
    """

    model: str
    settings: AnySettings
    verdict: VerdictDocument | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class CaseDocument:
    """
    One workload of one configuration of the plan, measured or not.

    Attributes:
        model: Its key.
        quantization: Of its file.
        file: Which weights.
        rehearsed: Whether it was a twin: the model's header, random weights.
        workload: Its name, "tg128@d4096".
        settings: How the engine was set up, in llama.cpp's terms; of a served model what its server
            tells of its own.
        served: The server, and where it was asked; null where the engine here did it.
        outcome: A failed case keeps what was measured before the failure.
        metrics: Figures by name, from clean trials only; those of the whole configuration
            (loading, memory) stand in each of its cases.
        disturbed: The same from disturbed trials, only where no trial was clean: do not quote them.
        disturbed_by: What most of the disturbed trials were disturbed by; null where none was.
        not_applicable: Name of a metric to the reason why it has no figure.
        n_runs: Processes that made trials of this case.
        n_runs_failed: Failed ones of its configuration.
        n_runs_without_value: Those without a clean trial.
        n_trials: Repetitions.
        n_disturbed: How many of them were left out because others took the CPU; null where nobody
            counted.
        others_ratio: Share of the CPUs that others took during its trials; null where unknown, or
            where they were too short to tell.
        labels: What was noticed, to the number of trials (of Runs, for "slow first trial" and the
            outliers); none of it is dropped.
        findings: On figures that should not be believed as they stand.
        energy: Null where there are no joules per token; `not_applicable` says why.
    """

    model: str
    quantization: str | None
    file: FileDocument
    rehearsed: bool
    workload: str
    settings: AnySettings
    served: Served | None
    outcome: CaseOutcome
    metrics: Mapping[str, Figure]
    disturbed: Mapping[str, Figure]
    disturbed_by: str | None
    not_applicable: Mapping[str, str]
    n_runs: int
    n_runs_failed: int
    n_runs_without_value: int
    n_trials: int
    n_disturbed: int | None
    others_ratio: float | None
    labels: Mapping[str, int]
    findings: tuple[Finding, ...]
    energy: EnergyOfTokens | None


@dataclass(frozen=True, slots=True)
class MeasuredDocument:
    """
    An experiment with what it says.

    Attributes:
        experiment: Its id.
        started_at: When it began.
        origin: Of results imported from llama-bench the machine is hardly known.
        path: The experiment file, with every single trial; null where it could not be kept.
        machine: Hardware, the same from one experiment to the next.
        conditions: What may differ: power, memory available, load, warnings.
        provenance: Versions of harness, Python, binding and engine.
        cases: One for each model, settings and workload of the plan.
        loads: Of several users, or sequences together: which load is the largest within --slo.
        verdicts: One for each model and settings.
        stops: Why measuring each of them stopped; empty when the experiment was cut short.
        findings: How far to believe the figures, and what would help.
        serving: What serving costs, of each model that a server was started for.
        conversations: Turn by turn.
        speculation: What guessing tokens ahead gains, of each configuration that does.
    """

    experiment: str
    started_at: str
    origin: Literal["harness", "llama-bench"]
    path: Path | None
    machine: Machine | MachineFacts
    conditions: Conditions
    provenance: Provenance
    cases: tuple[CaseDocument, ...]
    loads: tuple[LoadsDocument, ...]
    verdicts: tuple[ConfigurationVerdict, ...]
    stops: tuple[Stop, ...]
    findings: tuple[Finding, ...]
    serving: tuple[ServingDocument, ...]
    conversations: tuple[ConversationDocument, ...]
    speculation: tuple[SpeculationDocument, ...]


def document(result: MeasuredResult) -> MeasuredDocument:
    """Everything `harness run` and `harness show` know."""
    experiment = result.experiment
    return MeasuredDocument(
        experiment=experiment.id,
        started_at=experiment.started_at,
        origin=experiment.origin,
        path=result.path,
        machine=experiment.machine,
        conditions=experiment.conditions,
        provenance=experiment.provenance,
        cases=tuple(_case(group, case) for group in result.groups for case in group.cases),
        loads=tuple(loads_documents(result.groups)),
        verdicts=tuple(
            _verdict(group, verdict)
            for group, verdict in zip(result.groups, result.verdicts, strict=True)
        ),
        stops=result.stops,
        findings=tuple(result.findings),
        serving=serving_documents(serving_costs(result.groups)),
        conversations=tuple(conversation_documents(result.groups)),
        speculation=speculation_documents(guessings(result.groups)),
    )


def _verdict(group: Measured, verdict: Verdict | NoVerdict) -> ConfigurationVerdict:
    known = verdict_document(verdict) if isinstance(verdict, Verdict) else None
    reason = verdict.reason if isinstance(verdict, NoVerdict) else None
    return ConfigurationVerdict(group.model.key, group.settings, known, reason)


def _case(group: Measured, case: Case) -> CaseDocument:
    is_ours = group.experiment.origin == "harness"
    return CaseDocument(
        model=group.model.key,
        quantization=group.model.quantization,
        file=file_document(group.model),
        rehearsed=group.model.is_twin,
        workload=case.workload,
        settings=group.settings,
        served=group.model.served,
        outcome=case.outcome,
        metrics=group.metrics | case.metrics,
        disturbed=case.disturbed,
        disturbed_by=disturbance.in_all(case.disturbances) or None,
        not_applicable=case.not_applicable,
        n_runs=case.n_runs,
        n_runs_failed=group.n_failed,
        n_runs_without_value=case.n_runs_without_value,
        n_trials=case.n_trials,
        n_disturbed=case.n_disturbed if is_ours else None,
        others_ratio=case.others_ratio,
        labels=tally(group, case),
        findings=tuple(case_findings(group, case)),
        energy=_energy(case.energy),
    )


def _energy(taken: CaseEnergy) -> EnergyOfTokens | None:
    """What the joules per token are of; None where there are none."""
    if not taken.domains:
        return None
    return EnergyOfTokens(taken.domains, taken.source, taken.idle_watts, taken.of_domain)
