"""What serving a model costs, for programs: the same as the parts of a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.analysis.comparison import ComparedFigure
from harness.analysis.serving_cost import ServingCost, Stage, StageName
from harness.report.document_parts import BuildDocument, RatioDocument, ratio_document
from harness.schema.experiment import EngineInfo
from harness.schema.figure import Figure


@dataclass(frozen=True, slots=True)
class StageDocument:
    """
    A rate of decoding.

    Attributes:
        name: "engine": raw decode steps. "chat": a chat in the same process. "server": the request
            by the server's own clock. "received": what the client gets of it.
        workload: What it was measured in.
        tok_per_s: Over the Runs.
        to_the_one_before: Null for the first.
    """

    name: StageName
    workload: str
    tok_per_s: Figure
    to_the_one_before: RatioDocument | None


@dataclass(frozen=True, slots=True)
class ServedFigureDocument:
    """
    One metric in process and served.

    Attributes:
        ratio: Served / in process; null where they are not to be compared, as `note` says.
    """

    metric: str
    in_process: Figure | None
    served: Figure | None
    ratio: RatioDocument | None
    note: str | None


@dataclass(frozen=True, slots=True)
class ServingDocument:
    """
    A file in this process, and the same file behind a server that was started for it.

    Attributes:
        model: The file's key.
        served: The key of the served one.
        engine: What computed in this process.
        server: What served.
        same_build: Whether the server says that it is the engine's build of llama.cpp. Where it is
            not, the ratios hold what both builds differ by too.
        lacking_features: Instructions that the engine was built for and the server was not, where
            the server tells.
        workload: The request that both were measured in.
        stages: The rates of one decode, each with something more around it; those that were
            measured.
        figures: Every figure of the request.
    """

    model: str
    served: str
    engine: BuildDocument
    server: BuildDocument
    same_build: bool
    lacking_features: tuple[str, ...]
    workload: str
    stages: tuple[StageDocument, ...]
    figures: tuple[ServedFigureDocument, ...]


def serving_documents(costs: Sequence[ServingCost]) -> tuple[ServingDocument, ...]:
    """One for each."""
    return tuple(
        ServingDocument(
            model=cost.local.model.key,
            served=cost.served.model.key,
            engine=_build(cost.local.engine),
            server=_build(cost.served.engine),
            same_build=cost.is_same_build,
            lacking_features=cost.lacking_features,
            workload=cost.workload,
            stages=tuple(map(_stage, cost.stages)),
            figures=tuple(map(_figure, cost.figures)),
        )
        for cost in costs
    )


def _build(engine: EngineInfo) -> BuildDocument:
    return BuildDocument(engine.binding, engine.binding_version, engine.library_commit)


def _stage(stage: Stage) -> StageDocument:
    step = ratio_document(stage.step) if stage.step else None
    return StageDocument(stage.name, stage.workload, stage.tok_per_s, step)


def _figure(figure: ComparedFigure) -> ServedFigureDocument:
    ratio = ratio_document(figure.comparison) if figure.comparison else None
    return ServedFigureDocument(figure.metric, figure.a, figure.b, ratio, figure.note or None)
