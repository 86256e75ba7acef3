"""
A Page's judgements as JUnit XML, in the form that Jenkins, GitLab and GitHub's viewers agree on.

One testcase for each row with a Judged cell: its table's title is the class, its first text the
name. So a viewer shows red exactly where the page says that something failed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from harness.report.cells import text_of
from harness.report.page import Judged, Page, Table
from harness.report.text import sanitize


@dataclass(frozen=True, slots=True)
class _Case:
    classname: str
    name: str
    judged: Judged
    details: tuple[str, ...]


def render(page: Page, *, suite: str, started_at: str, properties: Mapping[str, str]) -> str:
    """
    The document, ending with a line break.

    Args:
        page: Other parts than tables are left out.
        suite: What was run.
        started_at: When what is judged was measured, in ISO format.
        properties: What else to know of the suite.
    """
    cases = list(_cases(page))
    counts = Counter(case.judged.status for case in cases)
    numbers = {
        "tests": str(len(cases)),
        "failures": str(counts["failure"]),
        "errors": str(counts["error"]),
        "skipped": str(counts["skipped"]),
        "time": "0",
    }
    root = ET.Element("testsuites", {"name": suite, **numbers})
    stamp = {"timestamp": sanitize(started_at[:19])}
    element = ET.SubElement(root, "testsuite", {"name": suite, **numbers, **stamp})
    listed = ET.SubElement(element, "properties")
    for name, value in properties.items():
        ET.SubElement(listed, "property", {"name": name, "value": sanitize(value)})
    # Viewers tell testcases apart by their two names.
    seen: Counter[tuple[str, str]] = Counter()
    for case in cases:
        seen[case.classname, case.name] += 1
        _testcase(element, case, seen[case.classname, case.name])
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _cases(page: Page) -> Iterator[_Case]:
    for table in page:
        if not isinstance(table, Table):
            continue
        for row in table.rows:
            for judged in row:
                if isinstance(judged, Judged):
                    name = next((it for it in row if isinstance(it, str)), "")
                    details = [
                        f"{column.header}: {text}"
                        for column, cell in zip(table.columns, row, strict=True)
                        if column.header and cell not in (name, judged) and (text := text_of(cell))
                    ]
                    yield _Case(sanitize(table.title), sanitize(name), judged, tuple(details))


def _testcase(suite: ET.Element, case: _Case, number: int) -> None:
    name = case.name + (f" ({number})" if number > 1 else "")
    element = ET.SubElement(
        suite, "testcase", {"classname": case.classname, "name": name, "time": "0"}
    )
    judged = case.judged
    if judged.status == "pass":
        return
    message = sanitize(judged.message)
    facts = {"message": message}
    if judged.status != "skipped":
        facts["type"] = judged.kind or judged.word
    ET.SubElement(element, judged.status, facts).text = "\n".join([message, *case.details])
