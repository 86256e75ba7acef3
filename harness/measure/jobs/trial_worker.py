"""
One trial of each kind of workload: what lies inside the clock, and what outside.

Inside: the engine's work, one synchronize at the end of a prompt or after every step; for chat
also tokenizing, sampling and turning tokens into text. Outside: making tokens and batches, filling
the cache to a depth, clearing it, counters. Of several sequences together a prompt is all of their
prompts, and a step gives each of them a token. Between steps of verifyN the cache goes back to
where it was, outside the clock.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable
from dataclasses import dataclass, replace
from time import perf_counter_ns, sleep

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from harness.engine.context import Context
from harness.engine.model import Model
from harness.measure.jobs.chat_text import CHAT_MESSAGE
from harness.schema.experiment import ChatTemplate
from harness.schema.request import Request, SessionState
from harness.schema.workload import (
    Decode,
    ParallelDecode,
    ParallelPrefill,
    Prefill,
    Sustain,
    Verify,
)
from harness.schema.workload_kind import Workload
from harness.schema.workload_requests import Chat, Exchange

# A step of a small model takes 0.1 ms, and finds not even the interpreter in the caches behind
# another process: its first 5 ms were 5 % slower than without that.
_SETTLING_NS = 20_000_000
_FALLING_ASLEEP_S = 0.005

_WINDOW_NS = 1_000_000_000  # a sustained rate is told a second at a time


@dataclass(frozen=True)
class Timing:
    """What one timed region gave; the fields are those of `schema.Trial`."""

    n_tokens: int
    total_ns: int
    step_ns: tuple[int, ...] = ()
    n_prompt: int | None = None
    tokenize_ns: int | None = None
    ttft_ns: int | None = None
    chat_template: ChatTemplate | None = None
    window_tokens: tuple[int, ...] = ()
    window_ns: tuple[int, ...] = ()
    requests: tuple[Request, ...] = ()
    session: SessionState | None = None


@dataclass
class Bench:
    """
    A context made for one workload, and the means to repeat it.

    `prepare` brings the cache to the workload's depth; `plan` lays out one timed region.
    """

    model: Model
    context: Context
    workload: Workload
    rng: Generator
    _depth_tokens: NDArray[np.int32] | None = None
    _has_state: bool = False

    def prepare(self, *, is_settled: bool = False) -> None:
        """
        The cache empty or at the workload's depth, and threads awake for steps. Never timed.

        Call it last before the clock starts: the threads fall asleep again within milliseconds.

        Args:
            is_settled: Batches or steps of the workload's own shape are computed first, so that
                caches and clocks are as this trial leaves them, whatever was computed before.
        """
        self._reset()
        if is_settled:
            self._settle()
        elif not self.workload.n_prompt and self.model.can_rewind:
            self.context.wake(self.workload.depth)
            self._reset()

    def _settle(self) -> None:
        task = self.workload
        n_free = self.context.n_ctx_each - task.depth
        n_together = max(1, self.context.n_ubatch // task.n_sequences)
        n_tokens = min(task.n_at_once, n_together, n_free)
        compute = self._prompts(self._random_rows(n_tokens), task.depth)
        end_ns = perf_counter_ns() + _SETTLING_NS
        while True:
            compute()
            self._reset()
            if perf_counter_ns() >= end_ns:
                break
        if task.n_prompt:
            # A prompt finds the threads asleep where nobody settles, too.
            sleep(_FALLING_ASLEEP_S)

    def _reset(self) -> None:
        depth = self.workload.depth
        if depth == 0:
            self.context.clear()
        elif not (self._has_state and self._return_to(depth)):
            self._fill(depth)

    def _return_to(self, depth: int) -> bool:
        # Where every cell is kept, what lies before the depth never left the cache.
        return self.context.rewind(depth) if self.model.can_rewind else self.context.restore()

    def _fill(self, depth: int) -> None:
        if self._depth_tokens is None:
            self._depth_tokens = self._random_rows(depth)
        self.context.clear()
        self._prompts(self._depth_tokens, 0)()
        if not self.model.can_rewind:
            self.context.save()
        self._has_state = True

    def plan(self, *, is_warm_up: bool = False) -> Callable[[], Timing]:
        """
        One timed region, with everything that can be laid out beforehand laid out.

        A warm-up has the same shape, except that a sustained one takes a second.
        """
        match self.workload:
            case Prefill() as task:
                return self._plan_prompt(task)
            case Decode() as task:
                return self._plan_steps(task)
            case ParallelPrefill() as task:
                return self._plan_prompts(task)
            case ParallelDecode() as task:
                return self._plan_parallel_steps(task)
            case Chat() as task:
                return self._plan_chat(task)
            case Exchange() as task:
                return self._plan_exchange(task)
            case Verify() as task:
                return self._plan_verification(task)
            case Sustain() as task:
                return self._plan_sustain(Sustain(1) if is_warm_up else task)
        raise AssertionError(f"{self.workload.name} has no trial")

    def _random_tokens(self, n: int, *, with_bos: bool) -> list[int]:
        # As llama-bench: uniform over the vocabulary, led by BOS where the model wants one.
        tokens = self.rng.integers(0, self.model.n_vocab, size=n).tolist()
        if with_bos and self.model.bos is not None:
            tokens[0] = self.model.bos
        return [int(token) for token in tokens]

    def _random_rows(self, n: int) -> NDArray[np.int32]:
        """The beginnings of all sequences, a row of `n` tokens each."""
        rows = [self._random_tokens(n, with_bos=True) for _ in range(self.workload.n_sequences)]
        return np.array(rows, dtype=np.int32)

    def _prompts(self, rows: NDArray[np.int32], first: int) -> Callable[[], None]:
        """A function that prefills a row into each sequence, from position `first` on."""
        if len(rows) == 1:
            return self.context.prompt(rows[0].tolist())
        return self.context.parallel_prompts(rows, first)

    def _plan_prompt(self, task: Prefill) -> Callable[[], Timing]:
        run = self.context.prompt(self._random_tokens(task.n, with_bos=True))
        return lambda: _timed_prompt(run, task.n)

    def _plan_prompts(self, task: ParallelPrefill) -> Callable[[], Timing]:
        run = self.context.parallel_prompts(self._random_rows(task.n), task.depth)
        return lambda: _timed_prompt(run, task.n * task.n_sequences)

    def _plan_steps(self, task: Decode) -> Callable[[], Timing]:
        run = self.context.steps(self._random_tokens(task.n, with_bos=True))
        return lambda: _timed_steps(run, task.n)

    def _plan_parallel_steps(self, task: ParallelDecode) -> Callable[[], Timing]:
        run = self.context.parallel_steps(self._random_rows(task.n).T, task.depth)
        return lambda: _timed_steps(run, task.n * task.n_sequences)

    def _plan_verification(self, task: Verify) -> Callable[[], Timing]:
        tokens = self.rng.integers(0, self.model.n_vocab, size=(task.n_steps, task.n))
        steps = [self.context.verification(row.tolist()) for row in tokens]

        def measure() -> Timing:
            durations = []
            for step in steps:
                start = perf_counter_ns()
                step()
                durations.append(perf_counter_ns() - start)
                self._reset()
            return Timing(task.n * task.n_steps, sum(durations), tuple(durations))

        return measure

    def _plan_chat(self, task: Chat) -> Callable[[], Timing]:
        self.context.require_decoding()
        text: str | list[int]
        template: ChatTemplate | None = None
        if self.model.has_tokenizer:
            text, template = self.model.chat_text(CHAT_MESSAGE)
        else:
            text = self._random_tokens(task.n_prompt, with_bos=True)

        def measure() -> Timing:
            with self.model.greedy_sampler() as sampler:
                timing = self._chat(text, sampler, task.n_generated)
            return replace(timing, chat_template=template)

        return measure

    def _plan_exchange(self, task: Exchange) -> Callable[[], Timing]:
        self.context.require_decoding()
        tokens = self._random_tokens(task.n, with_bos=True)

        def measure() -> Timing:
            with self.model.greedy_sampler() as sampler:
                return self._chat(tokens, sampler, task.n_out)

        return measure

    def _chat(self, text: str | list[int], sampler: object, n_answer: int) -> Timing:
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        start = perf_counter_ns()
        tokens = self.model.tokenize(text) if isinstance(text, str) else text
        tokenized = perf_counter_ns()
        # Fits by design, unless the user or the model allows only a small context.
        tokens = tokens[: self.context.n_ctx - n_answer]
        self.context.prompt(tokens)()
        stamps: list[int] = []
        for index in range(n_answer):
            token = self.context.sample(sampler)
            decoder.decode(self.model.piece(token))
            stamps.append(perf_counter_ns())
            if index + 1 < n_answer:
                self.context.prompt([token])()
        return Timing(
            n_tokens=n_answer,
            total_ns=stamps[-1] - start,
            step_ns=_gaps(stamps[0], stamps[1:]),
            n_prompt=len(tokens),
            tokenize_ns=tokenized - start if isinstance(text, str) else None,
            ttft_ns=stamps[0] - start,
        )

    def _plan_sustain(self, task: Sustain) -> Callable[[], Timing]:
        lap = self.context.steps(self._random_tokens(task.n_generated, with_bos=True))

        def measure() -> Timing:
            return self._sustain(lap, task.seconds)

        return measure

    def _sustain(self, lap: Callable[[int | None], list[int]], seconds: int) -> Timing:
        start = window_start = perf_counter_ns()
        end = start + seconds * 1_000_000_000
        windows: list[tuple[int, int]] = []
        n_in_window = 0
        while window_start < end:
            self.context.clear()
            for stamp in lap(end):
                n_in_window += 1
                if stamp - window_start >= _WINDOW_NS or stamp >= end:
                    windows.append((n_in_window, stamp - window_start))
                    window_start, n_in_window = stamp, 0
        return Timing(
            n_tokens=sum(n for n, _ in windows),
            total_ns=sum(ns for _, ns in windows),
            window_tokens=tuple(n for n, _ in windows),
            window_ns=tuple(ns for _, ns in windows),
        )


def _timed_prompt(run: Callable[[], None], n_tokens: int) -> Timing:
    start = perf_counter_ns()
    run()
    return Timing(n_tokens=n_tokens, total_ns=perf_counter_ns() - start)


def _timed_steps(run: Callable[[int | None], list[int]], n_tokens: int) -> Timing:
    start = perf_counter_ns()
    stamps = run(None)
    return Timing(n_tokens=n_tokens, total_ns=stamps[-1] - start, step_ns=_gaps(start, stamps))


def _gaps(start: int, stamps: list[int]) -> tuple[int, ...]:
    return tuple(b - a for a, b in zip([start, *stamps], stamps, strict=False))
