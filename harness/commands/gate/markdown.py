"""A gate's judgement as Markdown, for the summary page of a CI run."""

from __future__ import annotations

import re

from tabulate import tabulate

from harness.commands.gate.page import (
    ALIGNMENT,
    HEADER,
    baseline_text,
    by_case,
    candidate_text,
    legend_text,
    noted,
    row,
)
from harness.commands.gate.words import Gated, check_text, safe, sentence, waiver_text

# Everything that Markdown, GitHub's formulas and mentions, or HTML would take for their own. A
# backslash before punctuation is always that character (CommonMark 0.31, 2.4).
_SPECIAL = re.compile(r"([\\`*_\[\]<>|~$@#&!])")


def gate_markdown(gated: Gated, *, is_lenient: bool = False) -> str:
    """The verdict, a table for each case, and what else is to know; ends with a line break."""
    judgement = gated.judgement
    waiver = waiver_text(gated, is_lenient)
    lines = [
        f"### harness gate: {judgement.verdict}",
        "",
        _escaped(" ".join(filter(None, [sentence(judgement), waiver]))),
        "",
        f"- Baseline: {_escaped(baseline_text(gated))}",
        f"- Candidate: {_escaped(candidate_text(gated))}",
        *(f"- {_escaped(safe(remark))}" for remark in gated.remarks),
    ]
    for name, checks in by_case(judgement).items():
        table = [[_escaped(cell) for cell in row(check)] for check in checks]
        lines += ["", f"#### {_escaped(name)}", ""]
        lines.append(tabulate(table, HEADER, "github", disable_numparse=True, colalign=ALIGNMENT))
    notes = noted(judgement)
    if notes:
        lines += ["", *(f"- {_escaped(check_text(check))}" for check in notes)]
    if judgement.n_estimated:
        lines += ["", _escaped(legend_text(judgement))]
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", text)
