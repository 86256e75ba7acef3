"""The results of an experiment where they belong: tables on stdout, how far to trust them aside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.commandline.output import Output
from harness.report.document import document
from harness.report.measured_page import (
    MeasuredResult,
    measured_aside,
    measured_page,
    measured_result,
)
from harness.report.measured_pictures import measured_pictures

if TYPE_CHECKING:
    # To show what is stored must not wait for what measures.
    from harness.measure.session import SessionResult


def show_measured(measured: SessionResult, output: Output, *, is_full: bool) -> int:
    """
    Shows what was measured just now; the exit code of it.

    Raises:
        ResultsUnwritable: The record could not be kept whole.
    """
    found = measured.result
    show_result(
        measured_result(measured.experiment, found.runs, found.stops, measured.path),
        output,
        is_full=is_full,
    )
    return measured.exit_code


def show_result(result: MeasuredResult, output: Output, *, is_full: bool) -> int:
    """Shows an experiment, measured now or stored; the exit code of that."""
    shown = measured_page(result, is_full=is_full)
    names = dict.fromkeys(group.model.key for group in result.groups)
    return output.show(
        shown,
        document(result),
        aside=measured_aside(result),
        title=", ".join(names),
        pictures=measured_pictures(result.groups) if output.html else (),
        html_page=measured_page(result, is_full=True) if output.html else None,
    )
