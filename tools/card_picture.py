"""
Writes docs/pictures/card.svg, the card of a shared file: `python -m tools.card_picture`.

tests/tools/test_card_picture.py holds it against what would be written, so it is never old.
"""

from __future__ import annotations

from pathlib import Path

from harness.commands.share.card_facts import card_of
from harness.records.store import load
from harness.report.card import svg
from harness.report.measured_page import measured_result

_ROOT = Path(__file__).resolve().parent.parent
PICTURE = _ROOT / "docs" / "pictures" / "card.svg"
_BOARD = _ROOT / "examples" / "board"
_SHOWN = "51521cf2"


def picture() -> str:
    """The card of the file of the board that was measured here."""
    (path,) = _BOARD.glob(f"*-{_SHOWN}.jsonl")
    stored = load(path)
    stops = stored.end.stops if stored.end else ()
    return svg(card_of(measured_result(stored.experiment, stored.runs, stops, None)))


if __name__ == "__main__":
    PICTURE.write_bytes(picture().encode())
