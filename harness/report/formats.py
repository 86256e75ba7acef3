"""How a Page may be written: a format's name to its renderer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from harness.report import flat, github, plain
from harness.report.page import Page

FOR_PEOPLE = frozenset(("plain", "github"))
"""Those that people read; the others are lines of raw numbers."""

FORMATS: Mapping[str, Callable[[Page], str]] = {
    "plain": plain.render,
    "github": github.render,
    "csv": partial(flat.render, delimiter=","),
    "tsv": partial(flat.render, delimiter="\t"),
}
