"""The JSON documents of `harness fit`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.analysis.device_memory import Fits, MemoryCapacity
from harness.analysis.prediction_errors import Pair
from harness.analysis.speed.known_bandwidth import KnownBandwidth
from harness.commands.fit.audit import AuditResult, ComponentAudit
from harness.commands.fit.fit import FitFailure, FitResult
from harness.commands.fit.speeds import PredictedSpeed
from harness.measure.memory import ContextFit, ModelFit
from harness.report.document_parts import HeaderOrigin, header_origin
from harness.schema.experiment import StoredPrediction
from harness.schema.figure import Figure
from harness.schema.machine import Machine
from harness.schema.model import ModelFile
from harness.schema.prediction import Component, Method, Prediction
from harness.schema.settings import Settings


@dataclass(frozen=True, slots=True)
class ContextDocument:
    """
    What a context takes.

    Attributes:
        fits: "when-freed": if other programs were closed. Null where the engine or the harness
            refuses it, and then so are the sizes.
        reason: Why it is refused, in a word.
        message: In a sentence.
        compute_bytes: The output buffer included.
        total_bytes: Weights included.
        by_device: The same total, by the engine's name of the device.
    """

    n_ctx: int
    type_k: str
    type_v: str
    fits: Fits | None
    reason: str | None
    message: str | None
    kv_bytes: int | None
    kv_sliding_bytes: int | None
    recurrent_bytes: int | None
    compute_bytes: int | None
    total_bytes: int | None
    by_device: Mapping[str, int] | None


@dataclass(frozen=True, slots=True)
class LargestContext:
    """
    The largest context that fits into what is free, with a cache of these types.

    Attributes:
        n_ctx: Null: none does.
    """

    type_k: str
    type_v: str
    n_ctx: int | None


@dataclass(frozen=True, slots=True)
class SpeedDocument:
    """
    A speed before anything was measured.

    Attributes:
        what: In words.
        figure: In tok/s or ns, with bounds that hold 9 of 10 measurements; null where nothing
            honest can be said.
        method: What it was predicted by; null without a figure.
        note: What that is of.
        reason: Why nothing is predicted.
        bound: What holds even then, in words.
    """

    what: str
    workload: str
    figure: Figure | None
    method: Method | None
    note: str | None
    reason: str | None
    bound: str | None


@dataclass(frozen=True, slots=True)
class FittedModel:
    """
    One model on this machine.

    Attributes:
        header: Where what is known of it is from.
        file: What the header says.
        settings: Planned with; contexts and types of the cache stand in `contexts`.
        weights_by_device: By the engine's name of the device.
        copied_bytes: Of weights that a mapped load holds twice for a while; the system can take
            them back.
        contexts: One for each length and pair of types.
        largest: One for each pair of types.
        hints: What would make it fit, a sentence each.
        speeds: Empty in an overview of the catalogue.
    """

    model: str
    header: HeaderOrigin
    file: ModelFile
    settings: Settings
    weights_bytes: int
    weights_by_device: Mapping[str, int]
    copied_bytes: int
    contexts: tuple[ContextDocument, ...]
    largest: tuple[LargestContext, ...]
    hints: tuple[str, ...]
    speeds: tuple[SpeedDocument, ...]


@dataclass(frozen=True, slots=True)
class FitDocument:
    """
    Whether models run here.

    Attributes:
        memory: What they are set against.
        models: Those that could be planned.
        failures: Those that could not; the exit code is then 1.
        bandwidth: What is known of the memory's speed, where speeds follow from it.
        notes: What to know of how speeds were predicted, a sentence each.
    """

    machine: Machine
    memory: MemoryCapacity
    models: tuple[FittedModel, ...]
    failures: tuple[FitFailure, ...]
    bandwidth: KnownBandwidth | None
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AuditedPair:
    """
    A prediction and what came of it.

    Attributes:
        component: What was predicted; `measured` is in its unit.
        error: (predicted - measured) / measured.
        is_covered: Whether the measurement lies within the bounds.
        is_rehearsed: Whether it was measured on a twin.
    """

    model: str
    workload: str
    component: Component
    prediction: StoredPrediction
    measured: float
    error: float
    is_covered: bool
    is_rehearsed: bool


@dataclass(frozen=True, slots=True)
class AuditDocument:
    """
    How wrong predictions were.

    Attributes:
        audit: For each component and method.
        pairs: What it rests on.
        problems: Files that could not be read; the exit code is then 1.
    """

    audit: tuple[ComponentAudit, ...]
    pairs: tuple[AuditedPair, ...]
    problems: tuple[str, ...]


def document(result: FitResult) -> FitDocument:
    """Everything that was found out."""
    return FitDocument(
        machine=result.machine,
        memory=result.capacity,
        models=tuple(_model(fit, speeds) for fit, speeds in result.fits),
        failures=result.failures,
        bandwidth=result.bandwidth,
        notes=result.notes,
    )


def audit_document(result: AuditResult) -> AuditDocument:
    """The audit with every pair it rests on."""
    return AuditDocument(result.audits, tuple(map(_pair, result.pairs)), result.problems)


def _model(fit: ModelFit, speeds: Sequence[PredictedSpeed]) -> FittedModel:
    plan = fit.plan
    return FittedModel(
        model=fit.found.key,
        header=header_origin(fit.found),
        file=fit.found.file,
        settings=fit.settings,
        weights_bytes=plan.weights_bytes,
        weights_by_device=dict(plan.weights),
        copied_bytes=plan.copied_bytes,
        contexts=tuple(map(_context, fit.contexts)),
        largest=tuple(
            LargestContext(it.request.type_k, it.request.type_v, it.n_ctx) for it in fit.largest
        ),
        hints=fit.hints,
        speeds=tuple(map(_speed, speeds)),
    )


def _context(each: ContextFit) -> ContextDocument:
    request, context = each.context.request, each.context
    is_planned = each.fits is not None
    return ContextDocument(
        n_ctx=request.n_ctx,
        type_k=request.type_k,
        type_v=request.type_v,
        fits=each.fits,
        reason=context.reason,
        message=context.message,
        kv_bytes=each.of("kv") if is_planned else None,
        kv_sliding_bytes=each.of("kv-sliding") if is_planned else None,
        recurrent_bytes=each.of("recurrent") if is_planned else None,
        compute_bytes=each.of("compute", "output") if is_planned else None,
        total_bytes=each.total_bytes if is_planned else None,
        by_device=dict(each.by_device) if is_planned else None,
    )


def _speed(speed: PredictedSpeed) -> SpeedDocument:
    figure = speed.figure
    is_known = isinstance(figure, Prediction)
    return SpeedDocument(
        what=speed.title,
        workload=figure.workload,
        figure=speed.value,
        method=figure.method if isinstance(figure, Prediction) else None,
        note=figure.note if isinstance(figure, Prediction) else None,
        reason=None if isinstance(figure, Prediction) else figure.reason,
        bound=None if is_known else speed.bound or None,
    )


def _pair(pair: Pair) -> AuditedPair:
    prediction = pair.prediction
    return AuditedPair(
        model=prediction.model,
        workload=prediction.workload,
        component=prediction.component,
        prediction=prediction,
        measured=pair.measured,
        error=pair.error,
        is_covered=pair.is_covered,
        is_rehearsed=pair.is_rehearsed,
    )
