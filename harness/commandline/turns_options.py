"""How long the texts of a conversation are: options beside the workload's name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from harness.commandline import options
from harness.schema.workload import parse_workload
from harness.schema.workload_turns import INPUT_TOKENS, OUTPUT_TOKENS, SYSTEM_TOKENS, Turns

_MOST_TOKENS = 1_000_000


def _length(name: str, default: int, what: str) -> Any:
    return click.option(
        f"--turns-{name}",
        type=click.IntRange(1, _MOST_TOKENS),
        default=None,
        metavar="TOKENS",
        help=f"Of turnsN, how long {what} is. Default: {default}.",
    )


TURNS_OPTIONS = (
    _length("system", SYSTEM_TOKENS, "the system prompt with its tools"),
    _length("input", INPUT_TOKENS, "what comes in at each turn"),
    _length("output", OUTPUT_TOKENS, "each answer"),
)
TURNS_LENGTHS = ("turns_system", "turns_input", "turns_output")
"""Their parameters."""


def with_lengths(
    workloads: Sequence[str], given: dict[str, Any], typed: Mapping[str, str]
) -> tuple[str, ...]:
    """
    `workloads`, of which conversations have the lengths that are taken out of `given`.

    Args:
        workloads: Their names.
        given: Parameters with their values.
        typed: As `options.typed` gives it; what a file of settings says is for whoever needs it.

    Raises:
        UsageError: A length was typed, and there is no conversation.
    """
    lengths = [given.pop(name) for name in TURNS_LENGTHS]
    if not any(lengths):
        return tuple(workloads)
    tasks = [parse_workload(name) for name in workloads]
    if not any(isinstance(task, Turns) for task in tasks):
        why = "is for conversations; add --workload turns8, or leave it away"
        options.refuse_unused(typed, TURNS_LENGTHS, why)
    named = (it.of_lengths(*lengths) if isinstance(it, Turns) else it for it in tasks)
    return tuple(dict.fromkeys(task.name for task in named))
