"""
JSON that anybody may have written, one value after the other, none of them larger than a record.

A text of 32 MB may be ten million empty lists, which take three gigabytes. So an array is never
there as a whole: whoever takes its elements may stop at the first that is none of his.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

MOST_RECORDS = 20_000
"""Of a file; more of 2 KB each are larger than a file may be."""
MOST_RECORD_CHARACTERS = 4_000_000
"""Of 100,000 samples, each as a time and as a rate: 2.5 million."""

# Ten for each record that is taken; empty ones cost time too.
_MOST_LINES = 200_000
# Elements are decoded within a window of the text, so that none can be larger: it moves on whenever
# a fourth of a record lies behind.
_STEP_CHARACTERS = MOST_RECORD_CHARACTERS // 4
_LONGEST_WORD = len("-Infinity")
_SPACE = re.compile(r"[ \t\r\n]*")


def elements(text: str) -> Iterator[Any]:
    """
    The elements of the JSON array that is all of `text`.

    Raises:
        ValueError: It is none, or an element is longer than MOST_RECORD_CHARACTERS.
    """
    position = _next(text, _next(text, 0) + 1)
    if text[position : position + 1] == "]":
        _require_end(text, position)
        return
    start, window = 0, ""
    while True:
        if not window or position - start > _STEP_CHARACTERS:
            start = position
            window = text[start : start + _STEP_CHARACTERS + MOST_RECORD_CHARACTERS]
        try:
            value, end = _DECODER.raw_decode(window, position - start)
        except json.JSONDecodeError as error:
            # At the window's end it is only cut off, at the latest in the middle of a word.
            if start + error.pos - position >= MOST_RECORD_CHARACTERS - _LONGEST_WORD:
                _refuse_long()
            _refuse_text(text, start + error.pos, error.msg)
        if start + end - position > MOST_RECORD_CHARACTERS:
            _refuse_long()
        yield value
        position = _next(text, start + end)
        if text[position : position + 1] == "]":
            _require_end(text, position)
            return
        if text[position : position + 1] != ",":
            _refuse_text(text, position, "Expecting ',' delimiter")
        position = _next(text, position + 1)


def lines(text: str) -> Iterator[str]:
    """
    The lines of `text`, each with its end; never all of them at once.

    Raises:
        ValueError: One is longer than MOST_RECORD_CHARACTERS, or there are too many.
    """
    start = n_lines = 0
    while start < len(text):
        n_lines += 1
        if n_lines > _MOST_LINES:
            raise ValueError(f"it has more than {_MOST_LINES:,} lines")
        end = text.find("\n", start) + 1 or len(text)
        if end - start > MOST_RECORD_CHARACTERS:
            _refuse_long()
        yield text[start:end]
        start = end


def loaded(text: str) -> Any:
    """
    The value that is all of `text`.

    Raises:
        ValueError: It is no JSON; a number is beyond any count, a key stands there twice.
    """
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        _refuse_text(text, error.pos, error.msg)


def _next(text: str, position: int) -> int:
    """Where something other than space stands."""
    found = _SPACE.match(text, position)
    assert found is not None
    return found.end()


def _require_end(text: str, position: int) -> None:
    rest = _next(text, position + 1)
    if rest < len(text):
        _refuse_text(text, rest, "Extra data")


def _refuse_text(text: str, position: int, reason: str) -> NoReturn:
    line = text.count("\n", 0, position) + 1
    raise ValueError(f"it is not JSON at line {line}: {reason}")


def _refuse_long() -> NoReturn:
    raise ValueError(f"a record has more than {MOST_RECORD_CHARACTERS:,} characters")


def _without_repeats(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("an object has a key twice")
    return values


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} is beyond any number")
    return value


def _short(text: str) -> int:
    if len(text) > 20:
        raise ValueError(f"{text[:20]}... is beyond any number")
    return int(text)


def _refuse_word(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a number")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_without_repeats,
    parse_float=_finite,
    parse_int=_short,
    parse_constant=_refuse_word,
)
