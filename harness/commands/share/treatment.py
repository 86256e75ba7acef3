"""
What may become of a field when it is shared: the kinds of rules that rules.py gives to each.

A rule is asked with the Scrubber, which knows what names and times became, with the record as it
was, and with the field's value.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from harness.commands.share import warning, words
from harness.commands.share.scrub import Rule, Scrubber
from harness.schema.machine import Device
from harness.schema.model import ModelFile, ServedModel
from harness.schema.outcome import CaseFailure, Outcome
from harness.schema.record import Record
from harness.schema.request import RequestFailure
from harness.schema.settings import NGRAM
from harness.schema.workload import parse_workload

_DIGEST = re.compile(r"[0-9a-f]{64}")


def as_it_is(_scrubber: Scrubber, _record: Record, value: Any) -> Any:
    """A number, a flag, or one of few fixed words."""
    return value


def inside(scrubber: Scrubber, _record: Record, value: Any) -> Any:
    """Records, by their own rules."""
    return scrubber.inside(value)


def text(what: str, clean: Callable[[str], str]) -> Rule:
    """A text, or several, each cleaned; None and an empty one stay."""

    def rule(scrubber: Scrubber, record: Record, value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(rule(scrubber, record, each) for each in value)
        return scrubber.changed(what, value, clean(value)) if value else value

    return rule


def name(what: str, kind: str, known: Callable[[str], str | None]) -> Rule:
    """A name, or several, each kept where it is known; others are numbered."""

    def rule(scrubber: Scrubber, record: Record, value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(rule(scrubber, record, each) for each in value)
        return scrubber.changed(what, value, known(value) or scrubber.renamed(kind, value))

    return rule


def by_tensor_type(scrubber: Scrubber, _record: Record, value: dict[str, int]) -> dict[str, int]:
    """Numbers by type of weights; those of unknown types together."""
    found: dict[str, int] = {}
    for name, number in value.items():
        known = scrubber.changed("type of weights", name, words.tensor_type(name))
        found[known] = found.get(known, 0) + number
    return found


def gone(what: str, nothing: Any) -> Rule:
    """Left out, and said; `nothing` stands there."""

    def rule(scrubber: Scrubber, _record: Record, value: Any) -> Any:
        texts = value.values() if isinstance(value, dict) else value
        for text in (texts,) if isinstance(texts, str) else texts or ():
            scrubber.changed(what, text, "")
        return nothing

    return rule


def workload(_scrubber: Scrubber, _record: Record, value: Any) -> Any:
    """The name of a workload, or several, in its canonical spelling."""
    if isinstance(value, tuple):
        return tuple(parse_workload(each).name for each in value)
    return parse_workload(value).name


def moment(scrubber: Scrubber, _record: Record, value: str) -> str:
    """A time, moved as all times are."""
    return scrubber.moment(value)


def identifier(scrubber: Scrubber, _record: Record, value: str) -> str:
    """An id that the harness may have made."""
    return scrubber.identifier(value)


def model(scrubber: Scrubber, _record: Record, value: str) -> str:
    """A model's key."""
    return scrubber.changed("name of a model", value, scrubber.model(value).key)


def optional_model(scrubber: Scrubber, record: Record, value: str | None) -> str | None:
    """A model's key, where one is named."""
    return None if value is None else model(scrubber, record, value)


def draft(scrubber: Scrubber, record: Record, value: str | None) -> str | None:
    """What guesses for a model: another one's key, or the word for none."""
    return value if value == NGRAM else optional_model(scrubber, record, value)


def device(clean: Callable[[str], str]) -> Rule:
    """What describes a device, cleaned; of one behind a server its address, numbered."""

    def rule(scrubber: Scrubber, record: Record, value: str) -> str:
        assert isinstance(record, Device)
        kept = scrubber.renamed("server", value) if record.is_elsewhere else clean(value)
        return scrubber.changed("device", value, kept)

    return rule


def tokens(scrubber: Scrubber, _record: Record, value: tuple[int, ...]) -> tuple[int, ...]:
    """The tokens of an answer, left out: they are what the model says."""
    if value:
        scrubber.changed("text of an answer", f"{len(value)} tokens", "")
    return ()


def file_name(scrubber: Scrubber, record: Record, value: str) -> str:
    """The name of a model's file."""
    assert isinstance(record, ModelFile | ServedModel)
    return scrubber.changed("name of a file", value, scrubber.model(record.key).file_name)


def digest(scrubber: Scrubber, record: Record, value: str | None) -> str | None:
    """The digest of a known file; that of another would tell who else has it."""
    assert isinstance(record, ModelFile | ServedModel)
    if value is None or (_DIGEST.fullmatch(value) and scrubber.model(record.key).is_known):
        return value
    scrubber.changed("sha256 of a file", value, "")
    return None


def by_model(scrubber: Scrubber, _record: Record, value: dict[str, Record]) -> dict[str, Record]:
    """Records by the keys of models."""
    return {scrubber.model(key).key: scrubber.record(each) for key, each in value.items()}


def warnings(scrubber: Scrubber, _record: Record, value: tuple[str, ...]) -> tuple[str, ...]:
    """Those whose subject is known."""
    told = (scrubber.changed("warning", text, warning.without_names(text) or "") for text in value)
    return tuple(filter(None, told))


def message(scrubber: Scrubber, record: Record, value: str | None) -> str | None:
    """Why something failed, in a word: what the engine and the system said may hold paths."""
    assert isinstance(record, Outcome | CaseFailure | RequestFailure)
    if value is None:
        return None
    reason = (record.reason or "no reason is known").replace("-", " ")
    return scrubber.changed("message of an error", value, reason)
