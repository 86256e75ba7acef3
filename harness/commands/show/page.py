"""What is stored, as a page and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.records.listing import Listing
from harness.report import listing_page
from harness.report.page import Column, Page, Table, notes

MOST = 20
"""As many experiments as are listed unless all are asked for, and as many as are read whole."""
_FOUND = Column("tok/s", align="right")


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
    """A row an experiment with its settings or machine; the newest with the speed they found."""
    if not result.listings:
        return ()
    # Imported here: an empty folder should not wait for what reads figures.
    from harness.commands.show.headlines import headline, settings_of

    at = next(i for i, it in enumerate(listing_page.COLUMNS) if it.header == "runs")
    machines = _machines(result.listings)
    # A line has room for one of both; of several machines it is the first that one must know.
    what = Column("machine" if machines else "settings")
    columns = (*listing_page.COLUMNS[:at], what, _FOUND, *listing_page.COLUMNS[at:])
    n_unread = len(result.shown) - MOST
    rows = []
    for number, listing in enumerate(result.shown):
        cells, experiment = listing_page.cells(listing), listing.experiment
        own = settings_of(experiment.plan.settings) if experiment and not machines else ""
        found = headline(listing) if number >= n_unread else ""
        read = machines.get(listing.path, own), found
        rows.append((*cells[:at], *read, *cells[at:]))
    return (Table(columns, tuple(rows)),)


def _machines(listings: Sequence[Listing]) -> dict[Path, str]:
    """Of each file the machine, by its host or id; nothing of one machine alone."""
    # Imported here, as above.
    from harness.analysis.roster import Roster

    read = [(each.path, each.experiment) for each in listings if each.experiment]
    roster = Roster(experiment for _, experiment in read)
    machines = [(path, roster.machines[roster.number(each)]) for path, each in read]
    names = {path: machine.host or machine.facts.id for path, machine in machines}
    return names if len(roster.machines) > 1 else {}


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
