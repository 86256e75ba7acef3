"""
What an answer was, out of its lines and their times. Pure: any bytes give a Request.

The first event with text counts, of the answer or of the reasoning before it. What comes earlier
does not: a role alone, progress, an empty piece, a comment that keeps the connection alive.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

from harness.endpoint.call import Api
from harness.endpoint.events import Document, Events, document_lines, server_sent
from harness.endpoint.failure import quoted
from harness.endpoint.refusal import error_text, message_of, refusal
from harness.endpoint.server_times import (
    Counts,
    ollama_counts,
    ollama_times,
    openai_counts,
    openai_times,
)
from harness.endpoint.stream import Raw
from harness.endpoint.values import items, mapping, short_name, text
from harness.schema.request import Request, RequestFailure, RequestReason, ServerTimes
from harness.units import counted

_REASONING = ("reasoning_content", "reasoning", "thinking")
_MOST_FINISH = 40


def read(raw: Raw, api: Api, *, since_ns: int | None = None) -> Request:
    """
    The times and counts of one answer, or why there is none.

    Args:
        raw: As it came.
        api: Which of both the request was for.
        since_ns: Of the trial's begin, from which `sent_ns` counts; None leaves that 0.
    """
    sent_ns = 0 if since_ns is None else max(0, raw.sent_ns - since_ns)
    if raw.status is None or (raw.failure and raw.failure.reason == "redirected"):
        return Request(sent_ns=sent_ns, connect_ns=raw.connect_ns, failure=_failed(raw))
    if raw.status >= 400:
        return Request(
            sent_ns=sent_ns,
            connect_ns=raw.connect_ns,
            total_ns=_since(raw, raw.ended_ns),
            failure=refusal(raw),
        )
    lines = zip(raw.stamps_ns, raw.lines, strict=False)
    events = server_sent(lines) if api == "openai" else document_lines(lines)
    told = _openai(events) if api == "openai" else _ollama(events)
    failure = _wrong(raw, events, told)
    ended_ns = raw.ended_ns if failure or events.last_ns is None else events.last_ns
    return Request(
        sent_ns=sent_ns,
        connect_ns=raw.connect_ns,
        ttft_ns=_since(raw, told.text_ns[0]) if told.text_ns else None,
        answer_ns=None if told.answer_ns is None else _since(raw, told.answer_ns),
        gap_ns=_gaps(told.text_ns),
        total_ns=_since(raw, ended_ns),
        n_prompt=told.counts.n_prompt,
        n_cached=told.counts.n_cached,
        n_tokens=told.counts.n_tokens,
        finish=told.finish,
        model=told.model if _is_another(told.model, raw.model) else None,
        server=told.times,
        failure=failure,
    )


def words(raw: Raw, api: Api) -> str:
    """The text of an answer, without what was thought before it."""
    lines = zip(raw.stamps_ns, raw.lines, strict=False)
    events = server_sent(lines) if api == "openai" else document_lines(lines)
    found = []
    for _, document in events.documents:
        choices = items(document.get("choices"))
        choice = mapping(choices[0]) if choices else {}
        message = mapping(document.get("message"))
        content = mapping(choice.get("delta")).get("content") or message.get("content")
        found.append(_piece(content or choice.get("text")))
    return "".join(found)


def _piece(value: Any) -> str:
    """A piece of text as it is, blanks and all; some services send a list of parts."""
    if isinstance(value, str):
        return value
    parts = (mapping(part).get("text") for part in items(value)[:10])
    return "".join(part for part in parts if isinstance(part, str))


@dataclass(slots=True)
class _Told:
    """What the documents of a stream say together."""

    text_ns: list[int] = field(default_factory=list)
    has_reasoning: bool = False
    answer_ns: int | None = None
    finish: str | None = None
    model: str | None = None
    counts: Counts = field(default_factory=Counts)
    times: ServerTimes | None = None
    error: Any = None

    def add_text(self, at_ns: int, piece: Document, content: Any) -> None:
        """An event's text and reasoning text, if it has any."""
        has_reasoning = any(_has_text(piece.get(key)) for key in _REASONING)
        has_content = _has_text(content)
        if has_reasoning or has_content:
            self.text_ns.append(at_ns)
        self.has_reasoning = self.has_reasoning or has_reasoning
        if has_content and self.has_reasoning and self.answer_ns is None:
            self.answer_ns = at_ns

    def add_finish(self, value: Any) -> None:
        """Why the answer ended, in the server's word."""
        finish = text(value)
        self.finish = quoted(finish)[:_MOST_FINISH] if finish else self.finish

    def add_model(self, value: Any) -> None:
        """Which model answers, in the server's word."""
        if self.model is None and (model := text(value)):
            self.model = quoted(model)

    def add_error(self, value: Any) -> None:
        """The first error counts."""
        if self.error is None and value:
            self.error = value


def _openai(events: Events) -> _Told:
    told = _Told()
    usage: Document = {}
    timings: Document = {}
    metrics: Document = {}
    for at_ns, document in events.documents:
        told.add_error(document.get("error"))
        told.add_model(document.get("model"))
        choices = items(document.get("choices"))
        choice = mapping(choices[0]) if choices else {}
        delta = mapping(choice.get("delta"))
        told.add_text(at_ns, delta, delta.get("content") or choice.get("text"))
        told.add_finish(choice.get("finish_reason"))
        usage = mapping(document.get("usage")) or usage
        timings = mapping(document.get("timings")) or timings
        metrics = mapping(document.get("metrics")) or metrics
    told.counts = openai_counts(usage, timings)
    told.times = openai_times(timings, metrics, told.counts.n_tokens)
    return told


def _ollama(events: Events) -> _Told:
    told = _Told()
    last: Document = {}
    for at_ns, document in events.documents:
        told.add_error(document.get("error"))
        told.add_model(document.get("model"))
        message = mapping(document.get("message"))
        told.add_text(at_ns, message, message.get("content"))
        if document.get("done") is True:
            last = document
    told.add_finish(last.get("done_reason"))
    told.counts = ollama_counts(last)
    told.times = ollama_times(last)
    return told


def _wrong(raw: Raw, events: Events, told: _Told) -> RequestFailure | None:
    """What is wrong with an answer whose status was good; None for a whole one."""
    if told.error is not None:
        words = error_text(told.error, raw.secret)
        return _failure(
            raw, "error-event", f"broke off with an error{f': {words}' if words else ''}"
        )
    if told.text_ns and _is_whole(raw, events, told):
        return None
    if raw.failure is not None and not events.is_done:
        return _failed(raw)
    if told.text_ns:
        after = counted(len(told.text_ns), "event")
        return _failure(raw, "cut", f"ended its answer after {after}, before it was done")
    if not events.is_stream and b"".join(raw.lines[:100]).strip():
        return _failure(raw, "not-a-stream", f"answered with {_instead(raw)}, not with a stream")
    return _failure(raw, "no-event", "answered without any text")


def _is_whole(raw: Raw, events: Events, told: _Told) -> bool:
    """Whether it said that it is over, or gave a reason and ended where its length is known."""
    if events.is_done:
        return True
    return raw.failure is None and raw.is_framed and told.finish is not None


def _instead(raw: Raw) -> str:
    body = b"".join(raw.lines[:100])[: 1 << 16]
    if body.lstrip().startswith(b"{"):
        return "one document"
    words = message_of(body, raw.secret)
    return words if words.startswith("a page") else "something else"


def _failure(raw: Raw, reason: RequestReason, what: str) -> RequestFailure:
    return RequestFailure(reason=reason, message=f"{raw.url} {what}", status=raw.status)


def _failed(raw: Raw) -> RequestFailure:
    return raw.failure or RequestFailure(
        reason="cut", message=f"{raw.url} closed the connection without an answer"
    )


def _since(raw: Raw, at_ns: int) -> int:
    return max(1, at_ns - raw.sent_ns)


def _gaps(stamps_ns: list[int]) -> tuple[int, ...]:
    pairs = itertools.pairwise(stamps_ns)
    return tuple(max(0, later - earlier) for earlier, later in pairs)


def _has_text(value: Any) -> bool:
    """Whether a piece has any; some services send a list of parts."""
    if isinstance(value, str):
        return bool(value)
    return any(_has_text(mapping(part).get("text")) for part in items(value)[:10])


def _is_another(model: str | None, asked: str) -> bool:
    """Whether the server says that it was not the model that was asked for, whatever its folder."""
    return model is not None and short_name(model) != short_name(quoted(asked))
