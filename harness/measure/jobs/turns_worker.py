"""
A conversation in the worker, turn by turn, with its cache kept: what lies inside the clock.

Inside: tokenizing the whole conversation, finding what of it is in the cache, computing the rest,
then sampling and turning tokens into text, until the answer is whole. Outside: the texts, the chat
template, what is saved and restored.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from time import perf_counter_ns

import numpy as np

from harness.engine.context import Context
from harness.engine.failure import EngineFailed
from harness.engine.kept_cache import KeptCache, Tokens, shared_length
from harness.engine.model import Message, Model
from harness.measure.jobs.session_worker import session_of
from harness.measure.jobs.trial_worker import Timing
from harness.measure.jobs.turns_text import Texts, short_of, texts_of
from harness.schema.experiment import ChatTemplate
from harness.schema.request import History, Request, RequestFailure, SessionState
from harness.schema.workload_turns import Turns

_CHARACTERS_PER_TOKEN = 4


def in_tokens(model: Model, write: Callable[[int], str], n_tokens: int) -> str:
    """The first `n_tokens` of a text, as the model's tokenizer has them."""
    n_characters = n_tokens * _CHARACTERS_PER_TOKEN
    while True:
        text = write(n_characters)
        tokens = model.tokenize(text)
        tokens = tokens[1:] if tokens[:1] == [model.bos] else tokens
        if len(tokens) >= n_tokens:
            n_bytes = sum(len(model.piece(token)) for token in tokens[:n_tokens])
            return text.encode()[:n_bytes].decode(errors="ignore").strip()
        n_characters *= 2


class TurnsBench:
    """A context made for conversations, and the means to repeat them."""

    def __init__(
        self, model: Model, context: Context, task: Turns, tell: Callable[[int], object]
    ) -> None:
        self.workload = task
        self._tell = tell
        self._model = model
        self._context = context
        self._texts: Texts | None = None

    def prepare(self, *, is_settled: bool = False) -> None:
        """The cache empty; nothing else is to be brought about before a text that long."""
        del is_settled
        self._context.clear()

    def plan(self, *, is_warm_up: bool = False) -> Callable[[], Timing]:
        """
        All conversations from their beginning; of a warm-up one short turn.

        Raises:
            EngineFailed: The model has no tokenizer, or does not write.
        """
        self._context.require_decoding()
        if not self._model.has_tokenizer:
            raise EngineFailed(
                "settings-invalid",
                "a conversation is text, and the model has no tokenizer; measure it with "
                "pp512+tg128",
            )
        if self._texts is None:
            model = self._model
            self._texts = texts_of(self.workload, lambda write, n, _: in_tokens(model, write, n))
        talk = partial(_Talk, self._model, self._context)
        if not is_warm_up:
            return talk(self.workload, self._texts, self._tell).whole
        return talk(*short_of(self.workload, self._texts), lambda _: None).first


@dataclass
class _Talk:
    """One time all conversations of a workload, from an empty cache on; `tell` hears each turn."""

    model: Model
    context: Context
    task: Turns
    texts: Texts
    tell: Callable[[int], object]
    template: ChatTemplate | None = None
    started_ns: int = field(default_factory=perf_counter_ns)
    requests: list[Request] = field(default_factory=list)
    total_ns: int = 0

    def __post_init__(self) -> None:
        self.cache = KeptCache(self.context, can_rewind=self.model.can_rewind)
        self.messages: list[list[Message]] = [
            [("system", self.texts.system)] for _ in self.texts.inputs
        ]

    def first(self) -> Timing:
        """The first turn alone."""
        with self.model.greedy_sampler() as sampler:
            self._turns(1, sampler)
        return self._spoken(())

    def whole(self) -> Timing:
        """All turns; of one user alone also what saving it takes, and the last turn in two ways."""
        with self.model.greedy_sampler() as sampler:
            n_answered = self._turns(self.task.n_turns, sampler)
            if self.task.n_sequences > 1:
                return self._spoken(())
            session = session_of(self.context, self.cache)
            last = n_answered - 1
            again = [self._again(last, history, sampler) for history in ("edited", "dropped")]
        return self._spoken([it for it in again if it], session)

    def _turns(self, n_turns: int, sampler: object) -> int:
        """How many were answered: all, or those before the context was full; at least one."""
        self.started_ns = perf_counter_ns()
        for turn in range(n_turns):
            if not self._turn(turn, sampler):
                failure = self.requests[-1].failure
                if turn == 0 and failure:
                    raise EngineFailed("context-too-large", failure.message)
                return turn
            self.tell(turn + 1)
        return n_turns

    def _spoken(self, again: Sequence[Request], session: SessionState | None = None) -> Timing:
        answered = [it for it in self.requests if it.failure is None]
        first = answered[0]
        assert self.template
        assert first.n_prompt
        assert first.ttft_ns
        return Timing(
            n_tokens=sum(it.n_tokens or 0 for it in answered),
            total_ns=self.total_ns,
            n_prompt=first.n_prompt,
            ttft_ns=first.ttft_ns,
            chat_template=self.template,
            requests=(*self.requests, *again),
            session=session,
        )

    # ------------------------------------------------------------------ a turn

    def _turn(self, turn: int, sampler: object) -> bool:
        """One more answer to each user; False where the context is full."""
        for messages, inputs in zip(self.messages, self.texts.inputs, strict=True):
            messages.append(("user", inputs[turn]))
        texts = [self._text(messages) for messages in self.messages]
        start_ns = perf_counter_ns()
        prompts = [np.array(self.model.tokenize(text), np.int32) for text in texts]
        full = self._full(turn, prompts)
        if full:
            self.requests += full
            return False
        answers = self._answers(prompts, turn, sampler)
        ended_ns = max(answer.stamps_ns[-1] for answer in answers)
        self.total_ns += ended_ns - start_ns - answers[0].paused_ns
        for user, answer in enumerate(answers):
            self.requests.append(self._request(answer, start_ns, turn, "kept", user))
            text = answer.text.decode(errors="ignore")  # a random model's bytes are no text
            self.messages[user].append(("assistant", text))
        return True

    def _text(self, messages: Sequence[Message]) -> str:
        text, template = self.model.conversation_text(messages)
        if self.template not in (None, template):
            raise EngineFailed(
                "settings-invalid",
                f"the model's chat template takes a conversation's first turns and refuses it with "
                f"{len(messages)} messages; choose fewer turns",
            )
        self.template = template
        return text

    def _full(self, turn: int, prompts: Sequence[Tokens]) -> list[Request]:
        """The requests for which there is no room any more."""
        n_output = self.task.n_output
        found = [
            _refused(turn, user, prompt, f"{len(prompt) + n_output} positions", self._room)
            for user, prompt in enumerate(prompts)
            if len(prompt) + n_output > self._n_most
        ]
        n_shared = shared_length(prompts)
        n_all = n_shared + sum(len(prompt) - n_shared + n_output for prompt in prompts)
        if found or n_all <= self.context.n_ctx:
            return found
        what = f"{n_all} positions of all {len(prompts)} conversations"
        return [
            _refused(turn, user, prompt, what, f"the context has {self.context.n_ctx}")
            for user, prompt in enumerate(prompts)
        ]

    @property
    def _n_most(self) -> int:
        """Positions of one conversation."""
        trained = self.model.n_ctx_train or self.context.n_ctx_each
        return min(self.context.n_ctx_each, trained)

    @property
    def _room(self) -> str:
        """What there is for it, in words."""
        if self._n_most == self.model.n_ctx_train:
            return f"the model was trained for {self._n_most}"
        return f"the context has {self._n_most}"

    def _answers(self, prompts: Sequence[Tokens], turn: int, sampler: object) -> list[_Answer]:
        if turn == 0 and len(prompts) > 1:
            self.cache.share(prompts[0][: shared_length(prompts)])
        answers = [self._begun(prompt, user, sampler) for user, prompt in enumerate(prompts)]
        if turn == 0:  # what all share was computed for the first of them
            answers[0].n_cached = 0
        began_ns = perf_counter_ns()
        for user in range(len(prompts)):
            self.cache.mark(user)
        paused_ns = perf_counter_ns() - began_ns
        for answer in answers:
            answer.paused_ns = paused_ns
        for _ in range(self.task.n_output - 1):
            self.cache.step([answer.token for answer in answers])
            for row, answer in enumerate(answers):
                answer.add(self.context.sample(sampler, row - len(answers)), self.model)
        return answers

    def _begun(self, prompt: Tokens, user: int, sampler: object) -> _Answer:
        n_cached = self.cache.keep(prompt, user)
        self.cache.read(prompt[n_cached:], user)
        answer = _Answer(len(prompt), n_cached)
        answer.add(self.context.sample(sampler), self.model)
        return answer

    def _again(self, turn: int, history: History, sampler: object) -> Request | None:
        """The first token of the last answer once more, to a user whose cache is not as it was."""
        messages = self.messages[0][: 2 * turn + 2]
        if history == "edited":
            messages[1] = ("user", self.texts.edited)
        else:
            self.cache.forget()
        text = self._text(messages)
        start_ns = perf_counter_ns()
        prompt = np.array(self.model.tokenize(text), np.int32)
        if len(prompt) >= self._n_most:  # what changed became longer, and nothing fits behind it
            return None
        answer = self._begun(prompt, 0, sampler)
        self.tell(turn + 1)
        return self._request(answer, start_ns, turn, history)

    def _request(
        self, answer: _Answer, start_ns: int, turn: int, history: History, user: int = 0
    ) -> Request:
        first_ns, *others = answer.stamps_ns
        stamps = [first_ns + answer.paused_ns, *others] if others else [first_ns]
        return Request(
            sent_ns=start_ns - self.started_ns,
            ttft_ns=first_ns - start_ns,
            gap_ns=tuple(b - a for a, b in itertools.pairwise(stamps)),
            n_prompt=answer.n_prompt,
            n_cached=answer.n_cached,
            n_tokens=len(answer.stamps_ns),
            turn=turn,
            user=user,
            history=history,
        )


@dataclass
class _Answer:
    """One answer as it comes, token by token."""

    n_prompt: int
    n_cached: int
    token: int = 0
    text: bytes = b""
    stamps_ns: list[int] = field(default_factory=list)
    paused_ns: int = 0

    def add(self, token: int, model: Model) -> None:
        """One more token, which has come now."""
        self.token = token
        self.text += model.piece(token)
        self.stamps_ns.append(perf_counter_ns())


def _refused(turn: int, user: int, prompt: Tokens, needed: str, room: str) -> Request:
    message = f"turn {turn + 1} needs {needed}, its answer's among them, and {room}"
    return Request(
        n_prompt=len(prompt),
        turn=turn,
        user=user,
        history="kept",
        failure=RequestFailure(reason="context-full", message=message),
    )
