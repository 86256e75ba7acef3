"""What several words mean together: selectors, experiment files and folders, or all there is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import ResultsInvalid
from harness.files import is_file, is_folder
from harness.records.listing import (
    Listing,
    StoredConfiguration,
    configurations_in,
    list_experiments,
    listing_of,
)
from harness.records.select import NamesOf, Stored, stored_in
from harness.schema.moment import utc_time


@dataclass
class Chosen:
    """
    What is meant, in the order of the words; of a folder the oldest first.

    `problems` has a sentence for each file that cannot be read, `folders` where all lie.
    """

    cases: list[StoredConfiguration] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)

    def add(self, listings: Sequence[Listing]) -> None:
        """Takes in all configurations of these files."""
        for listing in listings:
            self.cases += configurations_in(listing)
            if listing.problem:
                self.problems.append(listing.problem)

    def newest_first(self) -> Iterator[StoredConfiguration]:
        """Each once, though it was named twice, or lies in two files of one experiment."""
        files: dict[str, StoredConfiguration] = {}
        seen: set[tuple[Path, object]] = set()
        # Sorting is stable, and keeps what one experiment holds in the order of its plan.
        for case in sorted(self.cases, key=_age_key, reverse=True):
            first = files.setdefault(case.experiment.id, case)
            is_copy = first.path != case.path and first.experiment == case.experiment
            key = (case.path, case.configuration)
            if not is_copy and key not in seen:
                seen.add(key)
                yield case


def _age_key(case: StoredConfiguration) -> float:
    return utc_time(case.experiment.started_at).timestamp()


def choose(selectors: Sequence[str], results: Path, names_of: NamesOf) -> Chosen:
    """
    All that `selectors` mean, or without any all of `results`.

    Args:
        selectors: Each a selector of what `results` holds, the path of an experiment file, or of a
            folder of them.
        results: The results folder.
        names_of: What else records may call a model.

    Raises:
        ResultsInvalid: There is no experiment, or one of them means none; the message says what
            there is, and how to get one.
        UsageError: One is no selector.
    """
    chosen = Chosen()
    if selectors:
        _choose(selectors, results, names_of, chosen)
    else:
        _choose_folder(results, chosen)
    return chosen


def _choose(selectors: Sequence[str], results: Path, names_of: NamesOf, chosen: Chosen) -> None:
    words: list[str] = []
    for selector in selectors:
        if is_folder(selector):
            _choose_folder(Path(selector), chosen)
        elif selector.endswith(".jsonl") and is_file(selector):
            chosen.add([listing_of(Path(selector))])
            chosen.folders.append(Path(selector).parent)
        elif Path(selector).name != selector and is_file(selector):
            raise ResultsInvalid(
                f"{selector} is no experiment file; their names end in .jsonl: `harness show` "
                "lists what is stored"
            )
        else:
            words.append(selector)
    if words:
        _choose_by_words(stored_in(results, words, names_of), words, chosen)
    if not chosen.cases:
        raise ResultsInvalid(f"Nothing there can be read: {chosen.problems[0]}")


def _choose_folder(folder: Path, chosen: Chosen) -> None:
    n_before = len(chosen.cases)
    chosen.folders.append(folder)
    chosen.add(list_experiments(folder))
    if len(chosen.cases) == n_before:
        unread = f" What is there cannot be read: {chosen.problems[0]}" if chosen.problems else ""
        raise ResultsInvalid(
            f"No experiment is stored in {folder}. Measure one: `harness run`.{unread}"
        )


def _choose_by_words(stored: Stored, words: Sequence[str], chosen: Chosen) -> None:
    if not stored.listings:
        raise stored.nothing
    chosen.folders.append(stored.folder)
    for selector in words:
        found = stored.matching(selector)
        if not found:
            raise stored.no_match(selector)
        chosen.cases += found
