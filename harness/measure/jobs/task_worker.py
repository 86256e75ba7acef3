"""
One trial of a task: each of its prompts answered, one after the other.

Inside the clock: tokenizing, the prompt, and then steps with sampling and turning tokens into text,
as in a chat. Outside: emptying the cache between two answers.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from time import perf_counter_ns

from harness.engine.context import Context
from harness.engine.failure import EngineFailed
from harness.engine.model import Model
from harness.measure.jobs.speculation import write
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
        """
        Forgets what lies behind.

        Raises:
            EngineFailed: The engine cannot.
        """
        if not self.context.rewind(n_keep):
            raise EngineFailed("decode-failed", "the engine could not take back wrong guesses")


@dataclass
class TaskBench:
    """A context made for a task, and the means to repeat it."""

    model: Model
    context: Context
    workload: TextTask

    def prepare(self, *, is_settled: bool = False) -> None:
        """The cache empty; nothing else is to be brought about before a text that long."""
        del is_settled
        self.context.clear()

    def plan(self, *, is_warm_up: bool = False) -> Callable[[], Timing]:
        """
        The answers to all prompts; of a warm-up the beginning of one.

        Raises:
            EngineFailed: The model writes no text.
        """
        self.context.require_decoding()
        if not self.model.has_tokenizer:
            raise EngineFailed(
                "settings-invalid", "the model has no tokenizer, and a task is real text"
            )
        told = [self.model.chat_text(text) for text in TASK_TEXTS[self.workload.what]]
        texts, templates = [text for text, _ in told], [template for _, template in told]
        n_tokens = self.workload.n_generated
        if is_warm_up:
            texts, n_tokens = texts[:1], _WARM_UP_TOKENS
        return lambda: self._answers(texts, templates[0], n_tokens)

    def _answers(self, texts: Sequence[str], template: ChatTemplate, n_tokens: int) -> Timing:
        start_ns = perf_counter_ns()
        requests = []
        with self.model.greedy_sampler() as sampler:
            reader = EngineReader(self.context, sampler)
            for text in texts:
                self.context.clear()
                requests.append(self._answer(text, reader, start_ns, n_tokens))
        return Timing(
            n_tokens=sum(request.n_tokens or 0 for request in requests),
            total_ns=sum(request.answered_ns for request in requests),
            chat_template=template,
            requests=tuple(requests),
        )

    def _answer(self, text: str, reader: EngineReader, start_ns: int, n_tokens: int) -> Request:
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

        def show(tokens: Sequence[int]) -> None:
            for token in tokens:
                decoder.decode(self.model.piece(token))

        sent_ns = perf_counter_ns()
        # Fits by design, unless the user or the model allows only a small context.
        prompt = self.model.tokenize(text)[: self.context.n_ctx - n_tokens]
        self.context.prompt(prompt)()
        first = self.context.sample(reader.sampler)
        show([first])
        first_ns = perf_counter_ns()
        written = write(reader, [*prompt, first], n_tokens - 1, on_tokens=show)
        ends = [first_ns, *written.stamps]
        return Request(
            sent_ns=sent_ns - start_ns,
            ttft_ns=first_ns - sent_ns,
            gap_ns=tuple(b - a for a, b in pairwise(ends)),
            total_ns=ends[-1] - sent_ns,
            n_prompt=len(prompt),
            n_tokens=n_tokens,
            token_ids=(first, *written.tokens),
        )
