"""What a CI system reads of a gate: a JUnit file, and GitHub's summary and annotations."""

from __future__ import annotations

import os
from pathlib import Path

from harness import __version__
from harness.commandline import stream
from harness.commandline.places import write_text
from harness.commands.gate.annotations import workflow_commands
from harness.commands.gate.gate import GateResult
from harness.commands.gate.page import details, page, verdict
from harness.errors import UsageError
from harness.files import cannot
from harness.report import github, junit


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


def write_junit(path: Path, result: GateResult) -> None:
    """
    The gate's page as JUnit XML at `path`, whole or not at all.

    Raises:
        ResultsUnwritable: It cannot be written.
    """
    write_text(path, "--junit", junit_text(result))


def junit_text(result: GateResult) -> str:
    """The gate's page as JUnit XML, with what it was judged by as properties."""
    limits, candidate = result.judgement.limits, result.candidate.experiment
    properties = {
        "harness": __version__,
        "verdict": result.judgement.verdict,
        "baseline": result.request.baseline,
        "candidate.experiment": candidate.id,
        "candidate.machine": candidate.machine.id,
        "candidate.build": candidate.provenance.engine.build,
        "max-slowdown": str(limits.max_slowdown),
        "max-memory": str(limits.max_memory),
    }
    if limits.max_kl is not None:
        properties["max-kl"] = str(limits.max_kl)
    if result.baseline:
        baseline = result.baseline.experiment
        properties["baseline.experiment"] = baseline.id
        properties["baseline.machine"] = baseline.machine.id
        properties["baseline.build"] = baseline.provenance.engine.build
    return junit.render(
        page(result), suite="harness gate", started_at=candidate.started_at, properties=properties
    )


def tell_github(result: GateResult) -> None:
    """The summary and the annotations, where GitHub Actions is listening."""
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if summary:
        try:
            with Path(summary).open("a", encoding="utf-8") as file:
                file.write(summary_text(result))
        except OSError as error:
            # The verdict counts; it must not be lost with its decoration.
            told = cannot("written", summary, error, "the verdict stands without it")
            stream.write(f"Warning: {told}", err=True)
    if os.environ.get("GITHUB_ACTIONS") == "true":
        # It reads both streams; stdout is for the data.
        for line in workflow_commands(result):
            stream.write_command(line)


def summary_text(result: GateResult) -> str:
    """The gate's page for the summary of a CI run, the verdict first; ends with a line break."""
    text = github.render((*verdict(result), *details(result)))
    return f"### harness gate: {result.judgement.verdict}\n\n{text}\n"


def _is_report(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            start = file.read(64).lstrip()
    except OSError as error:
        raise UsageError(cannot("read", f"--junit {path}", error, "name another file")) from error
    return not start or start.startswith((b"<?xml", b"<testsuite"))
