"""Workloads that are requests: a text in, and a text out, of one user or of several at once."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Self

from harness.schema.workload_kind import Workload

CHAT_TOKENS = 64
"""Tokens a chat answers with: two to three sentences, and 63 gaps for its percentiles."""

CHAT_CONTEXT = 2048
"""Positions for a chat: the prompt (1,300 tokens with one byte a token) and the answer."""

CHAT_PROMPT_TOKENS = 270
"""
Tokens of a chat's prompt: the text's 1,300 characters are 250 of a vocabulary of 50,000 and more,
and a chat template adds about 20. So many random ones stand for it where there is no tokenizer.
"""

# Vocabularies cut that text into 245 to 300 tokens: 9 % to either side of the middle.
_CHAT_PROMPT_SPREAD = 0.09
# A server's tokens are counted, and the prompt is cut to within 2 %.
_EXCHANGE_PROMPT_SPREAD = 0.02

REQUESTS_PER_USER = 3
"""Of a closed loop: the first of all users come together, the others as they are answered."""
OPEN_LOOP_S = 20
"""How long requests come in an open loop, where that are not too few or too many."""
LEAST_REQUESTS, MOST_REQUESTS = 8, 100

_EXCHANGE = r"pp[1-9]\d{0,6}\s*\+\s*tg[1-9]\d{0,6}"


class _Request(Workload):
    """Of one user, of several who ask at once, or of those who come."""

    is_request = True
    prompt_metric = "prefill_tok_per_s"
    decode_metric = "decode_tok_per_s"

    def among(self, n_users: int) -> Workload:
        """Of several users."""
        return self if n_users == 1 else UserLoad(self, n_users=n_users)

    def at_rate(self, per_s: float) -> Workload:
        """As they come."""
        return UserLoad(self, per_s=per_s)


@dataclass(frozen=True)
class Chat(_Request):
    """A text in, CHAT_TOKENS tokens of text out."""

    pattern = "chat"
    form = "chat"
    examples = ("chat",)
    is_text = True
    prompt_spread = _CHAT_PROMPT_SPREAD

    @classmethod
    def of(cls, found: re.Match[str]) -> Self:  # noqa: ARG003
        return cls()

    @property
    def name(self) -> str:
        return "chat"

    @property
    def n_ctx(self) -> int:
        return CHAT_CONTEXT

    @property
    def n_ctx_min(self) -> int:
        """Its prompt may be cut."""
        return 4 * CHAT_TOKENS

    @property
    def n_prompt(self) -> int:
        return CHAT_PROMPT_TOKENS

    @property
    def n_generated(self) -> int:
        return CHAT_TOKENS

    @property
    def mean_positions(self) -> float:
        return CHAT_PROMPT_TOKENS + CHAT_TOKENS / 2


@dataclass(frozen=True)
class Exchange(_Request):
    """`n` tokens in, and `n_out` tokens out, the greedy ones: llama-bench's -pg, with latencies."""

    n: int
    n_out: int

    pattern = r"pp(?P<n>[1-9]\d{0,6})\s*\+\s*tg(?P<n_out>[1-9]\d{0,6})"
    form = "ppN+tgM"
    examples = ("pp512+tg128",)
    prompt_spread = _EXCHANGE_PROMPT_SPREAD

    @classmethod
    def of(cls, found: re.Match[str]) -> Self:
        return cls(int(found["n"]), int(found["n_out"]))

    @property
    def name(self) -> str:
        return f"pp{self.n}+tg{self.n_out}"

    def behind(self, depth: int) -> Workload:
        """With so long a prompt, behind which it writes; 0 leaves its own."""
        return replace(self, n=depth or self.n)

    @property
    def n_ctx(self) -> int:
        return self.n + self.n_out

    @property
    def n_prompt(self) -> int:
        return self.n

    @property
    def n_generated(self) -> int:
        return self.n_out

    @property
    def mean_positions(self) -> float:
        return self.n + self.n_out / 2


@dataclass(frozen=True)
class UserLoad(Workload):
    """
    The same request of several users at once, which only a server is asked.

    Closed loop (`n_users`): each asks again as soon as it is answered, REQUESTS_PER_USER times.
    Open loop (`per_s`): requests come at random moments, as many a second in the mean, whether or
    not earlier ones are answered (a Poisson process).
    """

    what: _Request
    n_users: int = 0
    per_s: float = 0.0

    pattern = (
        rf"(?P<what>chat|{_EXCHANGE})\s*"
        r"(?:x\s*(?P<n_users>[2-9]|[1-9]\d{1,3})|@\s*r(?P<per_s>\d{1,4}(?:\.\d{1,3})?))"
    )
    form = "chatxM, chat@rPER_S"
    examples = ("chatx4", "chat@r0.5")
    is_request = True
    needs_server = True

    @classmethod
    def of(cls, found: re.Match[str]) -> Self:
        exchange = re.fullmatch(Exchange.pattern, found["what"])
        what = Exchange.of(exchange) if exchange else Chat()
        return cls(what, int(found["n_users"] or 0), float(found["per_s"] or 0))

    @property
    def name(self) -> str:
        how = f"x{self.n_users}" if self.n_users else f"@r{self.per_s:.3f}".rstrip("0").rstrip(".")
        return f"{self.what.name}{how}"

    @property
    def n_ctx(self) -> int:
        """Of one of them."""
        return self.what.n_ctx

    @property
    def n_ctx_min(self) -> int:
        return self.what.n_ctx_min

    @property
    def n_prompt(self) -> int:
        return self.what.n_prompt

    @property
    def n_generated(self) -> int:
        return self.what.n_generated

    @property
    def mean_positions(self) -> float:
        return self.what.mean_positions

    @property
    def rate_metric(self) -> str:
        """Of all of them together."""
        return "tok_per_s"

    @property
    def n_requests(self) -> int:
        """Of a trial."""
        if self.n_users:
            return self.n_users * REQUESTS_PER_USER
        return min(MOST_REQUESTS, max(LEAST_REQUESTS, round(self.per_s * OPEN_LOOP_S)))

    def n_trials(self, n_wanted: int) -> int:
        """One: it is as many requests as others have in several."""
        return min(n_wanted, 1)
