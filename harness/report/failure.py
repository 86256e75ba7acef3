"""What stands for the answer of a command that fails, for programs."""

from __future__ import annotations

from dataclasses import dataclass

from harness.report import json


@dataclass(frozen=True, slots=True)
class Failure:
    """
    What a command says instead of its answer where it fails; after an answer it says no more.

    Attributes:
        error: The line that is on stderr too.
        exit_code: That the process ends with; see exit-codes.md.
    """

    error: str
    exit_code: int


def failure(message: str, exit_code: int) -> str:
    """The document of it."""
    return json.render(Failure(message, int(exit_code)))
