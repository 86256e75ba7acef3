"""What every workload says of itself, whatever its kind: schema/workload.py has the kinds."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import ClassVar, Self

ALONE = r"(?:\s*x\s*1)?"
"""How a name may say that there is one sequence; the canonical one does not."""
SEVERAL = r"\s*x\s*(?P<n_sequences>[2-9]|[1-9]\d{1,3})"
"""How it says that there are more."""


class Workload(ABC):
    """
    What is to be measured: a kind with its parameters; the defaults are those of most kinds.

    `pattern` is what its name looks like, `form` tells a person. `prompt_metric` and
    `decode_metric` name the rates at which it reads and writes.
    """

    pattern: ClassVar[str]
    form: ClassVar[str]
    examples: ClassVar[tuple[str, ...]]
    prompt_metric: ClassVar[str | None] = None
    decode_metric: ClassVar[str | None] = None
    is_text: ClassVar[bool] = False
    """Whether its prompt is text, which a tokenizer makes tokens of."""
    is_request: ClassVar[bool] = False
    """Whether a server can be asked for it."""
    needs_server: ClassVar[bool] = False
    """Whether nobody else can be."""
    takes_draft: ClassVar[bool] = False
    """Whether tokens can be guessed ahead in it; random ones cannot."""
    shares_context: ClassVar[bool] = False
    """Whether its sequences lie in one common pool of positions, and not each in a part of it."""
    shorter: ClassVar[str] = "choose a smaller one with -w"
    """What to do where the model was trained for fewer positions than it cannot do without."""
    prompt_spread: ClassVar[float] = 0.0
    """By how much its prompt may be longer or shorter than `n_prompt`, in natural logarithms."""

    @classmethod
    @abstractmethod
    def of(cls, found: re.Match[str]) -> Self:
        """The workload that a match of `pattern` names."""

    @property
    @abstractmethod
    def name(self) -> str:
        """The canonical spelling, "tg128@d4096", which `parse_workload` reads back."""

    @property
    @abstractmethod
    def n_ctx(self) -> int:
        """Positions it needs; for pp and tg just what llama-bench gives them."""

    @property
    @abstractmethod
    def mean_positions(self) -> float:
        """Positions that one of its steps reads in the mean; of a prompt, one of its tokens."""

    @property
    def n_ctx_min(self) -> int:
        """Positions it cannot do without."""
        return self.n_ctx

    @property
    def n_sequences(self) -> int:
        """Sequences, or users, that are served together; each of them does what it says."""
        return 1

    @property
    def alone(self) -> Workload:
        """The same of one sequence."""
        return self

    @property
    def depth(self) -> int:
        """Tokens that are in the cache of each sequence before it begins."""
        return 0

    @property
    def n_prompt(self) -> int:
        """Tokens of each sequence that it reads at once, before it writes."""
        return 0

    @property
    def n_generated(self) -> int:
        """Tokens of each sequence that it writes, one after the other."""
        return 0

    @property
    def n_at_once(self) -> int:
        """Tokens of each sequence that one of its batches or steps computes."""
        return self.n_prompt or 1

    @property
    def rate_metric(self) -> str | None:
        """The rate to predict it by: of writing where it writes, else of reading."""
        return self.decode_metric or self.prompt_metric

    def among(self, n_users: int) -> Workload:
        """
        The same of several sequences, or of users, together.

        Raises:
            ValueError: There is no such workload.
        """
        if n_users == 1:
            return self
        raise ValueError(f"{self.name} is not of several users; take tg128, pp512 or chat")

    def behind(self, depth: int) -> Workload:
        """
        The same behind so many tokens in the cache.

        Raises:
            ValueError: There is no such workload.
        """
        if depth == self.depth:
            return self
        raise ValueError(f"{self.name} is at no depth of its own; take pp512 or tg128")

    def at_rate(self, per_s: float) -> Workload:
        """
        The same of users who come at random, `per_s` a second.

        Raises:
            ValueError: There is no such workload.
        """
        raise ValueError(f"{self.name} at {per_s:g} a second is no workload; take chat or ppN+tgM")

    def n_trials(self, n_wanted: int) -> int:
        """Trials that a Run makes of it where `n_wanted` of each workload are wanted."""
        return n_wanted

    def context_length(self, n_ctx_train: int | None, asked: int | None = None) -> int:
        """
        Positions of the context it gets: as asked for, or what it needs and the model allows.

        Args:
            n_ctx_train: What the model was trained for, in each sequence; None and 0: nobody knows.
            asked: What the user asked for, for all sequences together.
        """
        trained = (n_ctx_train or 0) * self.n_sequences
        return asked or min(self.n_ctx, max(trained or self.n_ctx, self.n_ctx_min))
