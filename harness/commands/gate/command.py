"""`harness gate`: whether a stored experiment is worse than its baseline by more than allowed."""

from __future__ import annotations

from pathlib import Path

import click

from harness import units
from harness.analysis.gate.judge import Limits, limit_of
from harness.analysis.gate.match import ACROSS
from harness.analysis.metrics import COMPARED, GATED
from harness.commandline import options
from harness.commandline.output import Output, output_options
from harness.commandline.places import NEW_FILE
from harness.commands.gate.ci import require_place, tell_github, write_junit
from harness.commands.gate.document import document
from harness.commands.gate.gate import GateRequest, gate
from harness.commands.gate.page import page

_LIMIT = options.Parsed("share", units.parse_limit)


@click.command(
    "gate",
    epilog=options.examples(
        "harness gate --baseline main",
        "harness gate latest --baseline best --max-slowdown 2% --junit gate.xml",
    ),
)
@click.argument("experiment", type=options.EXPERIMENT, default="latest")
@click.option(
    "--baseline",
    type=options.Word("judged against"),
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
    type=options.Parsed("nats", units.parse_nats),
    help="Largest mean KL divergence from the reference, as `harness quality` stored it.",
)
@click.option(
    "--inconclusive",
    type=click.Choice(("fail", "pass")),
    default="fail",
    show_default=True,
    help="What it means when nothing can be told; what is required of it never passes.",
)
@click.option(
    "--missing",
    type=click.Choice(("fail", "pass")),
    default="fail",
    show_default=True,
    help="What it means when no baseline was kept under NAME yet.",
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
@click.option("--junit", type=NEW_FILE, metavar="FILE", help="Write JUnit XML too.")
@options.results_option
@output_options
@click.pass_context
def command(
    context: click.Context,
    /,
    experiment: str,
    baseline: str,
    max_slowdown: float,
    max_memory: float,
    max_kl: float | None,
    inconclusive: str,
    missing: str,
    wanted: tuple[str, ...] | None,
    across: tuple[str, ...],
    junit: Path | None,
    results: Path,
    output: Output,
) -> int:
    """
    Say whether EXPERIMENT is worse than a baseline by more than is allowed.

    EXPERIMENT is a stored one: `latest` (the default; the newest even if it failed), an id or its
    beginning, or a path. The baseline is what `harness baseline save NAME` kept, an experiment
    file, or an earlier comparable experiment: the `latest` or the `best`.

    Exit code 0: everything is within the limits, surely. 3: something is surely beyond them. 4:
    neither is sure, a case failed, or there is nothing to compare with. In GitHub Actions the
    verdict is also written to the summary and shown as annotations.
    """
    unused = {"max_slowdown", "max_memory"} - set(map(limit_of, wanted or GATED))
    why = f"limits none of the metrics {', '.join(wanted or GATED)}; leave it away"
    options.refuse_unused(options.typed(context), unused, why)
    if junit:
        require_place(junit)
    limits = Limits(max_slowdown, max_memory, max_kl)
    result = gate(
        GateRequest(
            experiment,
            baseline,
            limits,
            wanted,
            across,
            results,
            is_lenient=inconclusive == "pass",
            may_be_missing=missing == "pass",
        )
    )
    if junit:
        write_junit(junit, result)
    tell_github(result)
    return output.show(page(result), document(result), result.exit_code)
