"""The options that name served models: where they are, what they are called, who may ask."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click

from harness.errors import UsageError

key_option = click.option(
    "--api-key-env",
    "key_variable",
    metavar="VAR",
    help="Environment variable that holds the key of the server; it is stored nowhere.",
)


def endpoint_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """`endpoints`, `names` and `key_variable`."""
    endpoint = click.option(
        "--endpoint",
        "endpoints",
        multiple=True,
        metavar="URL",
        help="Measure what the server at URL has loaded, as http://127.0.0.1:8080; see `harness "
        "endpoints`. May be repeated.",
    )
    model = click.option(
        "--model",
        "names",
        multiple=True,
        metavar="NAME",
        help="What the server calls the model, where it has several. May be repeated.",
    )
    return endpoint(model(key_option(function)))


def references(models: Sequence[str], endpoints: Sequence[str], names: Sequence[str]) -> list[str]:
    """
    All models that are named, those of servers as "URL#NAME".

    Raises:
        UsageError: Names of served models without a server.
    """
    if names and not endpoints:
        raise UsageError("--model names a model of a server; add --endpoint URL")
    asked = [f"{url}#{name}" for url in endpoints for name in names] if names else [*endpoints]
    return [*models, *asked]
