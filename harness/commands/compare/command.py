"""`harness compare`: which of two is faster, or whether that can be told at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import click

from harness.analysis.comparison import KINDS
from harness.analysis.metrics import COMPARED
from harness.commandline import options
from harness.commandline.draft_options import draft_options, refuse_drafts
from harness.commandline.endpoint_options import key_option, refuse_of_engine
from harness.commandline.measuring_options import comparing_options
from harness.commandline.output import Output, explain_option, html_options, output_options
from harness.commandline.rpc_options import rpc_option
from harness.commands.compare.across import (
    MACHINE,
    AcrossRequest,
    compare_machines,
    require_stored,
)
from harness.commands.compare.compare import (
    Compared,
    CompareRequest,
    compare_stored,
    prepare_comparison,
    require_selectors,
)
from harness.commands.compare.document import document
from harness.commands.compare.page import aside, page
from harness.commands.compare.picture import pictures, title
from harness.errors import UsageError
from harness.measure.lock import machine_held
from harness.measure.session import MeasureRequest
from harness.models.catalog.catalog import load_catalog
from harness.records.listing import some_of
from harness.records.rescue import require_writable
from harness.records.select import FIELDS_OF_SELECTORS
from harness.report.machines_page import MOST_ROWS
from harness.report.progress.fetching import Fetching
from harness.report.progress.measuring import Progress

# `--until decided` has the budget to end it.
_MANY_RUNS = 1000


@click.command(
    "compare",
    epilog=options.examples(
        "harness compare smollm2-135m:Q4_1 smollm2-135m:Q8_0",
        "harness compare qwen2.5-7b --draft ngram",
        "harness compare --stored latest,threads=1 latest,threads=2",
        "harness compare --across machine results/fleet --baseline studio",
    ),
)
@click.argument(
    "what",
    type=options.Word("side", FIELDS_OF_SELECTORS),
    nargs=-1,
    required=True,
    metavar="A B...",
)
@click.option("--stored", is_flag=True, help="Measure nothing: A and B select stored results.")
@click.option(
    "--until",
    type=click.Choice(("decided",)),
    help="Measure on until every verdict is decided or the budget is spent.",
)
@click.option(
    "--threshold",
    type=options.RATIO,
    default="2%",
    show_default=True,
    help="Differences up to this are called the same.",
)
@click.option(
    "--metric",
    "wanted",
    type=options.Listed("list", options.one_of(*COMPARED)),
    help=f"Compare only some of {', '.join(COMPARED)}.",
)
@click.option(
    "--across",
    type=options.Listed("list", options.one_of(*KINDS)),
    default=(),
    help=f"Compare stored results although these differ: {', '.join(KINDS)}. Without --stored "
    "`machine` sets machines side by side.",
)
@click.option(
    "--baseline",
    metavar="MACHINE",
    help="With --across machine: whom the others are set against, by host, id or processor.",
)
@click.option(
    "--all", "is_all", is_flag=True, help=f"List more than {MOST_ROWS} machines of a figure."
)
@key_option
@draft_options
@rpc_option
@comparing_options
@output_options
@html_options
@explain_option
@click.pass_context
def command(
    context: click.Context,
    /,
    what: tuple[str, ...],
    stored: bool,
    until: str | None,
    threshold: float,
    wanted: tuple[str, ...] | None,
    across: tuple[str, ...],
    baseline: str | None,
    is_all: bool,
    key_variable: str | None,
    draft: tuple[str, ...],
    draft_max: tuple[int, ...],
    catalogs: tuple[Path, ...],
    request: MeasureRequest,
    output: Output,
) -> int:
    """
    Say whether B is faster than A, slower, the same, or whether that is inconclusive.

    A and B are models as `harness run` takes them, or URLs of servers (URL#MODEL). They are
    measured in rounds of fresh processes, all of them once in each round, and judged by the
    ratios of single rounds. More than two are each set against the first; so are the settings
    of a sweep (--threads 1,2).

    With --stored they select what was measured before, in terms with commas between them: a model,
    an experiment's id or `latest`, build=COMMIT, machine=ID, or a setting such as threads=2.

    With --across machine, and without --stored, every machine that WHAT has results of stands in
    a row: WHAT are selectors, experiment files, or folders of them. The newest of each counts.
    """
    typed = options.typed(context)
    if MACHINE in across and not stored:
        require_stored(typed)
        asked = AcrossRequest(what, request.results, threshold, wanted, across, baseline)
        return _show_machines(asked, output, is_all=is_all)
    why = f"is for --across {MACHINE} without --stored; leave it away"
    options.refuse_unused(typed, ("baseline", "is_all"), why)
    question = CompareRequest(
        what=what,
        threshold=threshold,
        metrics=wanted or COMPARED,
        across=across,
        until_decided=until is not None,
        results=request.results,
    )
    if stored:
        require_selectors(what, typed)
        compared = compare_stored(question)
    else:
        _refuse_measuring(what, typed, draft)
        request = replace(
            request,
            drafts=draft,
            draft_max=draft_max if draft else (),
            key_variable=key_variable,
            n_runs_max=_MANY_RUNS if until and "runs" not in typed else request.n_runs_max,
        )
        compared = _measured(question, request, catalogs, output)
    return _show_pairs(compared, output)


def _refuse_measuring(
    what: tuple[str, ...], typed: Mapping[str, str], draft: tuple[str, ...]
) -> None:
    """Refuses options that have no place where the sides are measured now."""
    if "across" in typed:
        raise UsageError("--across is for --stored; what is measured now may differ in all")
    refuse_of_engine(what, typed)
    refuse_drafts(draft, what, typed, also_served=False)


def _show_pairs(compared: Compared, output: Output) -> int:
    for warning in compared.warnings:
        output.tell(warning)
    output.show(
        page(compared.pairs),
        document(compared.pairs),
        aside=aside(compared.measured) if compared.measured else (),
        title=title(compared.pairs),
        pictures=pictures(compared.pairs) if output.html else (),
    )
    # Asked after it is shown: where the record could not be kept, this is an error.
    return compared.exit_code


def _show_machines(asked: AcrossRequest, output: Output, *, is_all: bool) -> int:
    # Imported here: pairs need none of it.
    from harness.commands.compare import across_document, across_page

    result = compare_machines(asked)
    for problem in some_of(result.problems):
        output.warn(problem)
    return output.show(
        across_page.across_page(result, is_wide=output.is_wide, is_whole=is_all),
        across_document.across_document(result),
        aside=across_page.warnings_page(result),
        title=across_page.title(result),
        pictures=across_page.pictures(result) if output.html else (),
        html_page=across_page.across_page(result, is_wide=True, is_whole=is_all)
        if output.html
        else None,
    )


def _measured(
    question: CompareRequest, request: MeasureRequest, catalogs: tuple[Path, ...], output: Output
) -> Compared:
    require_writable(request.results)
    with Fetching(output.console) as fetching:
        catalog = load_catalog(catalogs)
        comparison = prepare_comparison(question, request, catalog, fetching.report)
    with machine_held(comparison.title, request.wait_ns, output.tell):
        return comparison.measure(Progress(output.console))
