"""What guesses for a model in its worker: another model, or what stood in the text before."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from harness.engine.context import Context
from harness.engine.failure import EngineFailed
from harness.engine.library import Engine
from harness.engine.model import Model, load_model
from harness.engine.vocabulary import NoTokenizer, vocabulary_alone
from harness.measure.jobs.draft import VocabulariesEvent, VocabulariesJob
from harness.measure.jobs.drafting import NgramDrafter
from harness.measure.jobs.measure import MeasureJob
from harness.measure.jobs.speculation import Drafter
from harness.measure.protocol import Send


@dataclass
class ModelDrafter:
    """
    Guesses what a smaller model would write. What it has read of its own wrong guesses is forgotten
    at the next call.
    """

    context: Context
    sampler: object
    n_vocab: int
    """Tokens of the model that it guesses for, which may be some fewer than its own."""
    _read: list[int] = field(default_factory=list)
    _n_sure: int = 0
    """So many of those that it has read were no guesses."""

    def begin(self, tokens: Sequence[int]) -> None:
        """Reads the prompt."""
        self.context.clear()
        self.context.prompt(tokens)()
        self._read = list(tokens)
        self._n_sure = len(tokens)

    def guess(self, tokens: Sequence[int], n_most: int) -> list[int]:
        """Up to `n_most` tokens that may follow `tokens`; it has read none of the last of these."""
        n_same = self._n_sure
        while n_same < min(len(self._read), len(tokens)) and self._read[n_same] == tokens[n_same]:
            n_same += 1
        if n_same < len(self._read):
            forget(self.context, n_same)
        new = list(tokens[n_same:])
        guesses: list[int] = []
        while len(guesses) < n_most:
            self.context.read(new)
            token = self.context.sample(self.sampler, len(new) - 1)
            if token >= self.n_vocab:
                break
            guesses.append(token)
            new = [token]
        self._read = [*tokens, *guesses[:-1]]
        self._n_sure = len(tokens)
        return guesses


def forget(context: Context, n_keep: int) -> None:
    """
    Takes back all that `context` has read behind `n_keep` tokens.

    Raises:
        EngineFailed: The engine cannot.
    """
    if not context.rewind(n_keep):
        raise EngineFailed("decode-failed", "the engine could not take back wrong guesses")


@dataclass
class Draft:
    """What guesses for a model: up to `n_most` tokens ahead, by `model`; without one by n-grams."""

    n_most: int
    model: Model | None = None
    context: Context | None = None

    def require_rewinding(self, model: Model) -> None:
        """
        Nothing, if `model` and what guesses for it can take back what they have read.

        Raises:
            EngineFailed: One cannot.
        """
        for each, name in ((model, "the model"), (self.model, "its draft")):
            why = each.why_unforgettable(self.n_most + 1) if each else None
            if why is not None:
                raise EngineFailed(
                    "settings-invalid", f"{name} cannot take back wrong guesses: {why}"
                )

    @contextlib.contextmanager
    def drafters(self, n_vocab: int) -> Iterator[Callable[[], Drafter]]:
        """What makes a drafter for one text, as long as its sampler is there."""
        if self.model is None or self.context is None:
            yield NgramDrafter
            return
        context = self.context
        with self.model.greedy_sampler() as sampler:
            yield lambda: ModelDrafter(context, sampler, n_vocab)


def vocabularies_job(engine: Engine, job: VocabulariesJob, send: Send) -> None:
    """
    Whether a token is the same in both vocabularies of `job`.

    Raises:
        EngineFailed: A file is damaged.
    """
    with contextlib.ExitStack() as stack:
        found = []
        for path, name in ((job.model_path, "the model"), (job.draft_path, "it")):
            try:
                found.append(stack.enter_context(vocabulary_alone(engine, path)))
            except NoTokenizer:
                send(VocabulariesEvent(why_unlike=f"{name} has no tokenizer"))
                return
        send(VocabulariesEvent(why_unlike=found[0].why_unlike(found[1])))


def load_draft(engine: Engine, job: MeasureJob) -> Model | None:
    """
    The model that guesses in `job`, where one does.

    Raises:
        EngineFailed: It cannot be loaded; the message says that it is the draft.
    """
    if job.draft_path is None:
        return None
    try:
        return load_model(engine, job.draft_path, job.settings)
    except EngineFailed as failure:
        raise EngineFailed(failure.reason, f"the draft {job.settings.draft}: {failure}") from None
