"""What stored experiments found, in a figure each: read whole, so of few of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness import units
from harness.analysis.measured import Measured, measured_of
from harness.analysis.metrics import METRICS
from harness.errors import ResultsInvalid
from harness.records.listing import Listing
from harness.records.store import load
from harness.schema.figure import Figure
from harness.schema.settings import AnySettings, settings_text
from harness.schema.workload import Decode, parse_workload

_RATE = METRICS["tok_per_s"].name


def headline(listing: Listing) -> str:
    """
    The speed it found, "tg128 104" or of several configurations "tg128 59.3–119".

    Decoding where that was measured, else whatever has a rate; nothing where nothing has, or where
    the file is damaged.
    """
    if listing.experiment is None or listing.has_failed:
        return ""
    try:
        stored = load(listing.path)
    except ResultsInvalid:
        return ""
    return _told(measured_of(stored.experiment, stored.runs), stored.experiment.plan.workloads)


def settings_of(among: Sequence[AnySettings]) -> str:
    """What an experiment was set to: "threads 2", or how many combinations a sweep had."""
    return f"{len(among)} settings" if len(among) > 1 else "".join(map(settings_text, among))


def _told(groups: Sequence[Measured], workloads: Sequence[str]) -> str:
    decoding_first = sorted(workloads, key=lambda it: not isinstance(parse_workload(it), Decode))
    for workload in decoding_first:
        rates = [figure.value for figure in _rates(groups, workload)]
        if rates:
            ends = dict.fromkeys(map(units.significant, (min(rates), max(rates))))
            return f"{workload} {'–'.join(ends)}"
    return ""


def _rates(groups: Sequence[Measured], workload: str) -> Iterator[Figure]:
    rate = parse_workload(workload).decode_metric or _RATE
    for group in groups:
        if rate in (figures := group.figures(workload)):
            yield figures[rate]
