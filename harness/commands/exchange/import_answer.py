"""What `harness import` takes over of a file of llama-bench, and what there is to say of it."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness import __version__
from harness.commands.exchange.convert import Import, imported
from harness.commands.exchange.read import BenchFile, parse
from harness.records.listing import list_experiments
from harness.records.store import write_whole


@dataclass(frozen=True)
class TakenOver:
    """
    The experiments that came of a file.

    `here` are the ids that were taken over before, `paths` where each lies.
    """

    file: BenchFile
    result: Import
    here: frozenset[str]
    paths: Mapping[str, Path]

    @property
    def remarks(self) -> Iterator[str]:
        """What else to know, a sentence each."""
        for each in self.result.experiments:
            if each.experiment.id in self.here:
                yield f"{each.experiment.id} was imported before: nothing was written for it."
        for what in self.file.beside:
            yield f"Left out: {what}."
        for reason, n_rows in self.result.left_out.items():
            yield f"Left out: {_rows(n_rows)}, {reason}; there is nothing like it here."
        if self.result.n_without_samples:
            yield (
                f"{_rows(self.result.n_without_samples)} without single samples: one trial each, "
                "at the average rate. llama-bench prints the samples with -o json or -o jsonl."
            )
        if self.file.unknown_keys:
            yield f"Unknown keys, not taken over: {', '.join(self.file.unknown_keys[:10])}."


def take_over(data: bytes, name: str, results: Path) -> TakenOver:
    """
    The experiments in `data`, the content of the file called `name`; new ones are written.

    Raises:
        ResultsInvalid: It is none of llama-bench's.
        ResultsUnwritable: An experiment cannot be kept; nothing is left of it.
    """
    file = parse(data, name)
    result = imported(
        file.records,
        name=name,
        harness_version=__version__,
        python_version=platform.python_version(),
    )
    # What was cut short is no import yet: a part would stand there for the whole.
    here = {
        listing.id: listing.path for listing in list_experiments(results) if listing.is_complete
    }
    paths = {
        each.experiment.id: here.get(each.experiment.id)
        or write_whole(results, each.experiment, each.runs, each.end)
        for each in result.experiments
    }
    return TakenOver(file, result, frozenset(here), paths)


def _rows(n: int) -> str:
    return f"{n} row" if n == 1 else f"{n} rows"
