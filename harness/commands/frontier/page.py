"""The quantizations of a model on one page: what each costs, how fast it is, and which to take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tabulate import tabulate

from harness import units
from harness.commands.frontier.advice import Advice
from harness.commands.frontier.criteria import CRITERIA
from harness.commands.frontier.dominance import Frontier, Option
from harness.report.text import harmless, wrapped
from harness.schema.figure import Figure

Style = Literal["plain", "github"]
# As many figures with their intervals as a line of 80 columns holds.
_TABLES = (
    ("bytes", "need"),
    ("decode", "prefill"),
    ("ttft", "joules"),
    ("kl", "same_top"),
)
_NAME_WIDTH = 14
_RANGE_MARK = " *"
_DOMINATED_MARK = " x"


@dataclass(frozen=True)
class FrontierPage:
    """
    Everything on the page.

    `head` says what is set side by side and under which conditions, `notes` what else to know;
    one sentence each. `requantized` is the name of an option to what it was quantized from.
    """

    model: str
    frontier: Frontier
    advice: Advice
    head: tuple[str, ...]
    notes: tuple[str, ...]
    requantized: dict[str, str]
    reference: str | None
    paths: dict[str, str]

    @property
    def dominated(self) -> dict[str, str]:
        """Name of an option to that which dominates it."""
        return self.frontier.dominators()


def page_text(page: FrontierPage, style: Style = "plain") -> str:
    """The page in 80 columns, or as Markdown tables."""
    lines = [line for sentence in page.head for line in wrapped(harmless(sentence))]
    for names in _TABLES:
        shown = [name for name in names if any(name in it.figures for it in page.frontier.options)]
        if shown:
            lines += ["", *_table(page, shown, style)]
    lines.append("")
    for sentence in _legend(page):
        lines += wrapped(harmless(sentence))
    lines += ["", *wrapped(harmless(_capital(page.advice.text)) + ".")]
    return "\n".join(lines)


def _table(page: FrontierPage, names: Sequence[str], style: Style) -> list[str]:
    headers, rows = ["type"], []
    for name in names:
        headers += [CRITERIA[name].title] + ([""] if _has_interval(page, name) else [])
    for option in page.frontier.options:
        mark = _DOMINATED_MARK if option.name in page.dominated else ""
        row = [_short(option.name) + mark]
        for name in names:
            figure = option.figures.get(name)
            row.append(_value(figure.value, figure.unit) if figure else "–")
            if _has_interval(page, name):
                row.append(_interval(figure) if figure else "")
        rows.append(row)
    alignment = ["left"] + ["left" if not title else "right" for title in headers[1:]]
    text = tabulate(
        rows,
        headers,
        tablefmt="github" if style == "github" else "simple",
        disable_numparse=True,
        colalign=alignment,
    )
    return [line.rstrip() for line in text.splitlines()]


def _short(name: str) -> str:
    name = harmless(name)
    return name if len(name) <= _NAME_WIDTH else f"{name[: _NAME_WIDTH - 1]}…"


def _has_interval(page: FrontierPage, name: str) -> bool:
    figures = [it.figures[name] for it in page.frontier.options if name in it.figures]
    return any(not figure.is_exact for figure in figures)


def _value(value: float, unit: str) -> str:
    """As everywhere, but without the nats, for which a line has no room."""
    return units.significant(value) if unit == "nats" else units.quantity(value, unit)


def _interval(figure: Figure) -> str:
    if figure.is_exact:
        return "exact"
    low, high = (_value(end, figure.unit) for end in figure.bounds)
    return f"{low} – {high}{_RANGE_MARK if figure.kind == 'range' else ''}"


def _legend(page: FrontierPage) -> list[str]:
    options = page.frontier.options
    found = []
    for name, other in page.dominated.items():
        found.append(f"x {name} is dominated: {other} is no worse in any figure, better in one.")
    if any(figure.kind == "range" for it in options for figure in it.figures.values()):
        found.append("* fewer than 6 Runs: smallest and largest (min–max), not an interval.")
    if page.requantized:
        sources = ", ".join(dict.fromkeys(page.requantized.values()))
        found.append(
            f"Names that end in + were made here from {sources}, which is quantized itself: the "
            "errors of both add up, so a publisher's file of that type may be better."
        )
    found += [f"{it.name}: {it.obstacle}." for it in options if it.obstacle]
    if any("kl" in it.figures for it in options):
        found.append(
            "Mean KL divergence from the reference in nats; same top: how often both think the "
            "same token likeliest."
        )
    return [*found, *page.notes]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def page_flat(page: FrontierPage) -> list[list[str | float]]:
    """The figures for programs: a header, then a line for each option and figure."""
    rows: list[list[str | float]] = [
        ["model", "quantization", "metric", "value", "low", "high", "kind", "dominated_by"]
    ]
    for option in page.frontier.options:
        for name in CRITERIA:
            if name in option.figures:
                figure = option.figures[name]
                dominator = page.dominated.get(option.name, "")
                rows.append(
                    [
                        *(harmless(page.model), harmless(option.name), name),
                        *(figure.value, *figure.bounds, _kind(figure), dominator),
                    ]
                )
    return rows


def page_document(page: FrontierPage) -> dict[str, Any]:
    """The JSON document of `harness frontier`."""
    advice = page.advice
    return {
        "schema": 1,
        "model": page.model,
        "reference": page.reference,
        "options": [_entry(page, option) for option in page.frontier.options],
        "advice": {
            "take": advice.choice,
            "text": advice.text,
            "rivals": list(advice.rivals),
            "left_out": list(advice.left_out),
        },
        "conditions": list(page.head),
        "notes": list(page.notes),
    }


def _entry(page: FrontierPage, option: Option) -> dict[str, Any]:
    return {
        "name": option.name,
        "path": page.paths.get(option.name),
        "requantized_from": page.requantized.get(option.name),
        "dominated_by": page.dominated.get(option.name),
        "obstacle": option.obstacle,
        "figures": {
            name: {
                "value": figure.value,
                "low": figure.low,
                "high": figure.high,
                "kind": _kind(figure),
            }
            for name in CRITERIA
            if (figure := option.figures.get(name)) is not None
        },
    }


def _kind(figure: Figure) -> str:
    if figure.is_exact:
        return "exact"
    return figure.kind
