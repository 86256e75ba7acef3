"""The quantizations of a model on one page: what each costs, how fast it is, and which to take."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.analysis.frontier.criteria import CRITERIA
from harness.analysis.frontier.dominance import Option
from harness.analysis.verdict import meaning
from harness.commands.frontier.advice import FAR_KL, NEAR_KL
from harness.commands.frontier.frontier import FrontierResult
from harness.report.legend import formulas, range_line
from harness.report.page import Column, Note, Page, Table, explanation, notes

_LONGEST_TYPE = 12
"""Names of types alone are no longer: "UD-Q4_K_XL+"."""
_FLAT = tuple(Column(None, key) for key in ("model", "quantization", "metric", "", "dominated_by"))


def page(result: FrontierResult) -> Page:
    """Which to take, what is set side by side and how it was measured, and the figures."""
    dominated, advice = result.dominated, result.advice.text
    return (
        *notes(f"{advice[:1].upper()}{advice[1:]}."),
        Note(result.conditions, title=result.model),
        _table(result.frontier.options, dominated),
        _flat(result, dominated),
        *notes(list(_legend(result, dominated))),
        *explanation(list(_explained(result))),
    )


def _table(options: Sequence[Option], dominated: dict[str, str]) -> Table:
    """All in one; where a line is too short for that, it goes on below, behind the same names."""
    names = [name for name in CRITERIA if any(name in it.figures for it in options)]
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
    # A model's name may be long, and its end is what tells it: a line of its own where need be.
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
    yield from result.notes


def _explained(result: FrontierResult) -> Iterator[str]:
    shown = [name for name in CRITERIA if any(name in it.figures for it in result.frontier.options)]
    yield from formulas(metric.name for name in shown if (metric := CRITERIA[name].metric))
    if "kl" in shown:
        yield (
            "Mean KL divergence from the reference in nats; same top: how often both think the "
            f"same token likeliest. Near the reference: up to {NEAR_KL}; far from it: above "
            f"{FAR_KL}."
        )
    yield meaning()
