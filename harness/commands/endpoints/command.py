"""`harness endpoints`: which model servers answer here, and what they serve."""

from __future__ import annotations

import os
from collections.abc import Sequence

import click

from harness.commandline import options
from harness.commandline.output import Output, output_options
from harness.commands.endpoints.document import document
from harness.commands.endpoints.endpoints import EndpointsRequest, look
from harness.commands.endpoints.page import hint, page
from harness.endpoint.address import Address
from harness.endpoint.connection import require_key


@click.command(
    "endpoints",
    epilog=options.examples(
        "harness endpoints",
        "harness endpoints https://models.example.org --api-key-env MODELS_KEY",
    ),
)
@click.argument("urls", metavar="[URL]...", nargs=-1)
@click.option(
    "--api-key-env",
    "key_variable",
    metavar="VAR",
    help="Environment variable that holds the key of the servers at URL.",
)
@output_options
@click.pass_context
def command(
    context: click.Context,
    /,
    urls: Sequence[str],
    key_variable: str | None,
    output: Output,
) -> int:
    """
    List the model servers that answer on this machine, with what they serve.

    Without URL the usual ports of llama-server, Ollama, LM Studio, vLLM and others are asked, on
    loopback alone. With URL only what answers there is told; it may be another machine.
    """
    if not urls:
        why = "is for servers that are named; add their URL, or leave it away"
        options.refuse_unused(options.typed(context), ("key_variable",), why)
    key = None
    if urls and key_variable is not None:
        key = require_key(os.environ.get(key_variable, ""), key_variable)
    addresses = tuple(dict.fromkeys(map(Address.parse, urls)))
    result = look(EndpointsRequest(addresses, key))
    return output.show(page(result), document(result), hint=hint(result))
