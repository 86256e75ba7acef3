"""
One trial of a task: each of its prompts answered, one after the other.

Inside the clock: tokenizing, the prompt (which a draft reads too, before the first token), and then
steps with guessing, sampling and turning tokens into text. Outside: emptying the cache between two
answers.
"""

from __future__ import annotations

import codecs
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from time import perf_counter_ns

from harness.engine.context import Context
from harness.engine.failure import EngineFailed
from harness.engine.model import Model
from harness.measure.jobs.draft_worker import Draft, forget
from harness.measure.jobs.speculation import Drafter, write
from harness.measure.jobs.task_texts import TASK_TEXTS
from harness.measure.jobs.trial_worker import Timing
from harness.schema.experiment import ChatTemplate
from harness.schema.request import Request
from harness.schema.workload_tasks import TextTask

_WARM_UP_TOKENS = 8


@dataclass
class EngineReader:
    """A context as what reads and says what follows (speculation.py)."""

    context: Context
    sampler: object

    def read(self, tokens: Sequence[int]) -> None:
        """Reads them in one batch, each with what follows it."""
        self.context.read(tokens)

    def likeliest(self, row: int) -> int:
        """The greedy token behind that one."""
        return self.context.sample(self.sampler, row)

    def rewind(self, n_keep: int) -> None:
        """Forgets what lies behind."""
        forget(self.context, n_keep)


@dataclass
class TaskBench:
    """A context made for a task, and the means to repeat it; with a `draft` tokens are guessed."""

    model: Model
    context: Context
    workload: TextTask
    draft: Draft | None = None

    def prepare(self, *, is_settled: bool = False) -> None:
        """The cache empty; nothing else is to be brought about before a text that long."""
        del is_settled
        self.context.clear()

    def plan(self, *, is_warm_up: bool = False) -> Callable[[], Timing]:
        """
        The answers to all prompts; of a warm-up the beginning of one.

        Raises:
            EngineFailed: The model writes no text, or cannot take back what was guessed wrongly.
        """
        self.context.require_decoding()
        if not self.model.has_tokenizer:
            raise EngineFailed(
                "settings-invalid", "the model has no tokenizer, and a task is real text"
            )
        if self.draft is not None:
            self.draft.require_rewinding(self.model)
        told = [self.model.chat_text(text) for text in TASK_TEXTS[self.workload.what]]
        texts, templates = [text for text, _ in told], [template for _, template in told]
        n_tokens = self.workload.n_generated
        if is_warm_up:
            texts, n_tokens = texts[:1], _WARM_UP_TOKENS
        return lambda: self._answers(texts, templates[0], n_tokens)

    def _answers(self, texts: Sequence[str], template: ChatTemplate, n_tokens: int) -> Timing:
        start_ns = perf_counter_ns()
        requests = []
        with contextlib.ExitStack() as stack:
            sampler = stack.enter_context(self.model.greedy_sampler())
            reader = EngineReader(self.context, sampler)
            new_drafter: Callable[[], Drafter | None] = _nobody
            if self.draft is not None:
                new_drafter = stack.enter_context(self.draft.drafters(self.model.n_vocab))
            for text in texts:
                self.context.clear()
                answer = self._answer(text, reader, new_drafter(), n_tokens)
                requests.append(answer.model_copy(update={"sent_ns": answer.sent_ns - start_ns}))
        return Timing(
            n_tokens=sum(request.n_tokens or 0 for request in requests),
            total_ns=sum(request.answered_ns for request in requests),
            chat_template=template,
            requests=tuple(requests),
        )

    def _answer(
        self, text: str, reader: EngineReader, drafter: Drafter | None, n_tokens: int
    ) -> Request:
        """One answer; its `sent_ns` is a reading of the clock."""
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

        def show(tokens: Sequence[int]) -> None:
            for token in tokens:
                decoder.decode(self.model.piece(token))

        sent_ns = perf_counter_ns()
        # Fits by design, unless the user or the model allows only a small context.
        prompt = self.model.tokenize(text)[: self.context.n_ctx - n_tokens]
        self.context.prompt(prompt)()
        if drafter is not None:
            drafter.begin(prompt)
        first = self.context.sample(reader.sampler)
        show([first])
        first_ns = perf_counter_ns()
        n_most = self.draft.n_most if self.draft else 0
        text_so_far = [*prompt, first]
        written = write(reader, text_so_far, n_tokens - 1, drafter, n_most, on_tokens=show)
        ends = [first_ns, *written.stamps]
        return Request(
            sent_ns=sent_ns,
            ttft_ns=first_ns - sent_ns,
            gap_ns=tuple(b - a for a, b in pairwise(ends)),
            total_ns=ends[-1] - sent_ns,
            n_prompt=len(prompt),
            n_tokens=n_tokens,
            token_ids=(first, *written.tokens),
            speculation=written.speculation if drafter else None,
        )


def _nobody() -> None:
    """Guesses."""
