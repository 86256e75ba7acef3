"""Quantizations of a model: what each takes of memory, how fast it writes, how far off it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.analysis.frontier.criteria import CRITERIA
from harness.analysis.frontier.dominance import Frontier, Option
from harness.analysis.frontier.figures import speed_figures, speed_pairs, speed_workloads
from harness.analysis.frontier.measured_quality import measured_quality
from harness.analysis.frontier.qualities import MeasuredQuality, QualityPage, quality_page
from harness.report.marks import figure_text
from harness.report.page import Cell, Column, Page, Table
from harness.report.picture import Axis, Mark, Picture
from harness.report.scope import Scope, Shown
from harness.schema.figure import exact
from harness.schema.quality import QualityRecord

_SHOWN = ("bytes", "need", "decode", "kl", "same_top")
_GIB = 1 << 30
_TITLE = "Memory against decoding; up and left is better"
# Each is compared with each: 190 comparisons, some tenths of a second.
_MOST_OPTIONS = 20


@dataclass(frozen=True, slots=True)
class _Family:
    """What was compared with one reference on one text, and measured."""

    frontier: Frontier
    quality: QualityPage

    @property
    def dominated(self) -> Mapping[str, str]:
        return self.frontier.dominators()


def frontier_page(scope: Scope, records: Sequence[QualityRecord]) -> Page:
    """Memory against decoding, the distance as a shade; nothing where no quality is known."""
    families = list(_families(scope, [it for it in map(_measured, records) if it]))
    parts: list[Page] = []
    for number, family in enumerate(families, start=1):
        name = f"frontier-{number}" if len(families) > 1 else "frontier"
        picture = _picture(scope, family, name)
        table = _table(scope, family)
        parts.append((picture, table) if picture.marks else (table,))
    return tuple(part for page in parts for part in page)


def _measured(record: QualityRecord) -> MeasuredQuality | None:
    try:
        return measured_quality(record)
    except (ArithmeticError, ValueError):
        return None  # chunks of different sizes, or sums that no text has


def _families(scope: Scope, measured: Sequence[MeasuredQuality]) -> Iterator[_Family]:
    """The largest set that has one reference and one text first, until nothing is left."""
    by_file: dict[str, Shown] = {}
    for shown in scope.shown:
        digest = shown.group.model.sha256
        if digest and not shown.group.model.is_twin:
            by_file.setdefault(digest, shown)
    while by_file:
        names = {digest: shown.name for digest, shown in by_file.items()}
        quality = quality_page(names, measured)
        known = {digest: it for digest, it in by_file.items() if it.name in quality.figures}
        if not known:
            return
        yield _family([*known.values()][:_MOST_OPTIONS], quality)
        by_file = {digest: it for digest, it in by_file.items() if digest not in known}


def _family(known: Sequence[Shown], quality: QualityPage) -> _Family:
    sides = {it.name: it.group for it in known}
    workloads = speed_workloads(sides.values())
    options = []
    for name, side in sides.items():
        speed = speed_figures(side, workloads)
        n_bytes = side.model.n_bytes
        size = {"bytes": exact(n_bytes, CRITERIA["bytes"].unit)} if n_bytes else {}
        figures = size | dict(speed.figures) | dict(quality.figures.get(name, {}))
        options.append(Option(name, figures, speed.reason_missing))
    return _Family(Frontier(tuple(options), speed_pairs(sides, workloads)), quality)


def _table(scope: Scope, family: _Family) -> Table:
    columns = (
        Column("configuration"),
        *(Column(CRITERIA[name].title, align="right", interval="interval") for name in _SHOWN),
        Column("dominated by"),
    )
    dominated = family.dominated
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (it.name, *(it.figures.get(name) for name in _SHOWN), dominated.get(it.name))
        for it in family.frontier.options
    )
    quality = family.quality
    legend = (
        f"Distance from {quality.reference} on the same text ({', '.join(quality.alike)}): mean "
        "KL divergence in nats, and how often both think the same token likeliest.",
        "Dominated: another is no worse in every figure and better in one.",
    )
    return Table(columns, rows, scope.title("Memory, speed and distance"), legend)


def _picture(scope: Scope, family: _Family, name: str) -> Picture:
    return frontier_picture(
        family.frontier.options, family.dominated, scope.title(_TITLE), scope.file_name(name)
    )


def frontier_picture(
    options: Sequence[Option], dominated: Mapping[str, str], title: str = "", name: str = "frontier"
) -> Picture:
    """
    The options of a frontier, each where its memory and its speed lie.

    Args:
        options: Those without a speed are left out.
        dominated: The name of an option to that which dominates it.
        title: Of the picture, where it is more than what it shows.
        name: Of its file.
    """
    marks = [
        _mark(option, dominated.get(option.name))
        for option in options
        if "decode" in option.figures
    ]
    return Picture(
        title=title or _TITLE,
        name=name,
        drawing="scatter",
        marks=tuple(marks),
        x=Axis("memory needed (GiB)"),
        y=Axis("decode tok/s", includes_zero=True),
        shade_title="mean KL divergence (nats)",
    )


def _mark(option: Option, over: str | None) -> Mark:
    figures = option.figures
    size = figures.get("need", figures["bytes"])
    decode, kl = figures["decode"], figures.get("kl")
    far = f", KL divergence {figure_text(kl)}" if kl else ""
    worse = f", dominated by {over}" if over else ""
    return Mark(
        x=size.value / _GIB,
        y=decode.value,
        label=f"{option.name}: {figure_text(size)} of memory, decode {figure_text(decode)}"
        f"{far}{worse}",
        low=decode.low,
        high=decode.high,
        shade=kl.value if kl else None,
        is_faint=over is not None,
        name=option.name,
    )
