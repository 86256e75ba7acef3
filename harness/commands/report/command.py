"""`harness report`: what was measured, as one HTML file to look at and to pass on."""

from __future__ import annotations

from pathlib import Path

import click

from harness.commandline import options
from harness.commandline.output import Output, output_options
from harness.commandline.places import FOLDER, NEW_FILE, require_new, write_text
from harness.commands.report.head import MOST_PROBLEMS
from harness.commands.report.page import hint, page, report_document
from harness.commands.report.report import ReportRequest, report
from harness.commands.report.write import Written, document_of, opened, written_pictures
from harness.errors import ExitCode
from harness.records.listing import some_of
from harness.records.select import FIELDS_OF_SELECTORS
from harness.report.charts import MISSING, can_draw

_OUTPUT = "-o"


@click.command(
    "report",
    epilog=options.examples(
        "harness report --open",
        "harness report latest smollm2-135m,threads=2 -o mine.html --png pictures",
        "harness report folder-of-shared-results",
    ),
)
@click.argument(
    "selectors",
    type=options.Word("selector", FIELDS_OF_SELECTORS),
    nargs=-1,
    metavar="[SELECTOR]...",
)
@click.option(
    _OUTPUT, "--output", "target", cls=options.OwnOption, type=NEW_FILE, metavar="FILE",
    default="report.html", show_default=True, help="The file to write.",
)  # fmt: skip
@click.option("--open", "is_opened", is_flag=True, help="Open it in a browser.")
@click.option("--force", is_flag=True, help="Overwrite FILE, and pictures in DIR.")
@click.option("--svg", type=FOLDER, metavar="DIR", help="Write each picture as an SVG file too.")
@click.option("--png", type=FOLDER, metavar="DIR", help="Write each picture as a PNG file too.")
@options.results_option
@output_options
def command(
    selectors: tuple[str, ...],
    target: Path,
    is_opened: bool,
    force: bool,
    svg: Path | None,
    png: Path | None,
    results: Path,
    output: Output,
) -> int:
    """
    Write what was measured into one HTML file, which needs no network and runs nothing.

    SELECTOR is a model, `latest`, an experiment's id, build=COMMIT, machine=ID, or a setting such
    as threads=2, with commas between terms that must all hold; or the path of an experiment file,
    or of a folder with such files of any machine. There may be several. Without one it is the
    newest results that are shown, as many as a page has room for.
    """
    require_new(target, _OUTPUT, is_replacing=force)
    found = report(ReportRequest(selectors, results))
    for problem in some_of(found.problems, MOST_PROBLEMS):
        output.warn(f"Passed over: {problem}")
    if not can_draw():
        output.tell(MISSING)
    made = document_of(found)
    pictures = written_pictures(made, svg=svg, png=png, may_replace=force)
    write_text(target, _OUTPUT, made.text)
    written = Written(target, len(made.text.encode("utf-8")), made.titles, pictures)
    exit_code = ExitCode.DONE
    if is_opened and not opened(target):
        output.warn(f"No browser could be started here; open {target} in one.")
        exit_code = ExitCode.ERROR
    return output.show(
        page(found, written), report_document(found, written), exit_code, hint=hint(found)
    )
