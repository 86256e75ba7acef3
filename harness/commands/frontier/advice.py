"""
Which quantization to take on this machine, in one sentence with its reason; or "inconclusive".

Two classes judge an option: how far its answers are from the reference's (below), and its pace,
by the thresholds of verdict.py. The worse of the two counts first. Among equals that are near the
reference the fastest is taken, for their difference from it does not matter; among others the one
nearest to the reference, unless all are slow. docs/method/frontier.md has the reasoning.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from harness import units
from harness.analysis.frontier.criteria import CRITERIA, NEEDED
from harness.analysis.frontier.dominance import Frontier, Option, size_key
from harness.analysis.verdict import N_PROMPT, Level, decode_level, ttft_level

# The mean KL divergence is the evidence that one token gives, on average, for telling the
# reference from its quantization by what it writes (the expected log-likelihood ratio). Odds
# of 20 to 1 take ln 20 = 3.0 nats. At 0.01 a token that is 300 tokens, a long answer; at 0.1 it
# is 30, a sentence or two. In llama.cpp's scoreboard for LLaMA 3 8B (tools/perplexity/README.md)
# Q6_K has 0.0055 and Q5_K_M 0.0108, Q4_K_M 0.031, Q3_K_M 0.102, Q2_K 0.445. Near the reference,
# KL divergence no longer ranks quantizations by their benchmark scores, while over the whole range
# it does (Nikolic et al. 2026, arXiv 2606.19558).
NEAR_KL = 0.01
FAR_KL = 0.1

_FIDELITY = ("far from the reference", "at some distance from the reference", "near the reference")
_LEVELS: dict[Level, int] = {"comfortable": 2, "usable": 1}
_PACES = ("slow", "usable", "comfortable")

End = Literal["value", "optimistic", "pessimistic"]


@dataclass(frozen=True, slots=True)
class Advice:
    """
    What to take, and why.

    `choice` None is "inconclusive"; then it is not known which of the `rivals`. `left_out`
    names options that lack a figure the advice needs.
    """

    choice: str | None
    reason: str
    rivals: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """One sentence."""
        return (
            f"take {self.choice}: {self.reason}" if self.choice else f"inconclusive: {self.reason}"
        )


@dataclass(frozen=True, slots=True, order=True)
class _Class:
    """The worse of fidelity and pace, then each; 2 is best."""

    worse: int
    fidelity: int
    pace: int


def advise(frontier: Frontier) -> Advice:
    """What to take of the options, by what is known of them."""
    usable = [option for option in frontier.options if option.reason_missing is None]
    known = [option for option in usable if all(name in option.figures for name in NEEDED)]
    left_out = tuple(sorted(option.name for option in usable if option not in known))
    if len(known) < 2:
        return Advice(None, _too_little(usable, known), left_out=left_out)
    dominated = frontier.dominators(known)
    options = [option for option in known if option.name not in dominated]
    best = max(class_of(option) for option in options)
    group = [option for option in options if class_of(option) == best]
    criterion = "decode" if best.fidelity == 2 or best.pace == 0 else "kl"
    first = min(group, key=lambda option: (_goodness(option, criterion), size_key(option)))
    rivals = _rivals(frontier, first, options, criterion)
    if rivals:
        names = tuple(sorted((first.name, *(option.name for option in rivals))))
        return Advice(None, _undecided(first, rivals, group, criterion), names, left_out)
    alike = [other for other in group if _is_same(frontier, first, other, criterion)]
    choice = min(alike, key=size_key)
    return Advice(choice.name, _reason(choice, best, options, alike), left_out=left_out)


def class_of(option: Option, end: End = "value") -> _Class:
    """The option's class by its figures, or by the optimistic or pessimistic bounds of them."""
    kl = _at(option, "kl", end)
    fidelity = 2 if kl <= NEAR_KL else 1 if kl <= FAR_KL else 0
    pace = _LEVELS.get(decode_level(_at(option, "decode", end)), 0)
    if "prefill" in option.figures:
        rate = _at(option, "prefill", end)
        ttft_ns = N_PROMPT / rate * 1e9 if rate > 0 else math.inf
        pace = min(pace, _LEVELS.get(ttft_level(ttft_ns), 0))
    return _Class(min(fidelity, pace), fidelity, pace)


def _at(option: Option, criterion: str, end: End) -> float:
    figure = option.figures[criterion]
    if end == "value":
        return figure.value
    wants_high = (end == "optimistic") == CRITERIA[criterion].is_more_better
    if not figure.is_decisive:
        return math.inf if wants_high else 0.0
    low, high = figure.bounds
    return high if wants_high else low


def _goodness(option: Option, criterion: str) -> float:
    """Lower is better."""
    value = option.figures[criterion].value
    return -value if CRITERIA[criterion].is_more_better else value


def _is_same(frontier: Frontier, first: Option, other: Option, criterion: str) -> bool:
    return other.name == first.name or frontier.relation(first, other, criterion) == "same"


def _rivals(
    frontier: Frontier,
    first: Option,
    options: Sequence[Option],
    criterion: str,
) -> list[Option]:
    """Those that may be better than `first`, as far as their intervals tell."""
    floor = class_of(first, "pessimistic")
    found = []
    for other in options:
        could_be = class_of(other, "optimistic")
        if other.name == first.name or could_be < floor:
            continue
        relation = frontier.relation(first, other, criterion)
        if could_be > floor or relation in ("worse", "inconclusive"):
            found.append(other)
    return found


# ------------------------------------------------------------------ in words


def _too_little(usable: Sequence[Option], known: Sequence[Option]) -> str:
    if not usable:
        return "none of its quantizations could be measured here: --measure tries again"
    if len(usable) == 1:
        return f"{usable[0].name} is the only quantization here; `harness quantize` makes others"
    has_speed = [option for option in usable if "decode" in option.figures]
    has_quality = [option for option in usable if "kl" in option.figures]
    if known:
        return (
            f"only {known[0].name} has both its speed and its quality measured: --measure "
            "measures the others"
        )
    if not has_speed:
        return "no speed is known under the same settings: --measure measures it"
    if not has_quality:
        return "nothing is known of their quality: --measure or `harness quality` measures it"
    return (
        "those with a speed have no quality, and those with a quality no speed: --measure "
        "measures what is missing"
    )


def _undecided(
    first: Option, rivals: Sequence[Option], group: Sequence[Option], criterion: str
) -> str:
    named = sorted(rivals, key=size_key)
    names = f"{first.name} or {' or '.join(option.name for option in named)}"
    if not all(option.figures["decode"].is_decisive for option in (first, *named)):
        return f"{names}; there are too few Runs for an interval: measure more (--measure --runs)"
    if all(option in group for option in named):
        what = "faster" if criterion == "decode" else "nearer to the reference"
        more = "more Runs (--runs, --budget)" if criterion == "decode" else "more text (--chunks)"
        return f"{names}; which is {what} is not decided: {more} may tell"
    return (
        f"{names}; an interval reaches across a threshold (KL divergence {NEAR_KL} and {FAR_KL}, "
        "pace): more Runs (--runs) or more text (--chunks) may tell"
    )


def _reason(
    choice: Option, best: _Class, options: Sequence[Option], alike: Sequence[Option]
) -> str:
    pace = _PACES[best.pace]
    if best.fidelity == 2:
        text = f"the fastest of those {_FIDELITY[2]}"
    elif best.pace == 0:
        text = "the fastest, for all are slow here"
    else:
        text = f"the nearest to the reference of those that are {pace} here"
    if len(alike) > 1:
        others = ", ".join(sorted(it.name for it in alike if it.name != choice.name))
        text += f", and smaller than {others}, which is as good"
    text += f" ({_figures(choice)}, {pace})"
    contrast = _contrast(choice, options)
    return f"{text}; {contrast}" if contrast else text


def _figures(option: Option) -> str:
    kl, top = option.figures["kl"].value, option.figures.get("same_top")
    parts = [f"KL divergence {units.significant(kl)}"]
    if top is not None:
        parts.append(f"same top token {units.percent(top.value)}")
    parts.append(f"decode {units.significant(option.figures['decode'].value)} tok/s")
    return ", ".join(parts)


def _contrast(choice: Option, options: Sequence[Option]) -> str:
    """The next one in the direction that was not taken, and what it costs."""
    mine, kl = class_of(choice), choice.figures["kl"].value
    rate = choice.figures["decode"].value
    faster = [it for it in options if it.figures["decode"].value > rate]
    faster = [it for it in faster if class_of(it).fidelity < mine.fidelity]
    if faster:
        other = max(faster, key=lambda it: (-it.figures["kl"].value, it.name))
        return (
            f"{other.name} is faster ({units.significant(other.figures['decode'].value)} tok/s) "
            f"but {_FIDELITY[class_of(other).fidelity]} "
            f"({units.significant(other.figures['kl'].value)})"
        )
    nearer = [it for it in options if it.figures["kl"].value < kl and class_of(it).pace < mine.pace]
    if nearer:
        other = min(nearer, key=lambda it: (it.figures["kl"].value, it.name))
        return f"{other.name} is nearer to the reference but {_PACES[class_of(other).pace]} here"
    return ""
