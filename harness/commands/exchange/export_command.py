"""`harness export`: stored results in the format of llama-bench or llama-batched-bench."""

from __future__ import annotations

from pathlib import Path

import click

from harness.commandline import options, stream
from harness.commandline.output import Output
from harness.commandline.places import NEW_FILE_OR_STDOUT, require_new, write_text
from harness.commands.exchange.document import export_document
from harness.commands.exchange.export_answer import TARGETS, WRITERS, ExportRequest, answer
from harness.report.page import notes


@click.command(
    "export",
    epilog=options.examples(
        "harness export latest --output md",
        "harness export latest --to results.sql --output sql",
        "harness export latest --format llama-batched-bench",
    ),
)
@click.argument("experiments", type=options.EXPERIMENT, nargs=-1, metavar="[EXPERIMENT]...")
@options.results_option
@click.option(
    "--format",
    "target",
    cls=options.OwnOption,
    type=click.Choice(TARGETS),
    default="llama-bench",
    show_default=True,
    help="Whose format.",
)
@click.option(
    "--output",
    cls=options.OwnOption,
    type=click.Choice(list(WRITERS)),
    default="jsonl",
    show_default=True,
    help="As llama-bench's own option of that name.",
)
@click.option(
    "--as-builds",
    "is_as_builds",
    is_flag=True,
    help="Write each quantization as a build, so that compare-llama-bench.py compares them.",
)
@click.option(
    "--to", type=NEW_FILE_OR_STDOUT, metavar="FILE", help="Instead of stdout, which is -."
)
@click.option("--force", is_flag=True, help="Overwrite FILE.")
@options.json_option
def command(
    experiments: tuple[str, ...],
    results: Path,
    target: str,
    output: str,
    is_as_builds: bool,
    to: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """
    Write stored results in the format of llama-bench, or of llama-batched-bench.

    EXPERIMENT is `latest` (the default), an id or its beginning, or the path of an experiment
    file; there may be several. llama.cpp's scripts/compare-llama-bench.py reads what comes out
    (with -t llama-bench). Each pp and tg workload becomes a row, whose samples are the clean
    trials of all Runs. Of several sequences together llama-batched-bench's rows hold medians over
    Runs: prompts (pp512x4) and the steps behind them (tg128x4@d512).
    """
    if to == Path("-"):
        to = None
    require_new(to, "--to", is_replacing=force)
    request = ExportRequest(experiments or ("latest",), results, target, output, is_as_builds, to)
    export = answer(request)
    if to:
        write_text(to, "--to", export.text)
    if to is None and not as_json:
        stream.write(export.text, end="")
    shown = Output("json" if as_json else "plain")
    shown.show((), export_document(export), aside=notes([*export.remarks]))
