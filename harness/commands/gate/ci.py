"""What a CI system reads of a gate: a JUnit file, and GitHub's summary and annotations."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from harness import __version__
from harness.commands.gate.annotations import gate_annotations
from harness.commands.gate.words import Gated
from harness.errors import ResultsUnwritable, UsageError
from harness.files import atomic_write, cannot
from harness.report import github, junit
from harness.report.page import Page


def require_place(path: Path) -> None:
    """
    Nothing, if a report can be put at `path`; better known before than after.

    Raises:
        UsageError: It cannot, or something else lies there.
    """
    if not path.parent.is_dir():
        raise UsageError(f"--junit {path}: there is no folder {path.parent}; make it first")
    if path.is_dir():
        raise UsageError(f"--junit {path} is a folder; name a file in it")
    # The last report is replaced. A record that was named by mistake is not.
    if path.exists() and not _is_report(path):
        raise UsageError(f"--junit {path} exists and is no XML; name another file")


def write_junit(path: Path, gated: Gated, page: Page) -> None:
    """
    The gate's page as JUnit XML at `path`, whole or not at all.

    Raises:
        ResultsUnwritable: It cannot be written.
    """
    text = gate_junit(gated, page)
    try:
        with atomic_write(path) as part:
            part.write_text(text, encoding="utf-8")
    except OSError as error:
        advice = "choose another place with --junit FILE"
        raise ResultsUnwritable(cannot("written", path, error, advice)) from error


def gate_junit(gated: Gated, page: Page) -> str:
    """The gate's page as JUnit XML, with what it was judged by as properties."""
    limits = gated.judgement.limits
    properties = {
        "harness": __version__,
        "verdict": gated.judgement.verdict,
        "baseline": gated.asked,
        "candidate.experiment": gated.candidate.id,
        "candidate.machine": gated.candidate.machine.id,
        "candidate.build": gated.candidate.provenance.engine.library_commit,
        "max-slowdown": str(limits.max_slowdown),
        "max-memory": str(limits.max_memory),
    }
    if limits.max_kl is not None:
        properties["max-kl"] = str(limits.max_kl)
    if gated.baseline:
        properties["baseline.experiment"] = gated.baseline.id
        properties["baseline.machine"] = gated.baseline.machine.id
        properties["baseline.build"] = gated.baseline.provenance.engine.library_commit
    return junit.render(
        page, suite="harness gate", started_at=gated.candidate.started_at, properties=properties
    )


def tell_github(gated: Gated, page: Page, tell: Callable[[str], None], *, is_lenient: bool) -> None:
    """The summary and the annotations, where GitHub Actions is listening; `tell` gets lines."""
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if summary:
        try:
            with Path(summary).open("a", encoding="utf-8") as file:
                file.write(gate_summary(gated, page))
        except OSError as error:
            # The verdict counts; it must not be lost with its decoration.
            told = cannot("written", summary, error, "the verdict stands without it")
            tell(f"Warning: {told}")
    if os.environ.get("GITHUB_ACTIONS") == "true":
        # It reads both streams; stdout is for the data.
        for line in gate_annotations(gated, is_lenient=is_lenient):
            tell(line)


def gate_summary(gated: Gated, page: Page) -> str:
    """The gate's page for the summary of a CI run, below a heading; ends with a line break."""
    return f"### harness gate: {gated.judgement.verdict}\n\n{github.render(page)}\n"


def _is_report(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            start = file.read(64).lstrip()
    except OSError as error:
        raise UsageError(cannot("read", f"--junit {path}", error, "name another file")) from error
    return not start or start.startswith((b"<?xml", b"<testsuite"))
