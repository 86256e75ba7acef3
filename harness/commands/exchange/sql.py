"""
The SQL that `llama-bench -o sql` prints, taken apart into rows. Nothing here executes any of it.

Only two statements exist in it, and only these are understood:

    CREATE TABLE IF NOT EXISTS llama_bench (name TYPE, ...);
    INSERT INTO llama_bench (name, ...) VALUES ('value', ...);
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(
    r"(?P<space>\s+)"
    r"|(?P<word>[A-Za-z_][A-Za-z0-9_]*)"
    r"|'(?P<text>[^']*(?:''[^']*)*)'"
    r"|(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)"
    r"|(?P<mark>[(),;])"
)
_CREATE = ("create", "table", "if", "not", "exists", "llama_bench")
_INSERT = ("insert", "into", "llama_bench")


class NotOurSql(ValueError):
    """The text is not what llama-bench prints; the message says where and why."""


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    line: int


@dataclass(frozen=True, slots=True)
class SqlRow:
    """One INSERT: the columns it names with their values, and the line it starts on."""

    line: int
    values: dict[str, str]


def rows_of(text: str) -> list[SqlRow]:
    """
    The rows that `text` inserts.

    Raises:
        NotOurSql: It holds anything but the two statements.
    """
    tokens = _Tokens(_tokens(text))
    rows = []
    while not tokens.is_at_end:
        line = tokens.line
        if tokens.starts_with("create"):
            _skip_table(tokens)
        elif tokens.starts_with("insert"):
            rows.append(SqlRow(line, _inserted(tokens)))
        else:
            raise NotOurSql(f"line {line}: no statement of llama-bench's begins like this")
    return rows


def _tokens(text: str) -> Iterator[_Token]:
    position, line = 0, 1
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise NotOurSql(f"line {line}: {text[position]!r} has no place there")
        kind = match.lastgroup or ""
        if kind != "space":
            yield _Token(kind, match[kind], line)
        line += match[0].count("\n")
        position = match.end()


class _Tokens:
    """The tokens of a text, one after the other."""

    def __init__(self, tokens: Iterator[_Token]) -> None:
        self._tokens = tokens
        self._next = next(tokens, None)
        self.line = 1

    @property
    def is_at_end(self) -> bool:
        if self._next is not None:
            self.line = self._next.line
        return self._next is None

    def starts_with(self, word: str) -> bool:
        return self._next is not None and self._next.text.lower() == word

    def take(self, *kinds: str) -> str:
        token = self._next
        if token is None:
            raise NotOurSql(f"line {self.line}: the statement is cut off")
        self.line = token.line
        if token.kind not in kinds:
            raise NotOurSql(
                f"line {token.line}: {token.text[:20]!r} stands where llama-bench has something "
                "else (it does not escape quotes inside a value)"
            )
        self._next = next(self._tokens, None)
        return token.text

    def expect(self, *texts: str) -> None:
        for text in texts:
            found = self.take("mark" if text in "(),;" else "word")
            if found.lower() != text:
                raise NotOurSql(f"line {self.line}: {found[:20]!r} where {text!r} belongs")

    def listed(self, *kinds: str) -> list[str]:
        """Values between parentheses, with commas between them."""
        self.expect("(")
        values = [self.take(*kinds)]
        while (mark := self.take("mark")) == ",":
            values.append(self.take(*kinds))
        if mark != ")":
            raise NotOurSql(f"line {self.line}: {mark!r} where a list ends")
        return values


def _skip_table(tokens: _Tokens) -> None:
    tokens.expect(*_CREATE, "(")
    while True:
        tokens.take("word")  # the column's name
        tokens.take("word")  # and its type
        mark = tokens.take("mark")
        if mark == ")":
            break
        if mark != ",":
            raise NotOurSql(f"line {tokens.line}: {mark!r} among the columns")
    tokens.expect(";")


def _inserted(tokens: _Tokens) -> dict[str, str]:
    tokens.expect(*_INSERT)
    names = tokens.listed("word")
    tokens.expect("values")
    values = tokens.listed("text", "number")
    tokens.expect(";")
    if len(names) != len(values) or len(set(names)) != len(names):
        raise NotOurSql(f"line {tokens.line}: {len(values)} values for {len(set(names))} columns")
    return {name: value.replace("''", "'") for name, value in zip(names, values, strict=True)}
