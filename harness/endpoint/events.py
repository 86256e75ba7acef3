"""
The documents in the lines of a stream, each with the time at which it came. Pure.

Servers' events (SSE, by the WHATWG's rules) begin with "data:"; Ollama's own chat has a document a
line. What servers get wrong is read where its meaning is plain: no blank behind the colon, no empty
line between events, several documents in a line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.bounded import parsed_json

Document = Mapping[str, Any]

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_FIELDS = (b"event", b"id", b"retry")
_DONE = b"[DONE]"
# Of one event; nobody sends one so large.
_MOST_BYTES = 1 << 22
_BLANKS = re.compile(r"\s*")


@dataclass(slots=True)
class Events:
    """
    What was found.

    Attributes:
        documents: Each with its time.
        is_done: Whether the stream said itself that it is over.
        is_stream: Whether anything in it has the form of a stream.
        is_broken: Whether something in it should have been a document and is none.
        last_ns: When the last line with anything in it came; None without one.
    """

    documents: list[tuple[int, Document]] = field(default_factory=list)
    is_done: bool = False
    is_stream: bool = False
    is_broken: bool = False
    last_ns: int | None = None


def server_sent(lines: Iterable[tuple[int, bytes]]) -> Events:
    """The events of a stream that OpenAI's clients read, up to its [DONE]."""
    found = Events()
    pending: list[tuple[int, bytes]] = []
    name = b""
    for at_ns, line in _without_mark(lines):
        content = line.rstrip(b"\r\n")
        if not content:
            _take(found, pending, name)
            pending, name = [], b""
            if found.is_done:
                return found
            continue
        found.last_ns = at_ns
        key, _, value = content.partition(b":")
        value = value.removeprefix(b" ")
        if key == b"data":
            pending.append((at_ns, value))
        elif key == b"event":
            name = value
        found.is_stream = found.is_stream or key in (b"", b"data", *_FIELDS)
    _take(found, pending, name)
    return found


def document_lines(lines: Iterable[tuple[int, bytes]]) -> Events:
    """The documents of a stream that has one a line, up to the one that says that it is done."""
    found = Events()
    for at_ns, line in _without_mark(lines):
        if not line.strip():
            continue
        found.last_ns = at_ns
        documents, is_whole = objects(line)
        found.is_stream = found.is_stream or bool(documents)
        found.is_broken = found.is_broken or not is_whole
        for document in documents:
            found.documents.append((at_ns, document))
            if document.get("done") is True:
                found.is_done = True
                return found
    return found


def objects(text: bytes) -> tuple[list[Document], bool]:
    """The JSON objects that stand in `text` one behind the other, and whether that is all of it."""
    if len(text) > _MOST_BYTES:
        return [], False
    try:
        values = [parsed_json(text)]
        is_whole = True
    except ValueError:
        values, is_whole = _several(text)
    found: list[Document] = [value for value in values if isinstance(value, dict)]
    return found, is_whole and len(found) == len(values)


def _several(text: bytes) -> tuple[list[Any], bool]:
    """The same of what is not one JSON document as the standard has it; NaN is taken here."""
    values: list[Any] = []
    try:
        rest = text.decode()
        at = _behind_blanks(rest, 0)
        while at < len(rest):
            value, at = _DECODER.raw_decode(rest, at)
            values.append(value)
            at = _behind_blanks(rest, at)
    except (ValueError, RecursionError):
        return values, False
    return values, True


_DECODER = json.JSONDecoder()


def _behind_blanks(text: str, at: int) -> int:
    found = _BLANKS.match(text, at)
    return found.end() if found else at


def _take(found: Events, pending: list[tuple[int, bytes]], name: bytes) -> None:
    """The event of `pending` lines: one document, or one in each where no empty line came."""
    if not pending:
        return
    at_ns = pending[-1][0]
    whole = b"\n".join(value for _, value in pending)
    documents: list[Document] = []
    if len(pending) > 1:
        documents, is_whole = objects(whole)
        if is_whole and len(documents) == 1:
            pending = [(at_ns, whole)]
    for at_ns, value in pending:
        if value.strip() == _DONE:
            found.is_done = True
            return
        if not value.strip():
            continue
        documents, is_whole = objects(value)
        found.is_broken = found.is_broken or not is_whole
        for document in documents:
            is_error = name == b"error" and "error" not in document
            found.documents.append((at_ns, {"error": document} if is_error else document))


def _without_mark(lines: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
    for number, (at_ns, line) in enumerate(lines):
        yield at_ns, line.removeprefix(_BYTE_ORDER_MARK) if number == 0 else line
