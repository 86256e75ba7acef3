"""What is stored of a fleet's plan, to be gone on with."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import ResultsInvalid
from harness.records.listing import list_experiments
from harness.records.store import StoredExperiment, load
from harness.schema.experiment import SCHEMA_VERSION


@dataclass(frozen=True)
class Begun:
    """
    What is measured by a plan: the id of all its parts, and those that are stored, by host.

    `problems` says of files that cannot be read why not: a part of the plan may be among them.
    `damaged` says it of hosts whose part is known by its first line and cannot be read beyond.
    """

    id: str = field(default_factory=lambda: uuid.uuid4().hex[:8])
    parts: Mapping[str, StoredExperiment] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    damaged: Mapping[str, str] = field(default_factory=dict)

    @property
    def complete(self) -> dict[str, StoredExperiment]:
        """The parts that have nothing left to measure."""
        return {host: stored for host, stored in self.parts.items() if not stored.was_interrupted}

    @property
    def settled(self) -> frozenset[str]:
        """The hosts that are not asked: nothing is left of their part, or nobody can tell what."""
        return frozenset((*self.complete, *self.damaged))


def begun(results: Path, plan_sha256: str) -> Begun:
    """
    What was measured last by the same plan; a new beginning where nothing was.

    Args:
        results: Folder of the experiment files; it need not be there.
        plan_sha256: Of the plan.

    Raises:
        ResultsInvalid: The folder cannot be read.
    """
    listings = list_experiments(results)
    problems = tuple(listing.problem for listing in listings if listing.problem)
    parts = [
        (listing.path, listing.experiment.fleet)
        for listing in listings
        if listing.experiment is not None
        and listing.experiment.fleet is not None
        and listing.experiment.fleet.plan_sha256 == plan_sha256
    ]
    if not parts:
        return Begun(problems=problems)
    newest = parts[-1][1].id
    # Of a host that has two the later one counts: listings are in the order of their beginnings.
    latest = {part.host: path for path, part in parts if part.id == newest}
    stored, damaged = {}, {}
    for host, path in latest.items():
        try:
            stored[host] = load(path)
        except ResultsInvalid as error:
            damaged[host] = str(error)
    of_now = {host: it for host, it in stored.items() if it.schema == SCHEMA_VERSION}
    return Begun(newest, of_now, problems, damaged)
