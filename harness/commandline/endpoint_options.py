"""The options for served models: where they are, who may ask, how many ask at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

from harness import units
from harness.commandline import options
from harness.commandline.engine_options import ENGINE_OPTIONS
from harness.commandline.rpc_options import RPC
from harness.endpoint.address import split_model
from harness.errors import UsageError
from harness.measure.subjects import is_served
from harness.schema.request import LoadSearch, ServiceLevel
from harness.schema.workload import parse_workload

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


_AUTO_CHOICE = {options.AUTO: "the largest within --slo"}


def load_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """`n_users` and `rates`, either of which may be AUTO, and `slo`."""
    users = click.option(
        "--concurrency",
        "n_users",
        type=options.Listed("list", options.or_auto(options.whole_number(1)), _AUTO_CHOICE),
        default=(),
        help="Each workload of N users at once, as in 1,2,4,8: chat becomes chatx4 on a server, "
        "and in one process tg128 becomes tg128x4. auto: the most users within --slo.",
    )
    rate = click.option(
        "--rate",
        "rates",
        type=options.Listed("list", options.or_auto(_rate), _AUTO_CHOICE),
        default=(),
        help="Each workload as requests that come to a server at random, N a second: 0.5,1,2. "
        "auto: the most within --slo.",
    )
    slo = click.option(
        "--slo",
        type=options.Parsed("limits", service_level),
        help="Say how many answers come in time (goodput): ttft=2s,itl=100ms, or one of the two.",
    )
    return users(rate(slo(function)))


def service_level(text: str) -> ServiceLevel:
    """
    The service level in "ttft=2s,itl=100ms".

    Raises:
        ValueError: It is none.
    """
    limits: dict[str, int] = {}
    for part in text.split(","):
        name, mark, value = part.strip().partition("=")
        if name not in ("ttft", "itl") or not mark or f"{name}_ns" in limits:
            raise ValueError(f"{part.strip()!r} is no limit; write ttft=2s,itl=100ms")
        limits[f"{name}_ns"] = units.parse_duration_ns(value)
    return ServiceLevel(**limits)


def loaded(
    workloads: Sequence[str], n_users: Sequence[int], rates: Sequence[float]
) -> tuple[str, ...]:
    """
    The workloads of so many users, and of such as come so often.

    Raises:
        UsageError: One is not of several users.
    """
    found = []
    try:
        for task in map(parse_workload, workloads):
            found += [task.among(n).name for n in n_users]
            found += [task.at_rate(per_s).name for per_s in rates]
        return tuple(parse_workload(name).name for name in dict.fromkeys(found))
    except ValueError as error:
        raise UsageError(str(error)) from None


def load_search(n_users: Sequence[int | str], rates: Sequence[float | str]) -> LoadSearch | None:
    """
    What the largest number is to be looked for of; None: of nothing.

    Raises:
        UsageError: Other loads are named beside it.
    """
    if not options.is_auto((*n_users, *rates)):
        return None
    return "users" if n_users else "rate"


def _rate(text: str) -> float:
    try:
        per_s = float(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a number") from None
    if not 0.001 <= per_s < 10_000:
        raise ValueError(f"{text} requests a second are not between 0.001 and 9999")
    return per_s


def refuse_of_engine(models: Sequence[str], typed: Mapping[str, str]) -> None:
    """
    Nothing, unless all of `models` are served and something is asked of the engine here.

    Args:
        models: As `references` has them.
        typed: As `options.typed` gives it; what a file of settings says is no question.

    Raises:
        UsageError: It is.
    """
    if models and all(map(is_served, models)):
        why = "is for the engine here, and a server has its own settings; leave it away"
        options.refuse_unused(typed, (*ENGINE_OPTIONS, RPC, "cold_loads"), why)


def references(models: Sequence[str], endpoints: Sequence[str], names: Sequence[str]) -> list[str]:
    """
    All models that are named, those of servers as "URL#NAME".

    Raises:
        UsageError: Names of served models without a server, an endpoint that is no URL, or one
            that names a model itself beside such names.
    """
    if names and not endpoints:
        raise UsageError("--model names a model of a server; add --endpoint URL")
    for url in endpoints:
        address, name = split_model(url)
        if name is not None and names:
            raise UsageError(f"{address.url}#{name} names a model already; leave --model away")
    asked = [f"{url}#{name}" for url in endpoints for name in names] if names else [*endpoints]
    return [*models, *asked]
