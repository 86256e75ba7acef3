"""One thing to know of figures; findings.py finds them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["info", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Finding:
    """
    One thing to know of figures, in a sentence or two.

    Attributes:
        level: "info" says what they are of. "warning": they may be off, or less sure than they
            look. "error": they are not to be believed, or there is none.
    """

    level: Level
    text: str
