"""How a command measures in front of a person: progress on stderr, then the results."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from harness.commandline.output import show_results
from harness.measure.session import Measurement, exit_code, take
from harness.report.progress.measuring import Progress


def measure(
    measurement: Measurement,
    paths: Mapping[str, Path],
    given: Mapping[str, Any],
    results: Path,
    console: Console,
) -> int:
    """
    Measures, stores, shows; the exit code of it. The arguments are those of `take`.
    """
    measured = take(measurement, paths, given, results, partial(Progress, console))
    show_results(
        measured.experiment,
        measured.result.runs,
        measured.result.stops,
        measured.path,
        table_format="json" if given["as_json"] else given["table_format"],
        is_quiet=given["quiet"],
    )
    return exit_code(measured.result)
