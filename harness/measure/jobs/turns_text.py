"""
What is said in a conversation: a system prompt with tools, questions, and what tools give back.

Written from the pieces in harness/data/conversation.txt: the same turn of the same user is the same
text every time, and no two are alike. Random tokens or one text again and again would not do: a
mixture of experts reads them otherwise, and caches compare them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import resources
from random import Random
from string import Formatter

from harness.schema.workload_turns import Turns

Write = Callable[[int], str]
"""Gives a text of at least so many characters; the longer one begins with the shorter one."""

_WARM_CHARACTERS, _N_WARM = 200, 8
_N_KINDS = 7
"""Of messages; the system prompt is one more."""
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")
_LAYERS = ("core", "api", "jobs", "store", "web")
_BEGIN = datetime(2025, 3, 3, 6, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Texts:
    """What is said in the conversations of a workload, but for the answers."""

    system: str
    inputs: tuple[tuple[str, ...], ...]
    edited: str
    """The first input of the first user, as it reads after a change."""


def texts_of(task: Turns, cut: Callable[[Write, int, int], str]) -> Texts:
    """
    The texts of a workload.

    Args:
        task: Which lengths, how many turns, how many users.
        cut: Out of a text that is as long as one likes, one of so many tokens; and of which kind
            it is, as those of a kind have about as many characters a token.
    """

    def of_input(user: int, turn: int, *, is_edited: bool = False) -> str:
        def write(n_characters: int) -> str:
            return message_text(user, turn, n_characters, is_edited=is_edited)

        return cut(write, task.n_input, turn % _N_KINDS)

    users = range(task.n_sequences)
    return Texts(
        cut(system_text, task.n_system, _N_KINDS),
        tuple(tuple(of_input(user, turn) for turn in range(task.n_turns)) for user in users),
        of_input(0, 0, is_edited=True),
    )


def short_of(task: Turns, texts: Texts) -> tuple[Turns, Texts]:
    """One short turn of each user, as a warm-up; its texts have a token at the least."""
    short = replace(task, n_turns=1, n_system=1, n_input=1, n_output=min(task.n_output, _N_WARM))
    inputs = tuple((of_user[0][:_WARM_CHARACTERS],) for of_user in texts.inputs)
    return short, Texts(texts.system[:_WARM_CHARACTERS], inputs, "")


def system_text(n_characters: int) -> str:
    """At least so many of an agent's role, its rules and tools, then notes on the repository."""
    return _joined(_system(), n_characters)


def message_text(user: int, turn: int, n_characters: int, *, is_edited: bool = False) -> str:
    """
    At least so many characters of what a user, or a tool, says in a turn.

    Args:
        user: Whose conversation.
        turn: From 0; the first is a question, then come answers of tools and more questions.
        n_characters: How many.
        is_edited: As it reads after somebody changed it.
    """
    writer = _Writer(Random(f"{user} {turn} {is_edited}"))
    kinds = (
        writer.question, writer.file, writer.log, writer.tests, writer.search, writer.table,
        writer.note,
    )  # fmt: skip
    return _joined(kinds[turn % _N_KINDS](), n_characters)


def _joined(pieces: Iterator[str], n_characters: int) -> str:
    found: list[str] = []
    n_found = -1  # a line break less than pieces
    while n_found < n_characters:
        found.append(next(pieces))
        n_found += len(found[-1]) + 1
    return "\n".join(found)


def _system() -> Iterator[str]:
    yield from _pieces()["role"]
    yield "The repository's rules:"
    yield from (f"- {rule}" for rule in _pieces()["rule"])
    yield "Your tools, each as JSON schema:"
    yield from map(_tool, _pieces()["tool"])
    yield "What earlier sessions noted about this repository:"
    yield from _Writer(Random("system")).note()


def _tool(line: str) -> str:
    name, description, *parameters = line.split("|")
    properties = {}
    for parameter in parameters:
        key, kind, text = parameter.split(":", 2)
        properties[key] = {"type": kind, "description": text}
    schema = {"type": "object", "properties": properties, "required": [*properties][:1]}
    return json.dumps({"name": name, "description": description, "parameters": schema})


@cache
def _pieces() -> dict[str, tuple[str, ...]]:
    """The lines of each section of the file, where a line break is written as in a string."""
    text = (resources.files("harness.data") / "conversation.txt").read_text("utf-8")
    found = {}
    for section in f"\n{text}".split("\n== ")[1:]:
        title, *lines = section.strip("\n").split("\n")
        found[title] = tuple(line.replace("\\n", "\n") for line in lines)
    return found


@dataclass
class _Writer:
    """Fills the gaps of written pieces with names and numbers that belong together."""

    random: Random
    _time: datetime = _BEGIN

    def question(self) -> Iterator[str]:
        """A user's question with what they know already."""
        yield self._filled("opening")
        while True:
            yield " ".join(self._filled("sentence") for _ in range(4)) + "\n"

    def note(self) -> Iterator[str]:
        """What somebody wrote down."""
        yield f"# Notes of {self._word('person')} on the {self._word('noun')} {self._word('part')}"
        while True:
            yield " ".join(self._filled("sentence") for _ in range(3)) + "\n"

    def file(self) -> Iterator[str]:
        """Source code."""
        yield f"read_file {self._path()}"
        while True:
            yield self._filled("code")

    def log(self) -> Iterator[str]:
        """Lines of a log, in order of time."""
        yield f"read_log {self._word('noun')}"
        while True:
            yield self._filled("logline")

    def tests(self) -> Iterator[str]:
        """What a run of tests says."""
        path = self._path("tests/test_")
        yield f"run_tests {path}"
        while True:
            yield from (self._filled("testline", testpath=path) for _ in range(9))
            yield self._filled("failure", testpath=path)

    def search(self) -> Iterator[str]:
        """Lines that were found."""
        yield f"search_text {self._word('verb')}_{self._word('noun')}"
        while True:
            yield self._filled("searchline")

    def table(self) -> Iterator[str]:
        """Rows of a database."""
        yield "query_database\nnumber | key | state | seen_at | office | minutes"
        while True:
            yield self._filled("row")

    def _filled(self, section: str, **known: str) -> str:
        """A piece of a section with its gaps filled."""
        piece = self._word(section)
        noun, part = self._word("noun"), self._word("part")
        self._time += timedelta(milliseconds=self.random.randrange(20, 90_000))
        values = {
            "noun": noun,
            "Noun": noun.capitalize(),
            "noun2": self._word("noun"),
            "verb": self._word("verb"),
            "adjective": self._word("adjective"),
            "part": part,
            "Part": part.capitalize(),
            "time": self._time.isoformat(timespec="milliseconds"),
        } | known
        gaps = [name for _, name, _, _ in Formatter().parse(piece) if name]
        # One by one, so that a number does not stand for all numbers of the piece.
        texts = [values[name] if name in values else self._value(name) for name in gaps]
        fields = iter(texts)
        return "".join(
            literal + (next(fields) if name else "")
            for literal, name, _, _ in Formatter().parse(piece)
        )

    def _value(self, name: str) -> str:
        match name:
            case "n":
                return str(self.random.randrange(2, 10 ** self.random.randrange(1, 5) + 10))
            case "n2":
                return f"{self.random.randrange(100):02d}"
            case "d" | "h" | "m" | "month":
                return str(self.random.randrange(1, 12))
            case "hex":
                return f"{self.random.getrandbits(32):08x}"
            case "path":
                return self._path()
            case "testpath":
                return self._path("tests/test_")
            case "day":
                return self.random.choice(_DAYS)
            case "comment":
                return self._filled("comment")
        return self._word(name)

    def _path(self, before: str = "src/") -> str:
        layer = f"{self.random.choice(_LAYERS)}/" if before == "src/" else ""
        return f"{before}{layer}{self._word('noun')}_{self._word('part')}.py"

    def _word(self, section: str) -> str:
        return self.random.choice(_pieces()[section])
