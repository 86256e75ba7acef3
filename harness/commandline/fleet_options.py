"""The options for reaching the machines of a fleet: which ones, by what way, and as whom."""

from __future__ import annotations

import functools
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from pydantic import TypeAdapter, ValidationError

from harness.bounded import read_bounded
from harness.commandline import options
from harness.commandline.places import FILE
from harness.errors import HarnessError, UsageError
from harness.files import cannot
from harness.fleet.connection import HARNESS, LOCAL
from harness.fleet.order import Address, Certificate
from harness.fleet.ssh import require_host

_MOST_PEM_BYTES = 64 << 10
_MOST_PORT = 65_535
_SCHEDULER: TypeAdapter[str] = TypeAdapter(Address)
_ADDRESS = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|\w[\w.-]*)(?::(?P<port>\d{1,5}))?")


@dataclass(frozen=True)
class Way:
    """
    How the hosts are reached.

    Attributes:
        hosts: Names of ssh's, or LOCAL; with `scheduler` those of workers that have joined it, or
            none of them for all.
        command: What starts the harness on a host that has no other; None: its own name.
        config: Of ssh, instead of the user's.
        direct: Address and port (0: any) of this machine where workers come without a tunnel.
        scheduler: Of a Dask cluster that is there already.
        certificate: Who this is to it.
    """

    hosts: tuple[str, ...]
    command: str | None = None
    config: Path | None = None
    direct: tuple[str, int] | None = None
    scheduler: str | None = None
    certificate: Certificate | None = None


def host_names(text: str) -> tuple[str, ...]:
    """
    The hosts in "laptop,studio".

    Raises:
        ValueError: One is none, or named twice.
    """
    names = [host_name(name.strip()) for name in text.split(",")]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{name} is named twice; name each host once")
    return tuple(names)


def host_name(text: str) -> str:
    """
    The name of a host.

    Raises:
        ValueError: It is none.
    """
    try:
        return require_host(text)
    except UsageError as error:
        raise ValueError(str(error)) from None


def scheduler_address(text: str) -> str:
    """
    The address of a scheduler.

    Raises:
        ValueError: It is none.
    """
    try:
        return _SCHEDULER.validate_python(text)
    except ValidationError:
        pass
    raise ValueError(f"{text!r} is no address of a scheduler; write tls://10.0.0.5:8786")


def listen_address(text: str) -> tuple[str, int]:
    """
    Address and port of "10.0.0.5", "10.0.0.5:8786" or "[fd00::5]:8786"; the port 0 is any.

    Raises:
        ValueError: It is none.
    """
    found = _ADDRESS.fullmatch(text)
    if not found or int(found["port"] or 0) > _MOST_PORT:
        raise ValueError(f"{text!r} is no address; write 10.0.0.5, or 10.0.0.5:8786")
    return found["host"].strip("[]"), int(found["port"] or 0)


def tls_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """--tls-ca, --tls-cert and --tls-key, which reach `function` as `certificate`."""

    @functools.wraps(function)
    def with_certificate(*arguments: Any, **given: Any) -> Any:
        files = [given.pop(name) for name in ("tls_ca", "tls_cert", "tls_key")]
        if any(files) and not all(files):
            raise UsageError("--tls-ca, --tls-cert and --tls-key belong together; name all three")
        certificate = _certificate(*files) if all(files) else None
        return function(*arguments, certificate=certificate, **given)

    decorated: Callable[..., Any] = with_certificate
    for name, told in (
        ("key", "Its key."),
        ("cert", "Certificate of this side, for that cluster."),
        ("ca", "Certificate of whoever vouches for all of that cluster."),
    ):
        decorated = click.option(f"--tls-{name}", type=FILE, metavar="FILE", help=told)(decorated)
    return decorated


def way_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """All of them, which reach `function` as one argument, `way`."""

    @functools.wraps(function)
    def with_way(
        *arguments: Any,
        hosts: tuple[str, ...],
        harness: str | None,
        ssh_config: Path | None,
        direct: tuple[str, int] | None,
        scheduler: str | None,
        certificate: Certificate | None,
        **given: Any,
    ) -> Any:
        typed = options.typed(click.get_current_context())
        if scheduler:
            why = "is for workers that are started from here; leave it away, or --scheduler"
            options.refuse_unused(typed, ("harness", "ssh_config", "direct"), why)
        elif not hosts:
            raise UsageError(f"name the machines: --hosts laptop,studio ({LOCAL} is this one)")
        else:
            why = "is for a cluster that is there: add --scheduler, or leave it away"
            options.refuse_unused(typed, ("tls_ca", "tls_cert", "tls_key"), why)
        way = Way(hosts, harness, ssh_config, direct, scheduler, certificate)
        return function(*arguments, way=way, **given)

    decorated: Callable[..., Any] = tls_options(with_way)
    for option in reversed(_WAY):
        decorated = option(decorated)
    return decorated


_WAY = (
    click.option(
        "--hosts",
        type=options.Parsed("list", host_names),
        default=(),
        metavar="HOST,...",
        help=f"Names of ~/.ssh/config, or user@host; {LOCAL} is this machine.",
    ),
    click.option(
        "--harness",
        show_default=HARNESS,
        metavar="COMMAND",
        help="What starts harness on the hosts, as ~/harness/.venv/bin/harness.",
    ),
    click.option(
        "--ssh-config",
        type=FILE,
        metavar="FILE",
        help="Configuration of ssh, instead of ~/.ssh/config.",
    ),
    click.option(
        "--direct",
        type=options.Parsed("address", listen_address),
        metavar="ADDRESS[:PORT]",
        help="Workers come to this address of this machine, under TLS, instead of through tunnels "
        "of ssh.",
    ),
    click.option(
        "--scheduler",
        type=options.Parsed("address", scheduler_address),
        metavar="ADDRESS",
        help="Use the workers that have joined this Dask scheduler (`harness fleet worker`), as "
        "tls://10.0.0.5:8786, instead of starting some over ssh.",
    ),
)


def _certificate(authority: Path, certificate: Path, key: Path) -> Certificate:
    """What is in the three files, which belong together as far as one can tell from here."""
    found = Certificate(*map(_pem, (authority, certificate, key)))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=found.ca_pem)
    except ssl.SSLError:
        raise HarnessError(f"{authority} holds no certificate in PEM; name another one") from None

    def ask_nobody() -> str:
        raise HarnessError(f"{key} is locked with a password; name a key without one")

    try:
        context.load_cert_chain(certificate, key, ask_nobody)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            why = f"{key} is not the key of {certificate}; name two that belong together"
        else:
            why = f"{certificate} and {key} are no certificate and its key in PEM; name others"
        raise HarnessError(why) from None
    return found


def _pem(path: Path) -> str:
    try:
        return read_bounded(path, _MOST_PEM_BYTES).decode("ascii")
    except UnicodeDecodeError:
        raise HarnessError(f"{path} is no certificate or key in PEM; name another one") from None
    except OSError as error:
        raise HarnessError(cannot("read", path, error, "name another one")) from error
