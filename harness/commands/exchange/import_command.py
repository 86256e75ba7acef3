"""`harness import`: results of llama-bench, to be shown and compared with our own."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from harness.commandline import options
from harness.commandline.output import Output, output_options
from harness.commandline.places import FILE_OR_STDIN
from harness.commands.exchange.document import import_document
from harness.commands.exchange.import_answer import take_over
from harness.commands.exchange.import_page import hint, page
from harness.commands.exchange.read import MOST_BYTES
from harness.errors import ResultsInvalid
from harness.files import cannot
from harness.report.page import notes
from harness.report.text import sanitize


@click.command(
    "import",
    epilog=options.examples(
        "llama-bench -m model.gguf -o jsonl | harness import -",
        "harness import results.jsonl",
    ),
)
@click.argument("file", type=FILE_OR_STDIN)
@options.results_option
@output_options
def command(file: Path, results: Path, output: Output) -> int:
    """
    Take llama-bench's results in FILE over into the results folder.

    FILE is what `llama-bench -o json`, jsonl, csv or sql printed, or the SQLite database that the
    SQL was piped into; `-` reads stdin. Each machine and build in it becomes an experiment. The
    same results are taken over once only. What llama-bench does not tell (memory, loading, what
    disturbed it) stays unknown.
    """
    name = "stdin" if str(file) == "-" else sanitize(str(file))
    taken = take_over(_data(file, name), name, results)
    return output.show(
        page(taken), import_document(taken), aside=notes([*taken.remarks]), hint=hint(taken)
    )


def _data(file: Path, name: str) -> bytes:
    """At most a byte more than is allowed, so that an endless file ends too."""
    try:
        if str(file) == "-":
            return sys.stdin.buffer.read(MOST_BYTES + 1)
        with file.open("rb") as stream:
            return stream.read(MOST_BYTES + 1)
    except OSError as error:
        advice = "name a file of llama-bench's results"
        raise ResultsInvalid(cannot("read", name, error, advice)) from error
