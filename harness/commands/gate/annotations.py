"""
A gate's judgement as workflow commands of GitHub Actions, which it shows beside a run.

The form is that of "Workflow commands for GitHub Actions" in GitHub's documentation; the escapes
are those of actions/toolkit, packages/core/src/command.ts.
"""

from __future__ import annotations

import re

from harness.analysis.gate.judge import Verdict
from harness.commands.gate.gate import GateResult
from harness.report.gate_words import check_text, sentence, waiver_text
from harness.report.text import sanitize

# GitHub shows ten of a kind for each step and drops the others without a word.
_MOST = 10
_TITLE = "harness gate"
_WORST_FIRST: tuple[Verdict, ...] = ("regression", "inconclusive", "pass")
# What the runner takes for a command; of each the last character is kept.
_COMMANDS = re.compile(r"(:+(?=:)|##+(?=\[))(.)")


def workflow_commands(result: GateResult) -> list[str]:
    """One line for each regression and each thing that is inconclusive, then the verdict's."""
    judgement = result.judgement
    levels = {"regression": "error", "inconclusive": "warning" if result.waived_by else "error"}
    worst_first = sorted(judgement.checks, key=lambda check: _WORST_FIRST.index(check.verdict))
    told = [check for check in worst_first if check.verdict in levels]
    # One is left for the verdict, which stands above all.
    shown = told[: _MOST - 1]
    lines = [_command(levels[check.verdict], check_text(check)) for check in shown]
    waiver = waiver_text(judgement, result.waived_by)
    verdict = " ".join(filter(None, [sentence(judgement), waiver]))
    level = "notice" if judgement.verdict == "pass" else levels[judgement.verdict]
    more = f" {len(told) - len(shown)} more are in the log." if len(told) > len(shown) else ""
    return [_command(level, verdict + more), *lines]


def _command(level: str, message: str) -> str:
    return f"::{level} title={_property(_TITLE)}::{_data(safe(message))}"


def safe(text: str) -> str:
    """`text` in which nothing is a command of its own: a model's name might hold one."""
    return _COMMANDS.sub(r"\2", sanitize(text))


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
