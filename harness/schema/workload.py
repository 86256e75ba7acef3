"""
The workloads, by the names that llama-bench gave them.

pp512: 512 tokens of prompt at once. tg128: 128 tokens, one after the other. `@d4096`: either of
them behind 4096 tokens that are in the cache already. chat: text in, text out. sustain60:
generate for 60 seconds, in laps, so that throttling shows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

CHAT_TOKENS = 64
"""Tokens a chat answers with: two to three sentences, and 63 gaps for its percentiles."""

CHAT_CONTEXT = 2048
"""Positions for a chat: the prompt (about 250 tokens, 1,300 with one byte a token) and answer."""

SUSTAIN_SECONDS = 60
SUSTAIN_LAP_TOKENS = 512
"""After so many tokens a sustained generation starts from an empty cache again: without laps the
growing cache would slow it down and look like throttling."""

_PATTERN = re.compile(
    r"(?P<kind>pp|tg)(?P<n>[1-9]\d{0,6})(\s*@\s*d(?P<depth>[1-9]\d{0,6}))?"
    r"|(?P<chat>chat)"
    r"|(?P<sustain>sustain)(?P<seconds>[1-9]\d{0,4})?"
)


@dataclass(frozen=True)
class Workload:
    """
    One workload: `n` tokens behind `depth` cached ones; for sustain, `n` seconds.

    `name` is the canonical spelling, "tg128@d4096".
    """

    kind: Literal["pp", "tg", "chat", "sustain"]
    n: int
    depth: int = 0

    @property
    def name(self) -> str:
        """The canonical spelling, which `parse_workload` reads back."""
        if self.kind == "chat":
            return "chat"
        return f"{self.kind}{self.n}" + (f"@d{self.depth}" if self.depth else "")

    @property
    def n_ctx(self) -> int:
        """Positions it needs; for pp and tg just what llama-bench gives them."""
        if self.kind == "chat":
            return CHAT_CONTEXT
        return self.depth + (SUSTAIN_LAP_TOKENS if self.kind == "sustain" else self.n)

    @property
    def mean_positions(self) -> float:
        """
        Positions that a step of tg reads in the mean.

        Step i of n behind d cached tokens reads d + i, its own among them: d + (n + 1) / 2.
        """
        return self.depth + (self.n + 1) / 2

    @property
    def n_ctx_min(self) -> int:
        """Positions it cannot do without; a chat's prompt may be cut, the others' tokens not."""
        return 4 * CHAT_TOKENS if self.kind == "chat" else self.n_ctx


def parse_workload(text: str) -> Workload:
    """
    The workload called `text`, in any case and with or without spaces around the @.

    Raises:
        ValueError: No such workload; the message says how they are written.
    """
    match = _PATTERN.fullmatch(text.strip().lower())
    if not match:
        raise ValueError(
            f"{text!r} is not a workload; write pp512, tg128, tg128@d4096, chat or sustain60"
        )
    if match["chat"]:
        return Workload("chat", CHAT_TOKENS)
    if match["sustain"]:
        return Workload("sustain", int(match["seconds"] or SUSTAIN_SECONDS))
    kind: Literal["pp", "tg"] = "pp" if match["kind"] == "pp" else "tg"
    return Workload(kind, int(match["n"]), int(match["depth"] or 0))
