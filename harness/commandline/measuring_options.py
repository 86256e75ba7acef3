"""The options of commands that measure: what, how often, with which settings of the engine."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, get_args

import click

from harness.analysis.stats.interval import min_values
from harness.commandline import options
from harness.commandline.engine_options import ENGINE_OPTIONS, engine_lists
from harness.commandline.rpc_options import RPC
from harness.commandline.turns_options import TURNS_LENGTHS, TURNS_OPTIONS, with_lengths
from harness.measure.depths import Depths
from harness.measure.possible import require_possible
from harness.measure.prepared import InTurns
from harness.measure.session import MeasureRequest
from harness.schema.workload import FORMS, USUAL_WORKLOADS
from harness.schema.workload_tasks import TASKS

_WHAT = (
    click.option(
        "-w",
        "--workload",
        "workloads",
        type=options.WORKLOADS,
        default=(),
        help=f"What to measure: {FORMS}; xM: of M sequences together; {TASKS}: the answers to "
        f"texts of all five kinds. Default: {','.join(USUAL_WORKLOADS)}, or what of it a model can "
        "be measured in.",
    ),
    click.option(
        "--depths",
        type=options.DEPTHS,
        default=(),
        help="Each pp and tg behind so many tokens in the cache, as in 0,4k,16k: a curve over the "
        "context; ppN+tgM gets prompts of that length. auto: doubled as far as memory and --budget "
        "go.",
    ),
    click.option(
        "--runs",
        type=click.IntRange(1, 1000),
        default=12,
        show_default=True,
        help="Most Runs a case.",
    ),
    click.option(
        "--trials",
        type=click.IntRange(1, 1000),
        default=3,
        show_default=True,
        help="Clean repetitions of each workload in a Run.",
    ),
    click.option(
        "--budget",
        type=options.DURATION,
        default="5m",
        show_default=True,
        help="Time for each model; one Run is always finished.",
    ),
)

_HOW = (
    click.option(
        "--seed", type=click.IntRange(0, 2**31 - 1), help="Repeat an order and its tokens."
    ),
    click.option(
        "--cold-loads",
        type=click.IntRange(0, 1000),
        default=1,
        show_default=True,
        help="Load from the disk, not from the page cache, in the first N rounds.",
    ),
    click.option(
        "--timeout",
        type=options.DURATION,
        default="20m",
        show_default=True,
        help="End a worker that is silent for so long; a trial is one event, and of a conversation "
        "each turn.",
    ),
    click.option(
        "--wait", type=options.DURATION, default=None, help="Wait for another measurement to end."
    ),
    options.catalog_option,
    options.results_option,
)

_PRECISION = click.option(
    "--precision",
    type=options.RATIO,
    default="2%",
    show_default=True,
    help="Stop when the interval is this narrow to either side, from 6 Runs on.",
)


def _in_turns(default: InTurns) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return click.option(
        "--in-turns",
        type=click.Choice(get_args(InTurns)),
        default=default,
        show_default=True,
        help="Whether all sides of a round are alive together and their trials alternate, which "
        "tells smaller differences in fewer rounds; auto: where memory holds them all.",
    )


MEASURING = frozenset(
    (
        *("workloads", "depths", "runs", "trials", "budget", "precision", "seed", "cold_loads"),
        *TURNS_LENGTHS,
        *("timeout", "wait", "in_turns", RPC, *ENGINE_OPTIONS),
    )
)
"""The parameters that say how to measure, which nothing else has a use for."""


def _refuse_precision(given: Mapping[str, Any]) -> None:
    """Nothing, unless --precision was typed beside fewer Runs than an interval needs."""
    if "precision" in given and given["runs"] < min_values():
        why = f"has no effect: only from {min_values()} Runs on there is an interval; raise --runs"
        options.refuse_unused(options.typed(click.get_current_context()), ("precision",), why)


def _depths(values: tuple[int, ...]) -> Depths:
    return "auto" if options.is_auto(values) else values


def measuring_options(
    function: Callable[..., Any], in_turns: InTurns = "never"
) -> Callable[..., Any]:
    """
    All of them, which reach `function` as one argument, `request`; and `catalogs`.

    Args:
        function: The command's.
        in_turns: What --in-turns is by default: "auto" where sides are going to be compared.
    """
    return _PRECISION(comparing_options(function, in_turns))


def comparing_options(
    function: Callable[..., Any], in_turns: InTurns = "auto"
) -> Callable[..., Any]:
    """The same but the precision, where it is a question that decides when to stop."""

    @functools.wraps(function)
    def with_request(*arguments: Any, **given: Any) -> Any:
        _refuse_precision(given)
        given["workloads"] = with_lengths(
            given["workloads"], given, options.typed(click.get_current_context())
        )
        lists = {field: given.pop(field) for field in ENGINE_OPTIONS}
        settings = {field: values for field, values in lists.items() if values is not None}
        if servers := given.pop(RPC, ()):
            settings[RPC] = (servers,)
        require_possible(settings, given["workloads"] or USUAL_WORKLOADS)
        request = MeasureRequest(
            workloads=given.pop("workloads"),
            depths=_depths(given.pop("depths")),
            settings=settings,
            n_runs_max=given.pop("runs"),
            n_trials=given.pop("trials"),
            n_cold_loads=given.pop("cold_loads"),
            budget_ns=given.pop("budget"),
            silence_ns=given.pop("timeout"),
            wait_ns=given.pop("wait") or 0,
            in_turns=given.pop("in_turns"),
            seed=given.pop("seed"),
            results=given.pop("results"),
            **{name: given.pop(name) for name in ("precision",) if name in given},
        )
        return function(*arguments, request=request, **given)

    decorated: Callable[..., Any] = with_request
    for option in (
        *reversed(_HOW),
        _in_turns(in_turns),
        engine_lists(*ENGINE_OPTIONS),
        *reversed((_WHAT[0], *TURNS_OPTIONS, *_WHAT[1:])),
    ):
        decorated = option(decorated)
    return decorated
