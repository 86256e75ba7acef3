"""How pages and the pictures in them look: one style sheet, which holds the colours of both."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources


@cache
def style() -> str:
    """The style sheet of every page."""
    return (resources.files("harness.data") / "page.css").read_text("utf-8")


@cache
def palette(*, is_dark: bool) -> dict[str, str]:
    """Its colours by the names of their variables: {"text": "#1c2024", ...}."""
    light, dark, *_ = re.findall(r":root \{(.*?)\}", style(), re.DOTALL)
    return dict(re.findall(r"--([a-z]+\d?): (#[0-9a-f]{6});", dark if is_dark else light))


def colour(name: str) -> str:
    """A colour as every picture is drawn at first; svg.recoloured puts others in its place."""
    return palette(is_dark=False)[name]
