"""The loads of a configuration, for programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.analysis.measured import Measured
from harness.analysis.user_loads import LEAST_IN_TIME, Load, LoadSeries, load_series
from harness.schema.figure import Figure
from harness.schema.request import ServiceLevel
from harness.schema.settings import AnySettings


@dataclass(frozen=True, slots=True)
class LoadDocument:
    """
    One load.

    Attributes:
        workload: Its name, "chatx4".
        size: Users at once, or requests a second.
        kept: Whether at least `least_in_time` of its answers came in time; null where nothing is
            known of it.
        disturbed: Whether its figures are from disturbed trials alone.
        metrics: Figures by name; of one user also those that only several have.
    """

    workload: str
    size: float
    kept: bool | None
    disturbed: bool
    metrics: Mapping[str, Figure]


@dataclass(frozen=True, slots=True)
class LoadsDocument:
    """
    Several loads of the same work of one configuration.

    Attributes:
        model: Its key.
        settings: How the engine was set up.
        work: What each user asks for, "chat".
        of: What the sizes of the loads are.
        level: The service level; null where none was asked for.
        least_in_time: Share of the answers that must be within it for a load to keep it.
        largest_kept: The largest load below which all keep the level; null where there is none.
        smallest_lost: The smallest that does not; null where there is none.
        loads: The smallest first.
    """

    model: str
    settings: AnySettings
    work: str
    of: Literal["users", "requests/s"]
    level: ServiceLevel | None
    least_in_time: float
    largest_kept: str | None
    smallest_lost: str | None
    loads: tuple[LoadDocument, ...]


def loads_documents(groups: Sequence[Measured]) -> Iterator[LoadsDocument]:
    """Of every configuration that has several loads of the same work."""
    for group in groups:
        for series in load_series(group):
            kept, lost = series.kept
            yield LoadsDocument(
                model=group.model.key,
                settings=group.settings,
                work=series.what,
                of="requests/s" if series.is_open else "users",
                level=series.level,
                least_in_time=LEAST_IN_TIME,
                largest_kept=kept.case.workload if kept else None,
                smallest_lost=lost.case.workload if lost else None,
                loads=tuple(_load(series, load) for load in series.loads),
            )


def _load(series: LoadSeries, load: Load) -> LoadDocument:
    share = load.in_time if series.level else None
    return LoadDocument(
        workload=load.case.workload,
        size=load.size,
        kept=None if share is None else share >= LEAST_IN_TIME,
        disturbed=bool(load.case.disturbed),
        metrics=load.figures,
    )
