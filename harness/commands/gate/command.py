"""`harness gate`: whether a stored experiment is worse than its baseline by more than allowed."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import click

from harness import units
from harness.analysis.metrics import COMPARED, GATED
from harness.commandline import options
from harness.commands.gate.annotations import gate_annotations
from harness.commands.gate.document import gate_document
from harness.commands.gate.gate import Asked, gate
from harness.commands.gate.judge import Judgement, Limits
from harness.commands.gate.junit import gate_junit
from harness.commands.gate.markdown import gate_markdown
from harness.commands.gate.match import ACROSS
from harness.commands.gate.page import gate_text
from harness.commands.gate.words import Gated
from harness.errors import ExitCode, ResultsUnwritable, UsageError
from harness.files import atomic_write, cannot

_LIMIT = options.Parsed("share", units.parse_limit)


def _nats(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{text!r} is no divergence; write nats, as in 0.01") from None
    if not 0 <= value < math.inf:
        raise ValueError(f"{text!r} is no divergence; write nats, as in 0.01")
    return value


@click.command("gate")
@click.argument("experiment", default="latest")
@click.option(
    "--baseline",
    required=True,
    metavar="NAME|FILE|ID|latest|best",
    help="What EXPERIMENT is judged against.",
)
@click.option(
    "--max-slowdown",
    type=_LIMIT,
    default="5%",
    show_default=True,
    help="More time that is allowed.",
)
@click.option(
    "--max-memory",
    type=_LIMIT,
    default="3%",
    show_default=True,
    help="More memory that is allowed.",
)
@click.option(
    "--max-kl",
    type=options.Parsed("nats", _nats),
    help="Largest mean KL divergence from the reference, as `harness quality` stored it.",
)
@click.option(
    "--inconclusive",
    type=click.Choice(("fail", "pass")),
    default="fail",
    show_default=True,
    help="What it means when nothing can be told; what the candidate owes never passes.",
)
@click.option(
    "--metric",
    "wanted",
    type=options.Listed("list", options.one_of(*COMPARED)),
    help=f"Judge these of {', '.join(COMPARED)}. Default: {','.join(GATED)}.",
)
@click.option(
    "--across",
    type=options.Listed("list", options.one_of(*ACROSS)),
    default=(),
    help=f"Judge although these differ: {', '.join(ACROSS)}.",
)
@click.option(
    "--junit", type=click.Path(path_type=Path), metavar="FILE", help="Write JUnit XML too."
)
@options.results_option
@options.json_option
def command(experiment: str, baseline: str, **given: Any) -> int:
    """
    Say whether EXPERIMENT is worse than a baseline by more than is allowed.

    EXPERIMENT is a stored one: `latest` (the default), an id or its beginning, or a path. The
    baseline is what `harness baseline save NAME` kept, an experiment file, or an earlier comparable
    experiment: the `latest` or the `best`.

    Exit code 0: everything is within the limits, surely. 3: something is surely beyond them. 4:
    neither is sure, a case failed, or there is nothing to compare with. In GitHub Actions the
    verdict is also written to the summary and shown as annotations.
    """
    junit: Path | None = given["junit"]
    if junit:
        _require_place(junit)
    is_lenient = given["inconclusive"] == "pass"
    asked = Asked(
        experiment=experiment,
        baseline=baseline,
        limits=Limits(given["max_slowdown"], given["max_memory"], given["max_kl"]),
        wanted=given["wanted"],
        across=given["across"],
        results=given["results"],
    )
    gated = gate(asked)
    code = _exit_code(gated.judgement, is_lenient)
    if junit:
        _write(junit, gate_junit(gated, is_lenient=is_lenient))
    _tell_github(gated, is_lenient)
    if given["as_json"]:
        document = gate_document(gated, code, is_lenient=is_lenient)
        click.echo(json.dumps(document, indent=2, allow_nan=False))
    else:
        click.echo(gate_text(gated, is_lenient=is_lenient))
    return code


def _exit_code(judgement: Judgement, is_lenient: bool) -> ExitCode:
    if judgement.verdict == "regression":
        return ExitCode.REGRESSION
    is_passing = judgement.verdict == "pass" or (is_lenient and judgement.is_waivable)
    return ExitCode.DONE if is_passing else ExitCode.INCONCLUSIVE


def _require_place(junit: Path) -> None:
    """
    Nothing, if a report can be put at `junit`; better known before than after.

    Raises:
        UsageError: It cannot, or something else lies there.
    """
    if not junit.parent.is_dir():
        raise UsageError(f"--junit {junit}: there is no folder {junit.parent}; make it first")
    if junit.is_dir():
        raise UsageError(f"--junit {junit} is a folder; name a file in it")
    # The last report is replaced. A record that was named by mistake is not.
    if junit.exists() and not _is_report(junit):
        raise UsageError(f"--junit {junit} exists and is no XML; name another file")


def _is_report(junit: Path) -> bool:
    try:
        with junit.open("rb") as file:
            start = file.read(64).lstrip()
    except OSError as error:
        raise UsageError(cannot("read", f"--junit {junit}", error, "name another file")) from error
    return not start or start.startswith((b"<?xml", b"<testsuite"))


def _write(junit: Path, data: bytes) -> None:
    try:
        with atomic_write(junit) as part:
            part.write_bytes(data)
    except OSError as error:
        advice = "choose another place with --junit FILE"
        raise ResultsUnwritable(cannot("written", junit, error, advice)) from error


def _tell_github(gated: Gated, is_lenient: bool) -> None:
    """The summary and the annotations, where GitHub Actions is listening."""
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if summary:
        try:
            with Path(summary).open("a", encoding="utf-8") as file:
                file.write(gate_markdown(gated, is_lenient=is_lenient))
        except OSError as error:
            # The verdict counts; it must not be lost with its decoration.
            told = cannot("written", summary, error, "the verdict stands without it")
            click.echo(f"Warning: {told}", err=True)
    if os.environ.get("GITHUB_ACTIONS") == "true":
        # It reads both streams; stdout is for the data.
        for line in gate_annotations(gated, is_lenient=is_lenient):
            click.echo(line, err=True)
