"""
A photograph of a real report for the README: `python -m tools.report_picture`.

It is the top of the page that `harness report --results results/examples` writes, as a browser
shows it. No two browsers draw the same pixels, so the picture tells in itself of which page it was
taken, and tests/tools holds that against the page of today.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from pathlib import Path

from harness.commands.report.report import ReportRequest, ReportResult, report
from harness.commands.report.sections import sections
from harness.commands.report.write import document_of
from harness.report.html import document
from harness.scratch import own_folder
from tools.browser import chromium

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs" / "pictures" / "report.png"
EXAMPLES = ROOT / "results" / "examples"

_KEYWORD = b"source-sha256"
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_WIDTH, _HEIGHT = 1180, 960


def source() -> ReportResult:
    """What the report shows."""
    return report(ReportRequest((), EXAMPLES))


def digest(result: ReportResult) -> str:
    """Of the page without its drawings, which another version of their library makes anew."""
    return hashlib.sha256(document("", sections(result)).encode()).hexdigest()


def photographed(result: ReportResult) -> bytes:
    """
    A PNG of the top of the page.

    Raises:
        FileNotFoundError: There is no browser here.
    """
    with own_folder("harness-report") as folder, chromium() as browser:
        page = folder / "report.html"
        page.write_text(document_of(result).text, "utf-8")
        tab = browser.new_page(viewport={"width": _WIDTH, "height": _HEIGHT})
        tab.goto(page.as_uri())
        return _with_source(tab.screenshot(), digest(result))


def source_of(png: bytes) -> str | None:
    """The digest that a picture tells in itself."""
    for kind, data in _chunks(png):
        keyword, _, text = data.partition(b"\0")
        if kind == b"tEXt" and keyword == _KEYWORD:
            return text.decode("ascii")
    return None


def _with_source(png: bytes, text: str) -> bytes:
    """The picture with a text in front of its last chunk (PNG specification, 11.3.3.2)."""
    chunks = _chunks(png)
    told = (b"tEXt", _KEYWORD + b"\0" + text.encode("ascii"))
    return _SIGNATURE + b"".join(_packed(*each) for each in (*chunks[:-1], told, chunks[-1]))


def _chunks(png: bytes) -> list[tuple[bytes, bytes]]:
    found, at = [], len(_SIGNATURE)
    while at < len(png):
        length, kind = struct.unpack(">I4s", png[at : at + 8])
        found.append((kind, png[at + 8 : at + 8 + length]))
        at += 12 + length
    return found


def _packed(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


if __name__ == "__main__":
    PICTURE.write_bytes(photographed(source()))
