"""What is stored, as a page and as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.records.listing import Listing
from harness.report import listing_page
from harness.report.page import Page, Table, notes

MOST = 20
"""As many experiments as are listed unless all are asked for."""


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
    """A row an experiment."""
    return (
        (Table(listing_page.COLUMNS, tuple(map(listing_page.cells, result.shown))),)
        if result.listings
        else ()
    )


def hint(result: StoredList) -> Page:
    """What to do next."""
    if not result.listings:
        return notes(f"No experiments in {result.folder} yet; `harness run` makes one.")
    older = result.listings[: -len(result.shown)]
    n_unreadable = sum(listing.problem is not None for listing in older)
    which = f", of which {n_unreadable} cannot be read" if n_unreadable else ""
    more = [f"{len(older)} older ones{which}: --all"] if older else []
    return notes([*more, "One of them in full: harness show latest, or harness show ID"])


def list_document(result: StoredList) -> ListDocument:
    """All of them, for programs."""
    return ListDocument(tuple(map(listing_page.entry, result.listings)))
