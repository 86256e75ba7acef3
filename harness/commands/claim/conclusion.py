"""
The claim put to the test: larger Chinese open-weight models, and American ones to run at home.

Computed from the table's rows alone. "Leading" is the model with the most parameters of each lab:
the catalogue knows sizes, not merits. docs/method/claim.md, "The claim".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from harness.analysis.verdict import Evidence, Level, Verdict

HERE = "here"
"""What the machine it runs on is called among the others."""

# The models the claim names as those an individual can run.
NAMED = ("gpt-oss-20b", "gpt-oss-120b")

Answer = Literal["yes", "perhaps", "no", "mixed", "unknown"]
_RUNNABLE: tuple[Level, ...] = ("comfortable", "usable")
Reach = Literal["consumer", "workstation", "none", "unknown"]


@dataclass(frozen=True, slots=True)
class Cell:
    """
    One model on one machine.

    `variant` is the one judged: the usual one if it fits, else the largest that does; `reason`
    says why there is no verdict where there is none.
    """

    machine: str
    variant: str | None
    is_usual_variant: bool
    verdict: Verdict | None
    reason: str = ""

    @property
    def is_runnable(self) -> bool:
        """Whether one can work with it: comfortable or usable."""
        return self.verdict is not None and self.verdict.level in _RUNNABLE

    @property
    def is_surely_runnable(self) -> bool:
        """Whether that holds at the pessimistic bounds of all intervals too."""
        return self.is_runnable and self.verdict is not None and self.verdict.worst in _RUNNABLE


@dataclass(frozen=True, slots=True)
class Row:
    """
    One model: whose it is, how large, and how it runs where.

    `is_size_estimated`: nobody published the file's size, it is what the shape comes to.
    """

    model: str
    lab: str
    country: str | None
    n_params: int | None
    n_params_active: int | None
    variant: str | None
    size_bytes: int | None
    cells: tuple[Cell, ...]
    is_size_estimated: bool = False

    def cell(self, machine: str) -> Cell | None:
        """The cell of one machine."""
        return next((cell for cell in self.cells if cell.machine == machine), None)


@dataclass(frozen=True, slots=True)
class Runnable:
    """
    A model, and what kind of machine it takes.

    `cell` is the first (smallest) machine of that kind on which it surely is comfortable or
    usable, else the first on which it should be; `perhaps` are those before it where it may be.
    """

    row: Row
    reach: Reach
    cell: Cell | None = None
    perhaps: tuple[Cell, ...] = ()


@dataclass(frozen=True, slots=True)
class Side:
    """
    The models of one country.

    Attributes:
        leading: The largest model of each lab, largest first.
        median_leading: Parameters; the median over `leading`. None without any.
        median_all: Parameters; the median over all models of known size.
        n_unknown: Models whose size nobody confirmed; they are not in the figures above.
        models: All models with their reach, in the order of the rows.
    """

    country: str
    leading: tuple[Row, ...]
    median_leading: float | None
    median_all: float | None
    n_unknown: int
    models: tuple[Runnable, ...]

    def with_reach(self, *reaches: Reach) -> list[Runnable]:
        """Those of the models."""
        return [model for model in self.models if model.reach in reaches]

    def leading_with_reach(self, *reaches: Reach) -> list[Runnable]:
        """Those of the leading models."""
        names = {row.model for row in self.leading}
        return [model for model in self.with_reach(*reaches) if model.row.model in names]


@dataclass(frozen=True, slots=True)
class Conclusion:
    """
    What the rows say of the claim.

    Attributes:
        are_larger: Whether the leading Chinese models are larger: "yes" if the median over labs
            and the largest of all are, "no" if neither is, "mixed" if one is.
        named: The models the claim names, as far as they are in the rows.
        are_named_runnable: Whether all of these run comfortably or usably on a consumer machine:
            "perhaps" if that hangs on where in its interval a figure lies, "mixed" if some do.
        evidence: How many of the verdicts stand on what.
    """

    chinese: Side
    american: Side
    are_larger: Answer
    named: tuple[Runnable, ...]
    are_named_runnable: Answer
    evidence: dict[Evidence, int]


def conclude(rows: Sequence[Row], consumer_machines: Sequence[str]) -> Conclusion:
    """
    The conclusion from `rows`.

    Args:
        rows: All models; those of no country, or of several, are on no side.
        consumer_machines: Names of the cells' machines that a consumer has. The machine it runs
            on is neither of these nor of the others: nobody knows whose it is.
    """
    reached = [_reach(row, consumer_machines) for row in rows]
    chinese, american = _side("CN", reached), _side("US", reached)
    named = tuple(model for model in reached if model.row.model in NAMED)
    evidence: dict[Evidence, int] = {}
    for row in rows:
        for cell in row.cells:
            if cell.verdict is not None:
                kind = cell.verdict.evidence
                evidence[kind] = evidence.get(kind, 0) + 1
    return Conclusion(
        chinese, american, _are_larger(chinese, american), named, _are_runnable(named), evidence
    )


def _reach(row: Row, consumer_machines: Sequence[str]) -> Runnable:
    consumer = [cell for cell in row.cells if cell.machine in consumer_machines]
    others = [cell for cell in row.cells if cell.machine not in (*consumer_machines, HERE)]
    kinds: tuple[tuple[Reach, list[Cell]], ...] = (("consumer", consumer), ("workstation", others))
    for reach, cells in kinds:
        runnable = [cell for cell in cells if cell.is_runnable]
        if runnable:
            sure = next((cell for cell in runnable if cell.is_surely_runnable), runnable[0])
            return Runnable(row, reach, sure, tuple(runnable[: runnable.index(sure)]))
        if any(cell.verdict is None for cell in cells):
            return Runnable(row, "unknown")
    return Runnable(row, "none" if consumer or others else "unknown")


def _side(country: str, models: Sequence[Runnable]) -> Side:
    own = tuple(model for model in models if model.row.country == country)
    sized = [(model.row, model.row.n_params) for model in own if model.row.n_params]
    largest: dict[str, tuple[Row, int]] = {}
    for row, n_params in sized:
        if row.lab not in largest or n_params > largest[row.lab][1]:
            largest[row.lab] = row, n_params
    leading = sorted(largest.values(), key=lambda pair: -pair[1])
    return Side(
        country,
        tuple(row for row, _ in leading),
        median(n for _, n in leading) if leading else None,
        median(n for _, n in sized) if sized else None,
        len(own) - len(sized),
        own,
    )


def _are_larger(chinese: Side, american: Side) -> Answer:
    if chinese.median_leading is None or american.median_leading is None:
        return "unknown"
    largest = [side.leading[0].n_params or 0 for side in (chinese, american)]
    signs = {chinese.median_leading > american.median_leading, largest[0] > largest[1]}
    if len(signs) == 2:
        return "mixed"
    return "yes" if signs == {True} else "no"


def _are_runnable(named: Sequence[Runnable]) -> Answer:
    if not named or all(model.reach == "unknown" for model in named):
        return "unknown"
    runnable = [model.cell for model in named if model.reach == "consumer" and model.cell]
    if len(runnable) < len(named):
        return "mixed" if runnable else "no"
    return "yes" if all(cell.is_surely_runnable for cell in runnable) else "perhaps"
