"""`harness gate`: whether a stored experiment is worse than its baseline by more than allowed."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import Any

import click

from harness import units
from harness.analysis.metrics import COMPARED, GATED
from harness.commandline import options
from harness.commandline.output import Output, output_options
from harness.commands.gate.ci import require_place, tell_github, write_junit
from harness.commands.gate.document import gate_document
from harness.commands.gate.gate import Asked, gate
from harness.commands.gate.judge import Judgement, Limits
from harness.commands.gate.match import ACROSS
from harness.commands.gate.page import page
from harness.errors import ExitCode

_LIMIT = options.Parsed("share", units.parse_limit)


def _nats(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{text!r} is no divergence; write nats, as in 0.01") from None
    if not 0 <= value < math.inf:
        raise ValueError(f"{text!r} is no divergence; write nats, as in 0.01")
    return value


@click.command("gate")
@click.argument("experiment", default="latest")
@click.option(
    "--baseline",
    required=True,
    metavar="NAME|FILE|ID|latest|best",
    help="What EXPERIMENT is judged against.",
)
@click.option(
    "--max-slowdown",
    type=_LIMIT,
    default="5%",
    show_default=True,
    help="More time that is allowed.",
)
@click.option(
    "--max-memory",
    type=_LIMIT,
    default="3%",
    show_default=True,
    help="More memory that is allowed.",
)
@click.option(
    "--max-kl",
    type=options.Parsed("nats", _nats),
    help="Largest mean KL divergence from the reference, as `harness quality` stored it.",
)
@click.option(
    "--inconclusive",
    type=click.Choice(("fail", "pass")),
    default="fail",
    show_default=True,
    help="What it means when nothing can be told; what the candidate owes never passes.",
)
@click.option(
    "--metric",
    "wanted",
    type=options.Listed("list", options.one_of(*COMPARED)),
    help=f"Judge these of {', '.join(COMPARED)}. Default: {','.join(GATED)}.",
)
@click.option(
    "--across",
    type=options.Listed("list", options.one_of(*ACROSS)),
    default=(),
    help=f"Judge although these differ: {', '.join(ACROSS)}.",
)
@click.option(
    "--junit", type=click.Path(path_type=Path), metavar="FILE", help="Write JUnit XML too."
)
@options.results_option
@output_options
def command(experiment: str, baseline: str, output: Output, **given: Any) -> int:
    """
    Say whether EXPERIMENT is worse than a baseline by more than is allowed.

    EXPERIMENT is a stored one: `latest` (the default), an id or its beginning, or a path. The
    baseline is what `harness baseline save NAME` kept, an experiment file, or an earlier comparable
    experiment: the `latest` or the `best`.

    Exit code 0: everything is within the limits, surely. 3: something is surely beyond them. 4:
    neither is sure, a case failed, or there is nothing to compare with. In GitHub Actions the
    verdict is also written to the summary and shown as annotations.
    """
    junit: Path | None = given["junit"]
    if junit:
        require_place(junit)
    is_lenient = given["inconclusive"] == "pass"
    asked = Asked(
        experiment=experiment,
        baseline=baseline,
        limits=Limits(given["max_slowdown"], given["max_memory"], given["max_kl"]),
        wanted=given["wanted"],
        across=given["across"],
        results=given["results"],
    )
    gated = gate(asked)
    shown = page(gated, is_lenient=is_lenient)
    code = _exit_code(gated.judgement, is_lenient)
    if junit:
        write_junit(junit, gated, shown)
    tell_github(gated, shown, partial(click.echo, err=True), is_lenient=is_lenient)
    return output.show(shown, gate_document(gated, code, is_lenient=is_lenient), code)


def _exit_code(judgement: Judgement, is_lenient: bool) -> ExitCode:
    if judgement.verdict == "regression":
        return ExitCode.REGRESSION
    is_passing = judgement.verdict == "pass" or (is_lenient and judgement.is_waivable)
    return ExitCode.DONE if is_passing else ExitCode.INCONCLUSIVE
