"""The option for computing on other machines too: `--rpc`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import click

from harness.commandline import options
from harness.machine.rpc import PORT, rpc_address

RPC = "rpc"
"""The parameter's name."""


def rpc_servers(text: str) -> tuple[str, ...]:
    """
    Addresses of servers, "host:port", joined by commas as llama.cpp has them, or by slashes as
    pages print a setting of several values; each once.
    """
    addresses = tuple(rpc_address(part) for part in re.split("[,/]", text))
    if len({*addresses}) < len(addresses):
        raise ValueError(f"{text!r} names a server twice; write each once")
    return addresses


def rpc_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """`rpc`, the addresses of servers, in their order; none of them: this machine alone."""
    return click.option(
        "--rpc",
        RPC,
        type=options.Parsed("servers", rpc_servers),
        default=(),
        metavar="HOST:PORT,...",
        help="Compute on the devices of these servers too, started there by `harness rpc serve`: "
        f"127.0.0.1:{PORT} through a tunnel. All of them take part, split by --tensor-split.",
    )(function)
