"""One try at doing harm, and the kinds there are of it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from random import Random


@dataclass(frozen=True, slots=True)
class Attempt:
    """
    What was done, and what came of it.

    Attributes:
        what: Enough to find it again in the code that made it.
        fault: What went wrong, in one line; None if the program held.
    """

    what: str
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Kind:
    """
    A way to do harm, tried without end.

    Attributes:
        name: As `--kind` takes it.
        attempts: Yields attempt after attempt, the same ones for the same random numbers; what it
            writes goes into the folder.
    """

    name: str
    attempts: Callable[[Path, Random], Generator[Attempt, None, None]]
