"""Workloads that are work on real text: a few prompts each, answered one after the other."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from harness.schema.workload_kind import Workload

TASK_TOKENS = 96
"""Tokens of each answer: what is repeated, or is not, shows in so many; 20 answers take no minute
at 100 tokens a second."""

TASK_CONTEXT = 1280
"""Positions for a prompt (up to 1,000 tokens with one byte a token, and a chat template's) and its
answer."""

TASK_PROMPTS: Mapping[str, int] = {
    "rewrite": 170,
    "extract": 180,
    "summary": 175,
    "question": 34,
    "story": 28,
}
"""Each to the tokens of its prompts in the mean, a chat template's included (SmolLM2's)."""

TASKS = "tasks"
"""What all of them together are called where workloads are named."""


@dataclass(frozen=True)
class TextTask(Workload):
    """
    Work of one kind on texts that are shipped (measure/jobs/task_texts.py), the greedy answers to
    which have TASK_TOKENS tokens each. How much of a text comes back in its answer differs from
    task to task, and with it how well the next tokens can be guessed.
    """

    what: str

    pattern = rf"(?P<what>{'|'.join(TASK_PROMPTS)})"
    form = "|".join(TASK_PROMPTS)
    examples = tuple(TASK_PROMPTS)
    is_request = True
    is_text = True
    takes_draft = True
    decode_metric = "decode_tok_per_s"

    @classmethod
    def of(cls, found: re.Match[str]) -> Self:
        return cls(found["what"])

    @property
    def name(self) -> str:
        return self.what

    @property
    def n_ctx(self) -> int:
        return TASK_CONTEXT

    @property
    def n_ctx_min(self) -> int:
        """Its prompts may be cut."""
        return 4 * TASK_TOKENS

    @property
    def n_prompt(self) -> int:
        return TASK_PROMPTS[self.what]

    @property
    def n_generated(self) -> int:
        return TASK_TOKENS

    @property
    def mean_positions(self) -> float:
        return self.n_prompt + TASK_TOKENS / 2

    def n_trials(self, n_wanted: int) -> int:
        """One: it is several answers, each as long as another workload's trial."""
        return min(n_wanted, 1)
