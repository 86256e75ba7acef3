"""What was measured or rehearsed on this machine of the catalogue's models, as verdicts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from harness.analysis.measured import measured_of
from harness.analysis.verdict import LEVELS, Evidence, Verdict
from harness.analysis.verdict_measured import judge
from harness.commands.claim.conclusion import HERE, Cell
from harness.errors import ResultsInvalid
from harness.models.catalog.catalog import Catalog, Entry, GeneratedSource, Variant
from harness.models.gguf.file_name import is_quantization
from harness.records.listing import Listing, list_experiments
from harness.records.store import StoredExperiment, load
from harness.schema.machine import MachineFacts
from harness.schema.model import ModelFile, ServedModel
from harness.schema.settings import AnySettings


@dataclass(frozen=True)
class StoredVerdicts:
    """
    Verdicts by the model's name in the catalogue; `problems` are files that cannot be read.

    Of each model and its settings the newest experiment counts; of several settings the best, by
    level and then by speed: trying out what is slower takes nothing back. One on the real weights
    comes before a rehearsal, and one of the usual variant before others.
    """

    cells: dict[str, Cell] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def measured_here(folder: Path, machine: MachineFacts, catalog: Catalog) -> StoredVerdicts:
    """
    What the experiments in `folder` say of the catalogue's models on this machine.

    Raises:
        ResultsInvalid: The folder itself cannot be read.
    """
    found = StoredVerdicts()
    seen: set[tuple[str, Evidence, AnySettings]] = set()
    by_sha256 = {e.variant.sha256: e for e in catalog.entries() if e.variant.sha256}
    for listing in reversed(list_experiments(folder)):
        if listing.problem:
            found.problems.append(listing.problem)
        elif _is_wanted(listing, machine, catalog, by_sha256):
            try:
                stored = load(listing.path)
            except ResultsInvalid as error:
                found.problems.append(str(error))
                continue
            for entry, settings, verdict in _verdicts(stored, catalog, by_sha256):
                what = entry.key, verdict.evidence, settings
                if what not in seen:
                    seen.add(what)
                    _take(found.cells, entry, verdict)
    return found


def _is_wanted(
    listing: Listing, machine: MachineFacts, catalog: Catalog, by_sha256: dict[str, Entry]
) -> bool:
    experiment = listing.experiment
    return (
        experiment is not None
        and experiment.machine.is_same_as(machine)
        and any(_entry(model, catalog, by_sha256) for model in experiment.plan.models)
    )


def _verdicts(
    stored: StoredExperiment, catalog: Catalog, by_sha256: dict[str, Entry]
) -> Iterator[tuple[Entry, AnySettings, Verdict]]:
    """One for each model and settings of the experiment that allow one."""
    for each in measured_of(stored.experiment, stored.runs):
        entry = _entry(each.model, catalog, by_sha256)
        verdict = judge(each)
        if entry is not None and isinstance(verdict, Verdict):
            yield entry, each.settings, verdict


def _entry(
    model: ModelFile | ServedModel, catalog: Catalog, by_sha256: dict[str, Entry]
) -> Entry | None:
    """The entry that was measured, by its content or by its name; of what a server ran, none."""
    if isinstance(model, ServedModel):
        return None
    if model.sha256 is not None and model.sha256 in by_sha256:
        return by_sha256[model.sha256]
    name, _, quantization = model.key.partition(":")
    if not catalog.knows(name):
        return None
    spec = catalog.spec(name)
    for variant in spec.variants:
        if variant.quantization == quantization.upper():
            return Entry(spec, variant)
    # Ollama's names have other words there: "deepseek-r1:7b" is no quantization of a model.
    is_made = is_quantization(quantization.upper().partition("-FROM-")[0])
    if is_made and model.sha256 and spec.variants:
        return Entry(spec, _made_here(model, quantization))
    return None


def _made_here(model: ModelFile, quantization: str) -> Variant:
    """Another quantization of a model, which `harness quantize` made."""
    return Variant(
        quantization=quantization.upper(),
        n_bytes=model.n_bytes,
        sha256=model.sha256,
        source=GeneratedSource(kind="generated"),
    )


def _take(cells: dict[str, Cell], entry: Entry, verdict: Verdict) -> None:
    """Keeps the verdict, unless there is one that is better, or better founded."""
    is_usual = entry.variant is entry.spec.variants[0]
    cell = Cell(HERE, entry.variant.quantization, is_usual, verdict)
    before = cells.get(entry.spec.name)
    if before is None or _weight(cell) > _weight(before):
        cells[entry.spec.name] = cell


def _weight(cell: Cell) -> tuple[bool, bool, int, float]:
    verdict = cell.verdict
    assert verdict is not None
    return (
        verdict.evidence == "measured",
        cell.is_usual_variant,
        -LEVELS.index(verdict.level),
        verdict.decode.value if verdict.decode else 0.0,
    )
