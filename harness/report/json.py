"""
What a command found as one JSON document: every value is written in one way, whatever is shown.

A document is a dataclass, a result or made of one. Its fields are the keys; figures, records,
paths and other dataclasses may stand in it at any depth. docs/reference/json.md is written from
the same types (tools/reference_json.py).
"""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from harness.schema.figure import Figure

SCHEMA = 2
# History of the documents, newest first. A new key does not raise the number; a key that goes away
# or means something else does.
# 2 (2026-11): one form of a figure and one version for all documents; a key is never absent.
# 1 (2026-11): the first.


def render(document: object) -> str:
    """The document, which is a dataclass, with the version of its form; in lines."""
    return encode({"schema": SCHEMA, **_object(document)}, indent=2)


def render_line(document: object) -> str:
    """The same in one line, of an answer that comes document by document."""
    return encode({"schema": SCHEMA, **_object(document)})


def encode(value: object, *, indent: int | None = None) -> str:
    """
    `value`, of JSON's own types, as JSON in ASCII.

    The log of a CI runner takes "##[" anywhere in a line for a command (report/text.py); here it
    is written so that a program reads the same.
    """
    text = json.dumps(value, indent=indent, allow_nan=False)
    return text.replace("#[", "\\u0023[")


def plain(value: object) -> Any:
    """`value` in JSON's own types; what is not a finite number is null."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else None
        case Path():
            return str(value)
        case datetime.date():
            return value.isoformat()
        case Figure():
            return _figure(value)
        case BaseModel():
            return plain(value.model_dump(mode="json"))
        case Mapping():
            return {str(key): plain(each) for key, each in value.items()}
        case _ if is_dataclass(value):
            return _object(value)
        case Iterable():
            return [plain(each) for each in value]
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def _object(value: object) -> dict[str, Any]:
    assert is_dataclass(value)
    return {each.name: plain(getattr(value, each.name)) for each in fields(value)}


def _figure(figure: Figure) -> dict[str, Any]:
    """As every figure is written; the last two only where they are known."""
    known: dict[str, Any] = {
        "value": figure.value,
        "low": figure.low,
        "high": figure.high,
        "n": figure.n,
        "unit": figure.unit,
        "kind": figure.kind,
    }
    if figure.standard_error is not None:
        known["standard_error"] = figure.standard_error
    if figure.source:
        known["source"] = figure.source
    return {key: plain(value) for key, value in known.items()}
