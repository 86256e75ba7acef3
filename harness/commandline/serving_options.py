"""The options that start a server of the harness's own beside the engine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from harness.commandline import places
from harness.errors import UsageError
from harness.serving.program import ServerProgram, server_program


def serving_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """`also_served` and `server_binary`, of which `chosen_server` makes a program."""
    also_served = click.option(
        "--also-served",
        is_flag=True,
        help="Measure each model behind a server too, in the same rounds: what serving costs.",
    )
    binary = click.option(
        "--server-binary",
        type=places.FILE,
        metavar="PATH",
        help="The llama-server that --also-served starts, instead of the one of the extra `serve`.",
    )
    return also_served(binary(function))


def chosen_server(binary: Path | None, *, also_served: bool) -> ServerProgram | None:
    """
    The server to start; None where none is asked for.

    Raises:
        UsageError: A server without --also-served, or one that is no llama-server.
        HarnessError: The extra `serve` is missing.
    """
    if not also_served:
        if binary is not None:
            raise UsageError("--server-binary is what --also-served starts; add that")
        return None
    return server_program(binary)
