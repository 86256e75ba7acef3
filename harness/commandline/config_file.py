"""
The file of a user's defaults, config.toml: read with bounds, and changed without losing a comment.

    results = "~/results"       # what many commands have an option for
    threads = 4

    [run]                       # for one command alone; it wins over the above
    workload = "pp512,tg128"

A key is the name of an option, or of a command and its option: "results", "run.workload".
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.bounded import read_bounded
from harness.errors import HarnessError
from harness.files import cannot
from harness.folders import config_dir

_NAME = "config.toml"
# Some hundred options, a line each.
_MOST_BYTES = 20_000
_MOST_LINES = 500
_WHOLE_NUMBER = re.compile(r"0|-?[1-9]\d{0,17}")


class ConfigInvalid(HarnessError):
    """The file of defaults cannot be read, or not be changed by a program."""


@dataclass(frozen=True)
class ConfigFile:
    """What is in it: nothing where there is none. `values` by their keys, in their order."""

    path: Path
    text: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)

    def where(self, key: str) -> str:
        """The file, the line where that can be told, and the key."""
        found = lines_of_key(self.text, key)
        return f"{self.path}:{found.first + 1}: {key}" if found else f"{self.path}: {key}"


@dataclass(frozen=True)
class Lines:
    """The lines of a value, the first and the last, counted from 0."""

    first: int
    last: int


def config_path() -> Path:
    """Where it lies, or would lie."""
    return config_dir() / _NAME


def read_config() -> ConfigFile:
    """
    The user's, as it is now.

    Raises:
        ConfigInvalid: It is there and cannot be read, or is not TOML.
    """
    path = config_path()
    try:
        text = read_bounded(path, _MOST_BYTES).decode("utf-8-sig")
    except (FileNotFoundError, NotADirectoryError):
        return ConfigFile(path)
    except UnicodeDecodeError:
        raise ConfigInvalid(f"{path} is not UTF-8 text; save it as that") from None
    except OSError as error:
        advice = "mend or remove it; HARNESS_CONFIG names another folder"
        raise ConfigInvalid(cannot("read", path, error, advice)) from error
    try:
        return ConfigFile(path, text, values_in(text))
    except ValueError as error:
        raise ConfigInvalid(f"{path} is not TOML: {error}; mend it") from None


def values_in(text: str) -> dict[str, Any]:
    """
    The values of a file by their keys; what lies deeper than in a table stays one value.

    Raises:
        ValueError: It is not TOML.
    """
    try:
        top = tomllib.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    found: dict[str, Any] = {}
    for name, value in top.items():
        if isinstance(value, dict):
            found |= {f"{name}.{below}": each for below, each in value.items()}
        else:
            found[name] = value
    return found


def lines_of_key(text: str, key: str) -> Lines | None:
    """The lines that set `key`; None where none does, or where there are too many to look."""
    lines = _split(text)
    if len(lines) > _MOST_LINES:
        return None
    first = 0
    for last in range(len(lines)):
        try:
            # What ends in the middle of a value is not TOML.
            values = values_in("".join(lines[: last + 1]))
        except ValueError:
            continue
        if key in values:
            return Lines(first, last)
        first = last + 1
    return None


def with_value(text: str, key: str, value: str | list[str]) -> str:
    """
    The text with `key` set to `value`; all else, comments too, stays as it is.

    Raises:
        ValueError: It is laid out so that only a person can change it.
    """
    lines, found = _split(text), lines_of_key(text, key)
    if found:
        line = lines[found.first]
        comment = re.search(r"\s+#[^\"']*$", line.rstrip()) if found.first == found.last else None
        left = line.partition("=")[0].rstrip()
        new = f"{left} = {_written(value)}{comment[0] if comment else ''}\n"
        changed = [*lines[: found.first], new, *lines[found.last + 1 :]]
    else:
        changed = _inserted(lines, key, f" = {_written(value)}\n")
    wanted = {**values_in(text), key: tomllib.loads(f"value = {_written(value)}")["value"]}
    return _checked("".join(changed), wanted)


def without(text: str, key: str) -> str:
    """
    The text without `key`, which it sets.

    Raises:
        ValueError: As `with_value`.
    """
    lines, found = _split(text), lines_of_key(text, key)
    changed = [*lines[: found.first], *lines[found.last + 1 :]] if found else lines
    wanted = values_in(text)
    wanted.pop(key, None)
    return _checked("".join(changed), wanted)


def _inserted(lines: list[str], key: str, assignment: str) -> list[str]:
    """A new line in its table, which is added at the end where there is none."""
    lines = [*lines[:-1], f"{lines[-1].rstrip()}\n"] if lines else []
    table, dot, name = key.rpartition(".")
    heads = [index for index, line in enumerate(lines) if line.lstrip().startswith("[")]
    if not dot:
        at = heads[0] if heads else len(lines)
        while at and not lines[at - 1].strip():
            at -= 1
        return [*lines[:at], f"{key}{assignment}", *lines[at:]]
    named = re.compile(rf"\s*\[\s*{re.escape(table)}\s*\]")
    head = next((index for index in heads if named.match(lines[index])), None)
    if head is None:
        return [*lines, *(["\n"] if lines else []), f"[{table}]\n", f"{name}{assignment}"]
    return [*lines[: head + 1], f"{name}{assignment}", *lines[head + 1 :]]


def _checked(text: str, wanted: Mapping[str, Any]) -> str:
    """The text, if it says what it should: lines were looked at, and TOML knows other ways."""
    try:
        is_right = values_in(text) == wanted
    except ValueError:
        is_right = False
    if not is_right:
        raise ValueError("it is laid out in a way that only a person can change")
    return text


def _written(value: str | list[str]) -> str:
    """As TOML has it: a whole number bare, all else in quotes."""
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    if _WHOLE_NUMBER.fullmatch(value):
        return value
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _split(text: str) -> list[str]:
    """Lines with their ends, as TOML knows them."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)
