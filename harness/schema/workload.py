"""
The workloads, by the names that llama-bench gave them, and what each says of itself.

pp512: 512 tokens of prompt at once. tg128: 128 tokens, one after the other. `@d4096`: either of
them behind 4096 tokens that are in the cache already. tg128x4: of 4 sequences together, as
llama-batched-bench does. chat: text in, text out; pp512+tg128: the same with so many tokens;
chatx4, chat@r0.5: of 4 users, and of one every two seconds. turns8: a conversation of 8 turns
whose cache is kept. rewrite, extract, summary, question, story: answers to texts that are shipped.
verify8: 8 tokens at once, each with what follows it, as speculation checks its guesses. sustain60:
generate for 60 seconds, in laps, so that throttling shows.

A further kind is a class here (in KINDS), its trial in the worker (measure/jobs/trial_worker.py),
its formulas (analysis/formulas.py), and its place in the rows of analysis/metrics.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator

from harness.schema.workload_kind import ALONE, SEVERAL, Workload
from harness.schema.workload_requests import Chat, Exchange, UserLoad
from harness.schema.workload_tasks import TASK_PROMPTS, TASKS, TextTask
from harness.schema.workload_turns import Turns, TurnsTogether

SUSTAIN_SECONDS = 60
SUSTAIN_LAP_TOKENS = 512
"""After so many tokens a sustained generation starts from an empty cache again: without laps the
growing cache would slow it down and look like throttling."""

USUAL_WORKLOADS = ("pp512", "tg128", "chat")
"""What is measured where nobody asks for something else."""

VERIFY_TOKENS, VERIFY_LEAST_STEPS = 64, 8
"""Tokens that a trial of verifyN computes, and the least steps that they make."""

SEQUENCE_PADDING = 256
"""Every sequence's part of a shared context is a multiple of so many positions
(llama_context::llama_context of llama-context.cpp)."""

_TOKENS = r"(?P<n>[1-9]\d{0,6})"
_DEPTH = r"(?:\s*@\s*d(?P<depth>[1-9]\d{0,6}))?"


@dataclass(frozen=True)
class _Counted(Workload):
    """`n` tokens behind `depth` cached ones."""

    n: int
    depth: int = 0

    prefix: ClassVar[str]

    @classmethod
    def of(cls, found: re.Match[str]) -> Self:
        return cls(int(found["n"]), int(found["depth"] or 0))

    @property
    def name(self) -> str:
        return f"{self.prefix}{self.n}" + (f"@d{self.depth}" if self.depth else "")

    @property
    def n_ctx(self) -> int:
        return self.depth + self.n

    def behind(self, depth: int) -> Workload:
        """At that depth."""
        return replace(self, depth=depth)

    @property
    def mean_positions(self) -> float:
        """Token i of n behind d cached ones reads d + i, its own among them: d + (n + 1) / 2."""
        return self.depth + (self.n + 1) / 2


@dataclass(frozen=True)
class Prefill(_Counted):
    """`n` tokens of prompt at once."""

    prefix = "pp"
    pattern = rf"pp{_TOKENS}{ALONE}{_DEPTH}"
    form = "ppN[xM][@dDEPTH]"
    examples = ("pp512",)
    prompt_metric = "tok_per_s"

    @property
    def n_prompt(self) -> int:
        return self.n

    def among(self, n_users: int) -> Workload:
        """Of several sequences."""
        return self if n_users == 1 else ParallelPrefill(self.n, self.depth, n_users)


@dataclass(frozen=True)
class Decode(_Counted):
    """`n` tokens, one after the other."""

    prefix = "tg"
    pattern = rf"tg{_TOKENS}{ALONE}{_DEPTH}"
    form = "tgN[xM][@dDEPTH]"
    examples = ("tg128", "tg128@d4096")
    decode_metric = "tok_per_s"

    @property
    def n_generated(self) -> int:
        return self.n

    def among(self, n_users: int) -> Workload:
        """Of several sequences."""
        return self if n_users == 1 else ParallelDecode(self.n, self.depth, n_users)


@dataclass(frozen=True)
class _Parallel(_Counted):
    """The same of `n_sequences` together, each with a cache of its own in one context."""

    n_sequences: int = 2

    @classmethod
    def of(cls, found: re.Match[str]) -> Self:
        return cls(int(found["n"]), int(found["depth"] or 0), int(found["n_sequences"]))

    @property
    def name(self) -> str:
        depth = f"@d{self.depth}" if self.depth else ""
        return f"{self.prefix}{self.n}x{self.n_sequences}{depth}"

    @property
    def n_ctx(self) -> int:
        """As llama-batched-bench needs it: what each needs, padded, for all of them together."""
        n_each = -(-(self.depth + self.n) // SEQUENCE_PADDING) * SEQUENCE_PADDING
        return self.n_sequences * n_each

    @property
    def n_ctx_min(self) -> int:
        """The engine pads what each of them gets."""
        return self.n_sequences * (self.depth + self.n)


@dataclass(frozen=True)
class ParallelPrefill(_Parallel):
    """`n` tokens of prompt of each sequence, all in one batch."""

    prefix = "pp"
    pattern = rf"pp{_TOKENS}{SEVERAL}{_DEPTH}"
    form = Prefill.form
    examples = ("pp512x4",)
    prompt_metric = "tok_per_s"

    @property
    def alone(self) -> Workload:
        return Prefill(self.n, self.depth)

    @property
    def n_prompt(self) -> int:
        return self.n


@dataclass(frozen=True)
class ParallelDecode(_Parallel):
    """`n` tokens of each sequence, a step for one token of each."""

    prefix = "tg"
    pattern = rf"tg{_TOKENS}{SEVERAL}{_DEPTH}"
    form = Decode.form
    examples = ("tg128x4",)
    decode_metric = "tok_per_s"

    @property
    def alone(self) -> Workload:
        return Decode(self.n, self.depth)

    @property
    def n_generated(self) -> int:
        return self.n


@dataclass(frozen=True)
class Verify(_Counted):
    """
    `n` tokens at once, for each of which the model says what follows: a step of speculation, which
    checks n - 1 guesses. All of its steps are at the same depth.
    """

    prefix = "verify"
    pattern = rf"verify{_TOKENS}{_DEPTH}"
    form = "verifyN,M[@dDEPTH]"
    examples = ("verify8",)

    @property
    def n_at_once(self) -> int:
        return self.n

    @property
    def rate_metric(self) -> str:
        return "tok_per_s"

    @property
    def n_steps(self) -> int:
        """Of a trial: about as much to compute whatever `n` is, and enough for a median."""
        return max(VERIFY_LEAST_STEPS, VERIFY_TOKENS // self.n)


@dataclass(frozen=True)
class Sustain(Workload):
    """Tokens one after the other for `seconds`, in laps of SUSTAIN_LAP_TOKENS."""

    seconds: int = SUSTAIN_SECONDS

    pattern = r"sustain(?P<seconds>[1-9]\d{0,4})?"
    form = "sustainSECONDS"
    examples = ("sustain60",)
    decode_metric = "tok_per_s"

    @classmethod
    def of(cls, found: re.Match[str]) -> Self:
        return cls(int(found["seconds"] or SUSTAIN_SECONDS))

    @property
    def name(self) -> str:
        return f"sustain{self.seconds}"

    @property
    def n_ctx(self) -> int:
        return SUSTAIN_LAP_TOKENS

    @property
    def n_generated(self) -> int:
        """Of a lap."""
        return SUSTAIN_LAP_TOKENS

    @property
    def mean_positions(self) -> float:
        return (SUSTAIN_LAP_TOKENS + 1) / 2

    def n_trials(self, n_wanted: int) -> int:
        """One: it is as long as it was asked to be."""
        return min(n_wanted, 1)


KINDS: tuple[type[Workload], ...] = (
    Prefill, Decode, ParallelPrefill, ParallelDecode, Chat, Exchange, UserLoad, Turns,
    TurnsTogether, TextTask, Verify, Sustain,
)  # fmt: skip

FORMS = ", ".join(dict.fromkeys(kind.form for kind in KINDS))
"""How workloads are written, for a person; xM: by M sequences together."""


# One depth behind the last of several sizes is that of all of them.
_SEVERAL_SIZES = re.compile(
    r"verify\s*(?P<sizes>\d+(?:\s*,\s*\d+)+)(?P<depth>\s*@\s*d\d+)?(?=\s*(?:,|$))", re.IGNORECASE
)


def split_workloads(text: str) -> list[str]:
    """
    The names in a list: those between commas, where "verify1,2,4@d256" are three of them, and TASKS
    stands for all of these.
    """

    def written_out(found: re.Match[str]) -> str:
        sizes = found["sizes"].split(",")
        return ",".join(f"verify{size.strip()}{found['depth'] or ''}" for size in sizes)

    names = (name.strip() for name in _SEVERAL_SIZES.sub(written_out, text).split(","))
    return [it for name in names for it in (TASK_PROMPTS if name.lower() == TASKS else (name,))]


def parse_workload(text: str) -> Workload:
    """
    The workload called `text`, in any case and with or without spaces around the @.

    Raises:
        ValueError: No such workload; the message says how they are written.
    """
    name = text.strip().lower()
    for kind in KINDS:
        if found := re.fullmatch(kind.pattern, name):
            return kind.of(found)
    *most, last = (example for kind in KINDS for example in kind.examples)
    raise ValueError(f"{text!r} is not a workload; write {', '.join(most)} or {last}")


def _checked(name: str) -> str:
    parse_workload(name)
    return name


WorkloadName = Annotated[str, AfterValidator(_checked)]
"""What a record calls a workload: `parse_workload` knows it."""
