"""The claim's table: every model on every machine, in 80 columns, as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from tabulate import tabulate

from harness import units
from harness.analysis.verdict import LEVELS, Level, Verdict
from harness.commands.claim.conclusion import HERE, Cell, Conclusion, Row
from harness.commands.claim.sentences import sentences
from harness.report.text import WIDTH, harmless, wrapped

_LETTERS: dict[Level, str] = {
    "comfortable": "c",
    "usable": "u",
    "slow": "s",
    "pages": "p",
    "does-not-run": "-",
}
_UNKNOWN = "?"
_KEYS = (
    "c comfortable, u usable, s slow, p pages, - does not run, ? not known.",
    "Small letters are predicted, capitals measured here, with r rehearsed here.",
    "+ and ~: perhaps better, perhaps worse; both: either. * another variant than the usual one.",
    "total, used: parameters in billions, in all and for a token; size: GB, usual variant, "
    "~ not published but what its shape comes to.",
)
_NAME_WIDTH = 29


@dataclass(frozen=True, slots=True)
class Column:
    """One machine of the table: its name in cells, and a line on what it is."""

    name: str
    title: str


def claim_text(rows: Sequence[Row], columns: Sequence[Column], conclusion: Conclusion) -> str:
    """
    Table, legend and conclusion for a terminal of 80 columns.

    With one machine its column becomes several: variant, verdict, tokens per second, TTFT.
    """
    lines: list[str] = []
    if len(columns) == 1:
        lines += [*_detailed(rows, columns[0].name), ""]
        lines += wrapped(harmless(columns[0].title))
        lines += [
            "+ and ~: perhaps better, perhaps worse; M measured, R rehearsed, else predicted."
        ]
    else:
        lines += [*_overview(rows, columns), ""]
        for letter, column in zip(_letters(columns), columns, strict=True):
            lines += wrapped(harmless(column.title), lead=f"{letter:<4}  ")
        lines += ["", *(line for key in _KEYS for line in wrapped(key))]
    for sentence in sentences(conclusion):
        lines += ["", *wrapped(harmless(sentence))]
    return "\n".join(lines)


def claim_markdown(rows: Sequence[Row], columns: Sequence[Column], conclusion: Conclusion) -> str:
    """The same as one Markdown table, with words in the place of letters."""
    headers = ["model", "lab", "country", "total", "active", "size"]
    headers += [column.name for column in columns]
    cells = []
    for row in rows:
        facts = [row.model, row.lab, row.country or "", *_sizes(row, " B", " GB")]
        facts += [_words(row.cell(column.name), row) for column in columns]
        cells.append([_markdown(fact) for fact in facts])
    table = tabulate(cells, headers=headers, tablefmt="github", disable_numparse=True)
    notes = [f"- {column.name}: {column.title}" for column in columns]
    told = [f"- {sentence}" for sentence in sentences(conclusion)]
    return "\n".join([table, "", *map(_markdown, notes), "", *map(_markdown, told)])


def symbol(cell: Cell | None) -> str:
    """A cell in up to four characters; the keys stand below the table."""
    if cell is None or cell.verdict is None:
        return _UNKNOWN
    verdict = cell.verdict
    letter = _LETTERS[verdict.level]
    if verdict.evidence != "predicted":
        letter = letter.upper() if letter != "-" else "--"
    mark = "r" if verdict.evidence == "rehearsed" else ""
    # Where none runs, it does not matter which variant came nearest.
    is_marked = not cell.is_usual_variant and verdict.level != "does-not-run"
    return letter + mark + _leaning(verdict) + ("*" if is_marked else "")


def _leaning(verdict: Verdict) -> str:
    return ("+" if _is_better(verdict.best, verdict.level) else "") + (
        "~" if _is_better(verdict.level, verdict.worst) else ""
    )


def _is_better(one: Level, other: Level) -> bool:
    return LEVELS.index(one) < LEVELS.index(other)


def _overview(rows: Sequence[Row], columns: Sequence[Column]) -> Iterator[str]:
    names = _letters(columns)
    widths = [
        max([len(name), *(len(symbol(row.cell(column.name))) for row in rows)])
        for name, column in zip(names, columns, strict=True)
    ]
    # What the marks leave of the line, less three sizes of five characters with their gaps.
    room = WIDTH - sum(widths) - len(widths) - 18
    name_width = min(room, 1 + max((len(row.model) for row in rows), default=0))

    def line(name: str, sizes: tuple[str, str, str], cells: Sequence[str]) -> str:
        figures = " ".join(f"{size:>5}" for size in sizes)
        marks = " ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True))
        return f"{_cut(name, name_width):<{name_width}} {figures} {marks}".rstrip()

    yield line("model", ("total", "used", "size"), names)
    for lab, of_lab in _by_lab(rows):
        yield lab
        for row in of_lab:
            yield line(
                f" {row.model}", _sizes(row), [symbol(row.cell(column.name)) for column in columns]
            )


def _detailed(rows: Sequence[Row], machine: str) -> Iterator[str]:
    yield (
        f"{'model':<{_NAME_WIDTH}} {'total':>5}  {'variant':<10} {'verdict':<14} {'tok/s':>5} "
        f"{'TTFT':>7}"
    )
    for lab, of_lab in _by_lab(rows):
        yield lab
        for row in of_lab:
            cell = row.cell(machine)
            total, _, _ = _sizes(row)
            verdict = cell.verdict if cell else None
            decode, ttft = (verdict.decode, verdict.ttft) if verdict else (None, None)
            rate = units.significant(decode.value) if decode else ""
            figures = f"{rate:>5} {units.duration(ttft.value) if ttft else '':>7}"
            if verdict and verdict.short_bytes:
                figures = f"{units.memory_size(verdict.short_bytes)} short"
            name = _cut(f" {row.model}", _NAME_WIDTH)
            variant = _cut((cell.variant if cell else None) or "", 10)
            yield (
                f"{name:<{_NAME_WIDTH}} {total:>5}  {variant:<10} {_short(verdict):<14} {figures}"
            ).rstrip()


def _by_lab(rows: Sequence[Row]) -> Iterator[tuple[str, list[Row]]]:
    """Rows of one lab together, in the order in which the labs first come."""
    order = {row.lab: i for i, row in reversed(list(enumerate(rows)))}
    for _, of_lab in groupby(sorted(rows, key=lambda row: order[row.lab]), lambda row: row.lab):
        own = list(of_lab)
        country = own[0].country
        yield _cut(own[0].lab + (f", {country}" if country else ""), _NAME_WIDTH + 20), own


def _short(verdict: Verdict | None) -> str:
    if verdict is None:
        return "not known"
    word = "does not run" if verdict.level == "does-not-run" else verdict.level
    mark = {"measured": " M", "rehearsed": " R", "predicted": ""}[verdict.evidence]
    return word + _leaning(verdict) + mark


def _words(cell: Cell | None, row: Row) -> str:
    if cell is None or cell.verdict is None:
        return "not known"
    variant = "" if cell.variant == row.variant or not cell.variant else f", {cell.variant}"
    return f"{cell.verdict.text} ({cell.verdict.evidence}{variant})"


def _sizes(row: Row, params_unit: str = "", size_unit: str = "") -> tuple[str, str, str]:
    """Parameters in all and active, in billions, and gigabytes; empty where unknown."""

    def scaled(value: int | None, unit: str) -> str:
        if not value:
            return ""
        billions = value / 1e9
        text = "<0.1" if billions < 0.1 else units.significant(billions, 3 if billions >= 1 else 2)
        return text + unit

    about = "~" if row.is_size_estimated else ""
    return (
        scaled(row.n_params, params_unit),
        scaled(row.n_params_active, params_unit),
        about + scaled(row.size_bytes, size_unit),
    )


def _letters(columns: Sequence[Column]) -> list[str]:
    """The columns' headings: "here", and a letter for each other machine."""
    letters = iter("abcdefghijklmnopqrstuvwxyz" * len(columns))
    return [HERE if column.name == HERE else next(letters) for column in columns]


def _cut(text: str, width: int) -> str:
    shown = harmless(text)
    return shown if len(shown) <= width else shown[: width - 1] + "…"


def _markdown(text: str) -> str:
    for character, shown in (("&", "&amp;"), ("<", "&lt;"), ("|", "\\|"), ("*", "\\*")):
        text = text.replace(character, shown)
    return harmless(text)
