"""
The verdict on a model: comfortable, usable, slow, pages, or does not run.

The thresholds are about people, not machines; docs/method/verdicts.md has the reasoning.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from harness import units
from harness.schema.figure import Figure

# Silent reading of English prose: 238 words a minute (Brysbaert 2019, Journal of Memory and
# Language 109, a meta-analysis of 190 studies). Tokenizers make about 1.3 tokens of an English
# word. Together 5.2 tokens a second: what a reader takes in.
WORDS_PER_MINUTE = 238
TOKENS_PER_WORD = 1.3
READING_TOK_PER_S = WORDS_PER_MINUTE * TOKENS_PER_WORD / 60

# The text must not come slower than it is read; 6 leaves a tenth for numbers, code and other
# languages, which take more tokens a word.
USABLE_TOK_PER_S = 6.0
# Nearly four times the reading speed: answers are skimmed, code is not read word by word, and a
# model that reasons first has 1,000 tokens behind it after 50 s instead of 170.
COMFORTABLE_TOK_PER_S = 20.0

# Time to the first token. 1 s is the limit of an uninterrupted flow of thought and 10 s that of
# attention (Nielsen, Usability Engineering, 1993, ch. 5); 2 s is what Miller gives the answer to
# an inquiry (Response time in man-computer conversational transactions, 1968). 1 s for a prompt
# of 1,024 tokens is beyond almost every machine at home, hence 2 and 10.
COMFORTABLE_TTFT_NS = 2_000_000_000
USABLE_TTFT_NS = 10_000_000_000

# What both are judged at: a conversation of some pages, and a page and a half of prompt.
DEPTH = 4096
N_PROMPT = 1024

# A generation that ends more than this below its beginning is judged by its end.
SUSTAINED_LEAST_RATIO = 0.9

Level = Literal["comfortable", "usable", "slow", "pages", "does-not-run"]
Evidence = Literal["measured", "rehearsed", "predicted"]

LEVELS: tuple[Level, ...] = ("comfortable", "usable", "slow", "pages", "does-not-run")
"""Best first."""

_WORDS: dict[Level, str] = {"does-not-run": "does not run"}
_PERHAPS: dict[Level, str] = {"does-not-run": "not at all"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    How well a model runs, and what shows it.

    Attributes:
        level: By the figures as they are.
        best: The level at the optimistic bounds of all intervals; differs from `level` where an
            interval reaches across a threshold.
        worst: The same at the pessimistic bounds, or with what is not known at all.
        reason: The number that decided, or why it does not run.
        decode: Tokens a second; None where the model does not run.
        ttft: Time to the first token; None where unknown.
        short_bytes: Memory that is missing, where that is known.
        notes: What else to know, one sentence each.
    """

    level: Level
    best: Level
    worst: Level
    evidence: Evidence
    reason: str
    decode: Figure | None = None
    ttft: Figure | None = None
    short_bytes: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def is_borderline(self) -> bool:
        """Whether the intervals leave room for another level."""
        return (self.best, self.worst) != (self.level, self.level)

    @property
    def text(self) -> str:
        """The level in words, and where it may fall: "usable, perhaps comfortable"."""
        return word(self.level) + (f", perhaps {self.perhaps}" if self.perhaps else "")

    @property
    def perhaps(self) -> str:
        """Where the level may fall beside where it does: "comfortable", "slow or not at all"."""
        others = [level for level in (self.best, self.worst) if level != self.level]
        return " or ".join(_PERHAPS.get(level, level) for level in dict.fromkeys(others))

    def sentence(self, name: str) -> str:
        """What it says of `name`: "m:Q4_0 is usable (measured): decode 12.0 tok/s (tg128)."."""
        verb = "" if self.level in ("pages", "does-not-run") else "is "
        told = f"{name} {verb}{self.text} ({self.evidence}): {self.reason}"
        return told if told.endswith(".") else f"{told}."


def meaning() -> str:
    """What the levels are, in a sentence."""
    return (
        f"Comfortable: at least {units.significant(COMFORTABLE_TOK_PER_S, 2)} tok/s at {DEPTH} "
        f"positions and a first token within {units.duration(COMFORTABLE_TTFT_NS)} of a prompt of "
        f"{N_PROMPT} tokens; usable: {units.significant(USABLE_TOK_PER_S, 1)} tok/s and "
        f"{units.duration(USABLE_TTFT_NS)}; slow: less; pages: its weights come from the disk "
        "again and again."
    )


def decode_level(tok_per_s: float) -> Level:
    """The level that so many tokens a second at 4,096 positions deserve."""
    if tok_per_s >= COMFORTABLE_TOK_PER_S:
        return "comfortable"
    return "usable" if tok_per_s >= USABLE_TOK_PER_S else "slow"


def ttft_level(ttft_ns: float) -> Level:
    """The level that so long a wait after a prompt of 1,024 tokens deserves."""
    if ttft_ns <= COMFORTABLE_TTFT_NS:
        return "comfortable"
    return "usable" if ttft_ns <= USABLE_TTFT_NS else "slow"


def worse(*levels: Level) -> Level:
    """The worst of `levels`."""
    return max(levels, key=LEVELS.index)


def by_speed(
    decode: Figure,
    ttft: Figure | None,
    evidence: Evidence,
    sustained_ratio: float | None = None,
    notes: tuple[str, ...] = (),
) -> Verdict:
    """
    The verdict on a model that runs in memory.

    Args:
        decode: Tokens a second at 4,096 positions, or as near as there is.
        ttft: Time from a prompt of 1,024 tokens to the first token; None where unknown: then
            nothing is promised about it, so `worst` is "slow".
        evidence: Where the figures come from.
        sustained_ratio: Speed at the end of a long generation by that at its beginning. Below
            0.9 both figures are taken as they are at its end.
        notes: Handed on.
    """
    if sustained_ratio is not None and sustained_ratio < SUSTAINED_LEAST_RATIO:
        decode = _at_the_end(decode, sustained_ratio)
        ttft = _at_the_end(ttft, 1 / sustained_ratio) if ttft else None
        notes += (
            f"The speed falls to {units.percent(sustained_ratio)} of its beginning over time; "
            "judged by what remains.",
        )
    level = decode_level(decode.value)
    low, high = decode.bounds
    best, worst = decode_level(high), decode_level(low)
    reason = f"decode {units.significant(decode.value)} tok/s ({decode.source})"
    if ttft is None:
        worst = "slow"
        notes += ("The time to the first token is not known.",)
    else:
        if ttft_level(ttft.value) == worse(level, ttft_level(ttft.value)) != level:
            reason = f"TTFT {units.duration(ttft.value)} ({ttft.source})"
        level = worse(level, ttft_level(ttft.value))
        soonest, latest = ttft.bounds
        best, worst = worse(best, ttft_level(soonest)), worse(worst, ttft_level(latest))
    return Verdict(level, best, worst, evidence, reason, decode, ttft, notes=notes)


def by_memory(
    need: Figure, usable_bytes: int, speed: Verdict | None, notes: tuple[str, ...] = ()
) -> Verdict | None:
    """
    The verdict predicted from memory and speed.

    Args:
        need: Bytes needed, with their interval.
        usable_bytes: Bytes that the machine gives a model.
        speed: The verdict on its speed if it fits; None where nothing can be said of that.
        notes: Added to those of `speed`.

    Returns:
        None where it fits, or may, and its speed is unknown.
    """
    needed = units.memory_size(need.value)
    given = units.memory_size(usable_bytes)
    least, most = need.bounds
    if least > usable_bytes or (need.value > usable_bytes and speed is None):
        short = round(need.value - usable_bytes)
        return Verdict(
            "does-not-run", "does-not-run", "does-not-run", "predicted",
            f"needs {needed} of memory, {given} there: {units.memory_size(short)} short",
            short_bytes=short, notes=notes,
        )  # fmt: skip
    if speed is None:
        return None
    speed = replace(speed, notes=speed.notes + notes)
    if most <= usable_bytes:
        return speed
    tight = f"It needs about {needed} of memory, and {given} are there."
    speed = replace(speed, worst="does-not-run", notes=(*speed.notes, tight))
    if need.value <= usable_bytes:
        return speed
    short = round(need.value - usable_bytes)
    return replace(
        speed,
        level="does-not-run",
        reason=f"needs about {needed} of memory, {given} there: {units.memory_size(short)} short",
        short_bytes=short,
    )


def does_not_run(reason: str, evidence: Evidence, short_bytes: int | None = None) -> Verdict:
    """The verdict on a model that was seen to fail, or is known to."""
    level: Level = "does-not-run"
    return Verdict(level, level, level, evidence, reason, short_bytes=short_bytes)


def pages(speed: Verdict | None, reason: str, evidence: Evidence) -> Verdict:
    """The verdict on a model that reads its weights again and again; `speed` has its figures."""
    decode, ttft = (speed.decode, speed.ttft) if speed else (None, None)
    return Verdict("pages", "pages", "pages", evidence, reason, decode, ttft)


def _at_the_end(figure: Figure, ratio: float) -> Figure:
    return replace(figure.scaled(ratio), source=f"{figure.source}, at the end of a long generation")


def word(level: Level) -> str:
    """A level as people read it."""
    return _WORDS.get(level, level)
