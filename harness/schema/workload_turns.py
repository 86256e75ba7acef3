"""Conversations: a system prompt, then turn after turn of a text in and an answer out."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import ClassVar, Self

from harness.schema.workload_kind import ALONE, SEVERAL, Workload

SYSTEM_TOKENS = 3000
"""A role, its rules and fifteen tools with their parameters: what an agent's prompt begins with."""
INPUT_TOKENS = 800
"""A part of a file, of a log, of what tests say: what a tool gives back."""
OUTPUT_TOKENS = 150
"""A call of a tool with a sentence before it, or a short answer."""

MOST_TURNS = 100

TEMPLATE_TOKENS = 16
"""What a chat template puts around a message: names of roles, marks of begin and end."""
_PREAMBLE_TOKENS = 96
"""What stands before all messages: a template's own words, and the digits that no cache knows."""
_STEP = 256  # llama-context.cpp makes every context a multiple of it

_PROMPT_SPREAD = 0.05
"""A template's words, and an end that is found between two tokens."""

_LENGTHS = (
    r"(?:\s*:\s*(?P<system>[1-9]\d{0,6})\s*\+\s*(?P<input>[1-9]\d{0,6})"
    r"\s*\+\s*(?P<output>[1-9]\d{0,6}))?"
)


@dataclass(frozen=True)
class Turns(Workload):
    """
    A conversation of `n_turns`: `n_system` tokens of system prompt, then in each turn `n_input`
    tokens in and `n_output` out, whatever the chat template adds not counted.
    """

    n_turns: int
    n_system: int = SYSTEM_TOKENS
    n_input: int = INPUT_TOKENS
    n_output: int = OUTPUT_TOKENS

    pattern = rf"turns(?P<n>\d{{1,9}}){ALONE}{_LENGTHS}"
    form = "turnsN[xM][:SYSTEM+INPUT+OUTPUT]"
    examples = ("turns8",)
    is_text = True
    is_request = True
    prompt_metric: ClassVar[str | None] = "prefill_tok_per_s"
    decode_metric: ClassVar[str | None] = "decode_tok_per_s"
    prompt_spread = _PROMPT_SPREAD
    shorter = (
        "choose shorter texts (--turns-system, --turns-input, --turns-output) or a model with more"
    )

    @classmethod
    def of(cls, found: re.Match[str]) -> Self:
        return cls(_n_turns(found), *_lengths(found))

    @property
    def name(self) -> str:
        return f"turns{self.n_turns}{self._lengths_text}"

    @property
    def _lengths_text(self) -> str:
        lengths = self.n_system, self.n_input, self.n_output
        if lengths == (SYSTEM_TOKENS, INPUT_TOKENS, OUTPUT_TOKENS):
            return ""
        return f":{'+'.join(map(str, lengths))}"

    @property
    def n_ctx(self) -> int:
        return _padded(self._positions(self.n_turns))

    @property
    def n_ctx_min(self) -> int:
        """The first turn; where the context is full later, that is a result."""
        return self._positions(1)

    def _positions(self, n_turns: int) -> int:
        """Of the whole prompt and answers, with what a template adds."""
        return self.n_system + _PREAMBLE_TOKENS + n_turns * self.n_sequences * self.n_each

    @property
    def n_each(self) -> int:
        """Positions that a turn of one conversation takes, with what a template adds."""
        return self.n_input + self.n_output + 2 * TEMPLATE_TOKENS

    @property
    def n_prompt(self) -> int:
        """Of the first turn."""
        return self.n_system + self.n_input

    @property
    def n_generated(self) -> int:
        """In each turn."""
        return self.n_output

    @property
    def mean_positions(self) -> float:
        """The mean over all turns of what lies before the middle of an answer."""
        before = (self.n_turns + 1) / 2 * self.n_input + (self.n_turns - 1) / 2 * self.n_output
        return self.n_system + before + self.n_output / 2

    def among(self, n_users: int) -> Workload:
        """Of several users, each with a conversation of their own and the same system prompt."""
        if n_users == 1:
            return self
        lengths = self.n_system, self.n_input, self.n_output
        return TurnsTogether(self.n_turns, *lengths, n_sequences=n_users)

    def of_lengths(self, n_system: int | None, n_input: int | None, n_output: int | None) -> Self:
        """The same with other lengths where they are not None."""
        return replace(
            self,
            n_system=n_system or self.n_system,
            n_input=n_input or self.n_input,
            n_output=n_output or self.n_output,
        )

    def n_trials(self, n_wanted: int) -> int:
        """One: it is as many answers as others have in several."""
        return min(n_wanted, 1)


@dataclass(frozen=True)
class TurnsTogether(Turns):
    """Such conversations of `n_sequences` users at once, who share the system prompt's cache."""

    n_sequences: int = 2

    pattern = rf"turns(?P<n>\d{{1,9}}){SEVERAL}{_LENGTHS}"
    form = Turns.form
    examples = ("turns8x4",)
    prompt_metric = None
    decode_metric = "tok_per_s"
    shares_context = True

    @classmethod
    def of(cls, found: re.Match[str]) -> Self:
        return cls(_n_turns(found), *_lengths(found), n_sequences=int(found["n_sequences"]))

    @property
    def name(self) -> str:
        return f"turns{self.n_turns}x{self.n_sequences}{self._lengths_text}"

    @property
    def alone(self) -> Workload:
        return Turns(self.n_turns, self.n_system, self.n_input, self.n_output)


def _n_turns(found: re.Match[str]) -> int:
    n_turns = int(found["n"])
    if not 1 <= n_turns <= MOST_TURNS:
        raise ValueError(f"{found[0]}: a conversation has 1 to {MOST_TURNS} turns, as in turns8")
    return n_turns


def _lengths(found: re.Match[str]) -> tuple[int, int, int]:
    if found["system"] is None:
        return SYSTEM_TOKENS, INPUT_TOKENS, OUTPUT_TOKENS
    return int(found["system"]), int(found["input"]), int(found["output"])


def _padded(n_positions: int) -> int:
    return -(-n_positions // _STEP) * _STEP
