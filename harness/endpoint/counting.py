"""How many tokens a server counts for a prompt: by its tokenizer, else by what a request costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import perf_counter_ns
from typing import Any

from harness.endpoint.asking import Asker
from harness.endpoint.call import chat_call
from harness.endpoint.failure import RequestFailed
from harness.endpoint.offers import Identified, OfferedModel
from harness.endpoint.refusal import message_of
from harness.endpoint.values import count, items, mapping
from harness.errors import HarnessError

# A list of token ids takes about seven bytes a token.
_MOST_BYTES = 16_000_000
_PROBE = "How many tokens are these?"


@dataclass(slots=True)
class Counter:
    """
    The tokens that a server counts for a chat of one message, its template's among them.

    A server's tokenizer counts the text alone; one request tells how many the template adds.

    Attributes:
        timeout_s: For each question; a request computes the whole prompt.
        n_requests: How many requests it took so far, those to a tokenizer not among them.
    """

    identified: Identified
    model: OfferedModel
    key: str | None = field(repr=False)
    timeout_s: float
    n_requests: int = 0
    _n_template: int | None = None
    _has_tokenizer: bool = True

    def __call__(self, text: str) -> int:
        """
        How many the server counts for a request with `text`.

        Raises:
            HarnessError: It does not tell, or does not answer.
        """
        if self._has_tokenizer:
            n_text = self._of_text(text)
            if n_text is not None:
                return n_text + self._template()
            self._has_tokenizer = False
        return self._of_request(text)

    def _template(self) -> int:
        if self._n_template is None:
            n_probe = self._of_text(_PROBE) or 0
            self._n_template = self._of_request(_PROBE) - n_probe
        return self._n_template

    def _of_text(self, text: str) -> int | None:
        """By the server's tokenizer; None where it has none, or does not tell now."""
        question = _tokenizer(self.identified, self.model, text)
        if question is None:
            return None
        told = self._asker().posted(*question)
        n_tokens = count(told.get("count"))
        return n_tokens if n_tokens is not None else len(items(told.get("tokens"))) or None

    def _of_request(self, text: str) -> int:
        """By a request for one token."""
        call = chat_call(self.model.name, text, 1, self.identified.api, 0, is_streaming=False)
        self.n_requests += 1
        url = self.identified.address.url
        try:
            reply = self._asker().send(call.path, call.body)
        except RequestFailed as error:
            raise HarnessError(error.failure.message) from None
        if not reply.is_good:
            told = message_of(reply.body, self.key or "")
            behind = f": {told}" if told else ""
            raise HarnessError(f"{url} answered with status {reply.status}{behind}")
        document = reply.document
        n_tokens = count(mapping(document.get("usage")).get("prompt_tokens"))
        if n_tokens is None:
            n_tokens = count(document.get("prompt_eval_count"))
        if not n_tokens:
            raise HarnessError(f"{url} does not tell how many tokens a prompt has")
        return n_tokens

    def _asker(self) -> Asker:
        deadline_ns = perf_counter_ns() + round(self.timeout_s * 1e9)
        return Asker(self.identified.address, self.key, deadline_ns, _MOST_BYTES)


_Question = tuple[str, Mapping[str, Any]]


def _tokenizer(identified: Identified, model: OfferedModel, text: str) -> _Question | None:
    """The question that a server's tokenizer answers, if it has one."""
    by_server: Mapping[str, Callable[[], _Question]] = {
        "llama-server": lambda: ("/tokenize", {"content": text, "model": model.name}),
        "vllm": lambda: ("/tokenize", {"model": model.name, "prompt": text}),
        "llama-cpp-python": lambda: (
            "/extras/tokenize/count",
            {"model": model.name, "input": text},
        ),
    }
    question = by_server.get(identified.server)
    return question() if question else None
