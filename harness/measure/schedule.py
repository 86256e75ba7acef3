"""
Which configuration is measured when: all of a sweep, in rounds, in a seeded random order.

Pure: no processes, no clocks. In each round every configuration gets one Run, so that a machine
that drifts drifts for all of them alike.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from numpy.random import Generator
from pydantic import ValidationError

from harness.errors import UsageError
from harness.schema.configuration import Configuration
from harness.schema.model import ModelKey
from harness.schema.settings import Settings


def settings_product(lists: Mapping[str, Sequence[Any]]) -> tuple[Settings, ...]:
    """
    Every combination of the values in `lists`, keyed by the fields of `Settings`.

    Combinations come in the order in which they were written, without repeats.

    Raises:
        UsageError: A value that no Settings can have.
    """
    names = list(lists)
    combinations = itertools.product(*lists.values())
    try:
        settings = [
            Settings.model_validate(dict(zip(names, values, strict=True)))
            for values in combinations
        ]
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"{first['input']!r} will not do for {field}: {first['msg']}") from None
    return tuple(dict.fromkeys(settings))


def with_drafts(
    settings: Sequence[Settings], drafts: Sequence[str], most: Sequence[int]
) -> tuple[Settings, ...]:
    """
    Each of `settings` as it is, and with each draft guessing up to each number of tokens ahead.

    Args:
        settings: Without a draft.
        drafts: Keys of models, or NGRAM.
        most: Numbers of tokens.
    """
    return tuple(
        each.model_copy(update={"draft": draft, "draft_max": n})
        for each in settings
        for draft, n in ((None, None), *itertools.product(drafts, most))
    )


def shuffled(configurations: Sequence[Configuration], rng: Generator) -> Iterator[Configuration]:
    """The configurations of one round in a random order."""
    return (configurations[index] for index in rng.permutation(len(configurations)))


def shuffled_names(names: Sequence[str], rng: Generator) -> tuple[str, ...]:
    """The workloads of one Run in a random order."""
    return tuple(names[index] for index in rng.permutation(len(names)))


def loading_order(
    models: Sequence[ModelKey], round_index: int, n_cold_loads: int, rng: Generator
) -> list[tuple[int, bool]]:
    """
    Of workers that will be alive together, the place in `models` of each and whether it loads from
    the disk, in the order in which they load.

    A file that one of them holds cannot leave the page cache, so of each model one loads from the
    disk in a round, ahead of the others, until each has done so `n_cold_loads` times.
    """
    order = [int(index) for index in rng.permutation(len(models))]
    cold = set()
    for model in dict.fromkeys(models):
        of_model = [index for index, key in enumerate(models) if key == model]
        if round_index < n_cold_loads * len(of_model):
            cold.add(of_model[round_index % len(of_model)])
    return [(index, index in cold) for index in sorted(order, key=lambda index: index not in cold)]
