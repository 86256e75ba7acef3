"""`harness show`: the stored results."""

from __future__ import annotations

from pathlib import Path

import click

from harness.commandline import options
from harness.commandline.output import Output, explain_option, html_options, output_options
from harness.commands.show.page import MOST, StoredList, hint, list_document, page
from harness.errors import ExitCode, UsageError
from harness.records.listing import find, list_experiments, listing_of
from harness.records.store import load


@click.command(
    "show",
    epilog=options.examples(
        "harness show",
        "harness show latest --verbose",
        "harness show latest --trend",
    ),
)
@click.argument("experiment", type=options.EXPERIMENT, required=False)
@options.results_option
@click.option("--all", "is_all", is_flag=True, help=f"List more than the newest {MOST}.")
@click.option(
    "--follow",
    "is_followed",
    is_flag=True,
    help="A line for each Run as it comes, until the experiment ends; without EXPERIMENT, of the "
    "one that is being measured. With --json each line is a document.",
)
@click.option(
    "--trend",
    "is_trend",
    is_flag=True,
    help="What EXPERIMENT measured, over the experiments that measured the same.",
)
@options.verbose_option
@output_options
@html_options
@explain_option
@click.pass_context
def command(
    context: click.Context,
    /,
    experiment: str | None,
    results: Path,
    is_all: bool,
    is_followed: bool,
    is_trend: bool,
    is_full: bool,
    output: Output,
) -> int:
    """
    Show EXPERIMENT as a table; without one, list what is stored, the newest last.

    EXPERIMENT is `latest` (the newest with a result), an id or its beginning, or the path of an
    experiment file. With --trend it is the newest unless another is named.
    """
    if is_followed:
        why = "does not go with --follow, which prints a line a Run; leave it away"
        unused = ("is_all", "is_trend", "is_full", "explain", "html")
        options.refuse_unused(options.typed(context), unused, why)
        output.require_lines()
        return _follow(results, experiment, output)
    if is_trend:
        why = "has no effect beside --trend; leave one of them away"
        options.refuse_unused(options.typed(context), ("is_all", "is_full", "explain"), why)
        return _show_trend(results, experiment or "latest", output)
    if experiment is None:
        if is_full or output.explains:
            option = "--verbose" if is_full else "--explain"
            raise UsageError(f"{option} is about one experiment; name it, as in `show latest`")
        listed = StoredList(results, tuple(list_experiments(results)), is_all)
        shown = page(listed), list_document(listed)
        return output.show(*shown, hint=hint(listed), title="Stored results")
    why = "is for the list; leave it away, or the experiment"
    options.refuse_unused(options.typed(context), ("is_all",), why)
    return _show_one(results, experiment, output, is_full=is_full)


def _show_one(results: Path, experiment: str, output: Output, *, is_full: bool) -> int:
    # Imported here: a list should not wait for all that figures are shown with.
    from harness.commandline.measuring import show_result
    from harness.report.measured_page import measured_result
    from harness.report.run_line import to_go_on

    stored = load(find(results, experiment))
    newest = find(results, experiment, may_lack_result=True)
    if newest != stored.path:
        failed = listing_of(newest).id
        output.tell(f"A newer experiment has no result: `harness show {failed}` tells why.")
    if stored.n_torn:
        output.tell("The last line was cut off in the middle and is left out.")
    if stored.end is None:
        output.tell("This experiment was cut short; these are the Runs it finished.")
    if stored.was_interrupted and (how := to_go_on(stored.experiment)):
        output.tell(how)
    result = measured_result(stored.experiment, stored.runs, stored.stops, stored.path)
    return show_result(result, output, is_full=is_full)


def _show_trend(results: Path, experiment: str, output: Output) -> int:
    # Imported here, as above.
    from harness.commands.show.trend import trend
    from harness.commands.show.trend_page import trend_document, trend_hint, trend_page

    found = trend(results, experiment)
    return output.show(
        trend_page(found),
        trend_document(found),
        hint=trend_hint(found),
        title="Over experiments",
    )


def _follow(results: Path, experiment: str | None, output: Output) -> int:
    # Imported here, as above.
    from harness.commands.show.follow import follow

    for news in follow(results, experiment, output.tell):
        output.show_part(news.line, news.document)
    return ExitCode.DONE
