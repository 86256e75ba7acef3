"""A Run that is to be made, and who makes it: a worker here, or one on another machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from numpy.random import Generator

from harness.schema.configuration import Configuration
from harness.schema.experiment import Run


@dataclass(frozen=True)
class Task:
    """
    One Run that is to be made.

    Attributes:
        index: Of the Run in the experiment, from 0.
        workloads: In the order in which they are measured.
        seed: Draws its tokens, and in turns the arrangement of its memory.
        is_cold: Whether it loads from the disk.
        left_ns: What is left of its model's budget.
    """

    index: int
    round_index: int
    configuration: Configuration
    workloads: tuple[str, ...]
    seed: int
    is_cold: bool
    left_ns: int


@dataclass(frozen=True)
class Made:
    """A Run, and how long it took with what belongs to it before and after its worker."""

    run: Run
    taken_ns: int


class Maker(Protocol):
    """
    Makes the Runs of an experiment, and keeps none of them.

    Attributes:
        is_interrupted: A signal came behind the last Run, which is whole.
    """

    is_interrupted: bool

    def alone(self, task: Task) -> Made:
        """
        One Run, and nothing beside it.

        Raises:
            KeyboardInterrupt: It was interrupted, and there is nothing of it to keep.
        """

    def in_turns(
        self, tasks: Sequence[Task], workloads: Sequence[str], rng: Generator
    ) -> list[Run]:
        """
        A worker for each task, all alive together; Runs in the order of `tasks`, without those that
        had not begun when a signal ended it.

        Args:
            tasks: In the order in which they load; their indices follow each other.
            workloads: Of all of them, in the order that each has its own in.
            rng: Draws whose trial comes first.
        """
