"""The quantizations of a model on one page: what each costs, how fast it is, and which to take."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.analysis.frontier.criteria import CRITERIA
from harness.analysis.frontier.dominance import Option
from harness.commands.frontier.frontier import FrontierResult
from harness.report.legend import range_line
from harness.report.page import Column, Note, Page, Table, notes

# What belongs together, and as many figures with their intervals as a line of 80 columns holds.
_TABLES = (
    ("bytes", "need"),
    ("decode", "prefill"),
    ("ttft", "joules"),
    ("kl", "same_top"),
)
_LONGEST_TYPE = 12
"""Names of types alone are no longer: "UD-Q4_K_XL+"."""
_FLAT = tuple(Column(None, key) for key in ("model", "quantization", "metric", "", "dominated_by"))


def page(result: FrontierResult) -> Page:
    """What is set side by side and how it was measured, the figures, and which to take."""
    options, dominated = result.frontier.options, result.dominated
    tables = [
        _table(options, dominated, shown)
        for names in _TABLES
        if (shown := [name for name in names if any(name in it.figures for it in options)])
    ]
    advice = result.advice.text
    return (
        Note(result.conditions, title=result.model),
        *tables,
        _flat(result, dominated),
        *notes(list(_legend(result, dominated)), f"{advice[:1].upper()}{advice[1:]}."),
    )


def _table(options: Sequence[Option], dominated: dict[str, str], names: Sequence[str]) -> Table:
    columns = (
        Column("type"),
        *(Column(CRITERIA[name].title, align="right", interval="") for name in names),
    )
    rows = [
        (
            f"{it.name} x" if it.name in dominated else it.name,
            *(it.figures.get(name) for name in names),
        )
        for it in options
    ]
    # A model's name may be long, and its end is what tells it: a line of its own.
    is_long = any(len(it.name) > _LONGEST_TYPE for it in options)
    return Table(columns, tuple(rows), is_grouped=is_long)


def _flat(result: FrontierResult, dominated: dict[str, str]) -> Table:
    """A row for each figure of each option, for programs."""
    rows = [
        (result.model, it.name, name, it.figures[name], dominated.get(it.name))
        for it in result.frontier.options
        for name in CRITERIA
        if name in it.figures
    ]
    return Table(_FLAT, tuple(rows))


def _legend(result: FrontierResult, dominated: dict[str, str]) -> Iterator[str]:
    options = result.frontier.options
    for name, other in dominated.items():
        yield f"x {name} is dominated: {other} is no worse in any figure, better in one."
    if any(figure.kind == "range" for it in options for figure in it.figures.values()):
        yield range_line()
    if result.requantized:
        sources = ", ".join(dict.fromkeys(result.requantized.values()))
        yield (
            f"Names that end in + were made here from {sources}, which is quantized itself: the "
            "errors of both add up, so a publisher's file of that type may be better."
        )
    yield from (f"{it.name}: {it.reason_missing}." for it in options if it.reason_missing)
    if any("kl" in it.figures for it in options):
        yield (
            "Mean KL divergence from the reference in nats; same top: how often both think the "
            "same token likeliest."
        )
    yield from result.notes
