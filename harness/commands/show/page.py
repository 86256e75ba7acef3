"""What is stored, as a page and as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.records.listing import Listing
from harness.report import listing_page
from harness.report.page import Column, Page, Table, notes

MOST = 20
"""As many experiments as are listed unless all are asked for, and as many as are read whole."""
_READ = (Column("settings"), Column("tok/s", align="right"))


@dataclass(frozen=True, slots=True)
class StoredList:
    """The experiments in a results folder, the newest last; of many the last unless `is_all`."""

    folder: Path
    listings: tuple[Listing, ...]
    is_all: bool

    @property
    def shown(self) -> tuple[Listing, ...]:
        """Those that a person sees."""
        return self.listings if self.is_all else self.listings[-MOST:]


@dataclass(frozen=True, slots=True)
class ListDocument:
    """
    What is stored.

    Attributes:
        experiments: The newest last.
    """

    experiments: tuple[listing_page.ListedExperiment, ...]


def page(result: StoredList) -> Page:
    """A row an experiment; the newest with what they were set to and the speed they found."""
    if not result.listings:
        return ()
    # Imported here: an empty folder should not wait for what reads figures.
    from harness.commands.show.headlines import headline, settings_of

    at = next(i for i, it in enumerate(listing_page.COLUMNS) if it.header == "runs")
    columns = (*listing_page.COLUMNS[:at], *_READ, *listing_page.COLUMNS[at:])
    n_unread = len(result.shown) - MOST
    rows = []
    for number, listing in enumerate(result.shown):
        cells, experiment = listing_page.cells(listing), listing.experiment
        read = (
            settings_of(experiment.plan.settings) if experiment else "",
            headline(listing) if number >= n_unread else "",
        )
        rows.append((*cells[:at], *read, *cells[at:]))
    return (Table(columns, tuple(rows)),)


def hint(result: StoredList) -> Page:
    """What to do next."""
    if not result.listings:
        return notes(f"No experiments in {result.folder} yet; `harness run` makes one.")
    older = result.listings[: -len(result.shown)]
    n_unreadable = sum(listing.problem is not None for listing in older)
    which = f", of which {n_unreadable} cannot be read" if n_unreadable else ""
    more = [f"{len(older)} older ones{which}: --all"] if older else []
    return notes(
        [
            *more,
            "One of them in full: harness show latest, or harness show ID; with --trend what it "
            "measured over all of them",
        ]
    )


def list_document(result: StoredList) -> ListDocument:
    """All of them, for programs."""
    return ListDocument(tuple(map(listing_page.entry, result.listings)))
