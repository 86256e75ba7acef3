"""
A gate's judgement as JUnit XML, in the form that Jenkins, GitLab and GitHub's viewers agree on.

One testcase for each figure and each obstacle. A regression is a failure. What is inconclusive is
an error where it fails the gate and skipped where it was asked to pass, so that a viewer shows
red exactly when the command's exit code does.
"""

from __future__ import annotations

from collections import Counter
from xml.etree import ElementTree as ET

from harness import __version__
from harness.commands.gate.judge import Check
from harness.commands.gate.words import (
    Gated,
    case_name,
    change_text,
    check_text,
    figure_name,
    limit_text,
    safe,
    values_text,
)

_SUITE = "harness gate"


def gate_junit(gated: Gated, *, is_lenient: bool = False) -> bytes:
    """The document, in UTF-8."""
    judgement = gated.judgement
    open_kind = "skipped" if is_lenient and judgement.is_waivable else "error"
    kinds = {"regression": "failure", "inconclusive": open_kind, "pass": ""}
    counts = Counter(kinds[check.verdict] for check in judgement.checks)
    numbers = {
        "tests": str(len(judgement.checks)),
        "failures": str(counts["failure"]),
        "errors": str(counts["error"]),
        "skipped": str(counts["skipped"]),
        "time": "0",
    }
    root = ET.Element("testsuites", {"name": _SUITE, **numbers})
    stamp = {"timestamp": safe(gated.candidate.started_at[:19])}
    suite = ET.SubElement(root, "testsuite", {"name": _SUITE, **numbers, **stamp})
    properties = ET.SubElement(suite, "properties")
    for name, value in _properties(gated).items():
        ET.SubElement(properties, "property", {"name": name, "value": safe(value)})
    seen: Counter[tuple[str, str]] = Counter()
    for check in judgement.checks:
        names = case_name(check), figure_name(check)
        seen[names] += 1
        _testcase(suite, check, kinds[check.verdict], seen[names])
    ET.indent(root)
    data: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return data + b"\n"


def _testcase(suite: ET.Element, check: Check, kind: str, number: int) -> None:
    # Viewers tell testcases apart by these two names.
    name = figure_name(check) + (f" ({number})" if number > 1 else "")
    case = ET.SubElement(
        suite, "testcase", {"classname": case_name(check), "name": name, "time": "0"}
    )
    if not kind:
        return
    message = check_text(check)
    facts = {"message": message}
    if kind != "skipped":
        facts["type"] = check.cause or check.verdict
    element = ET.SubElement(case, kind, facts)
    details = {
        "baseline → now": values_text(check),
        "worse by, %": change_text(check.change),
        "allowed": limit_text(check),
    }
    element.text = "\n".join([message, *(f"{key}: {it}" for key, it in details.items() if it)])


def _properties(gated: Gated) -> dict[str, str]:
    limits = gated.judgement.limits
    found = {
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
        found["max-kl"] = str(limits.max_kl)
    if gated.baseline:
        found["baseline.experiment"] = gated.baseline.id
        found["baseline.machine"] = gated.baseline.machine.id
        found["baseline.build"] = gated.baseline.provenance.engine.library_commit
    return found
