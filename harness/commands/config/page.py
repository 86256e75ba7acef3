"""Defaults, all or the one just kept or forgotten, as pages."""

from __future__ import annotations

from pathlib import Path

from harness.commands.config.edit import ForgottenDocument, KeptDocument
from harness.commands.config.listed import ConfigDocument, Setting
from harness.report.page import Column, Note, Page, Table, notes

_COLUMNS = (
    Column("key", "key"),
    Column("value", "value"),
    Column("from", "source"),
    Column("", "remark"),
)


def list_page(found: ConfigDocument) -> Page:
    """A row for each default."""
    if not found.settings:
        return ()
    rows = tuple((each.key, each.value, each.source, _remark(each)) for each in found.settings)
    wrong = tuple(f"{each.problem}." for each in found.settings if each.problem)
    file = Note((f"File: {found.path}",), is_whole=True)
    return (Table(_COLUMNS, rows), *([Note(wrong, "warning")] if wrong else []), file)


def list_hint(found: ConfigDocument) -> Page:
    """What to do where nothing is set, or something is wrong."""
    if not found.settings:
        return notes("No defaults are kept; `harness config set KEY VALUE` keeps one.")
    wrong = next((each.key for each in found.settings if each.problem), None)
    return notes(f"`harness config unset {wrong}` removes one." if wrong else "")


def kept_page(kept: KeptDocument) -> Page:
    """What is the default now."""
    value = kept.value if isinstance(kept.value, str) else " ".join(kept.value)
    return (Note((f"{kept.key} = {value}", f"Kept in {kept.path}"), is_whole=True),)


def forgotten_page(forgotten: ForgottenDocument) -> Page:
    """What is no default any more."""
    return (Note((f"Removed {forgotten.key} from {forgotten.path}",), is_whole=True),)


def path_page(path: Path) -> Page:
    """The path alone, for a shell."""
    return (Note((str(path),), is_whole=True),)


def _remark(setting: Setting) -> str:
    if setting.problem:
        return "wrong"
    return f"{setting.beaten_by} wins" if setting.beaten_by else ""
