"""
For whoever measures another machine: the record as it grows, and an end with the connection.

`ssh studio harness run … --jsonl --end-with-stdin` is how one machine is measured from another:
what comes over the line is the experiment file itself, and measuring ends with the connection.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import click

from harness import interrupts
from harness.commandline import stream
from harness.commandline.measuring import show_measured
from harness.commandline.output import Output
from harness.errors import UsageError
from harness.measure.session import SessionResult
from harness.records.store import load
from harness.report.json import encode
from harness.report.measured_page import measured_aside, measured_result
from harness.report.progress.measuring import Progress
from harness.schema.experiment import Experiment, Run, Stop
from harness.schema.record import Record

_INPUT = "--end-with-stdin"


@dataclass(frozen=True, slots=True)
class Streaming:
    """Whether the record goes to stdout as it grows."""

    as_jsonl: bool

    def observer(self, output: Output) -> Progress:
        """
        Who watches a measurement.

        Raises:
            UsageError: Both the record and something else are to stand on stdout.
        """
        if not self.as_jsonl:
            return Progress(output.console)
        if output.format != Output().format or output.html:
            asked = "--html" if output.html else f"--format {output.format}"
            raise UsageError(f"--jsonl is the record, and {asked} a page of it; take one")
        return _Streamed(output.console)

    def show(self, measured: SessionResult, output: Output, *, is_full: bool) -> int:
        """
        The page, or the record's last line, and how far to trust it; the exit code.

        Raises:
            ResultsUnwritable: The record could not be kept whole.
        """
        if not self.as_jsonl:
            return show_measured(measured, output, is_full=is_full)
        found = measured.result
        code = measured.exit_code
        end = load(measured.path).end if measured.path else None
        if end is not None:
            _write(end)
        result = measured_result(measured.experiment, found.runs, found.stops, measured.path)
        output.show((), None, aside=measured_aside(result))
        return code


def streaming_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """`--jsonl`, which reaches `function` as `streaming`, and `--end-with-stdin`, which acts."""

    @functools.wraps(function)
    def with_streaming(*arguments: Any, as_jsonl: bool, ends_with_stdin: bool, **given: Any) -> Any:
        if ends_with_stdin and not interrupts.end_with_input():
            raise UsageError(
                f"{_INPUT}: there is no standard input; keep it open, or leave that away"
            )
        return function(*arguments, streaming=Streaming(as_jsonl), **given)

    jsonl = click.option(
        "--jsonl",
        "as_jsonl",
        is_flag=True,
        help="The record itself on stdout, each Run as soon as it is over, instead of a page.",
    )
    ends = click.option(
        _INPUT,
        "ends_with_stdin",
        is_flag=True,
        help="End as after Ctrl-C when standard input does: with the ssh connection that began it.",
    )
    return jsonl(ends(with_streaming))


class _Streamed(Progress):
    """Progress that also prints each line of the record when that has been kept."""

    @contextmanager
    def shown(
        self, experiment: Experiment, runs: Sequence[Run] = (), stops: Sequence[Stop] = ()
    ) -> Iterator[None]:
        """First what the file begins with."""
        for record in (experiment, *runs):
            _write(record)
        with super().shown(experiment, runs, stops):
            yield

    def run_finished(self, run: Run, stop: Stop | None) -> None:
        """The Run, behind those before it."""
        _write(run)
        super().run_finished(run, stop)


def _write(record: Record) -> None:
    stream.write(encode(record.model_dump(mode="json", by_alias=True)))
