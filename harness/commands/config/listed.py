"""What is kept, where from, and what is wrong with it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.commandline.config import shown, unknown
from harness.commandline.config_file import ConfigFile, lines_of_key
from harness.commandline.options import ENVIRONMENT


@dataclass(frozen=True)
class Setting:
    """
    A default that is set.

    Attributes:
        key: The option, or the command and its option.
        value: As one would type it.
        source: Its line of the file, or the name of the variable.
        line: The line, where it is of the file and that can be told.
        problem: Why no command takes it; null where all do.
        beaten_by: The variable that is set and wins; null where none does.
    """

    key: str
    value: str
    source: str
    line: int | None
    problem: str | None = None
    beaten_by: str | None = None


@dataclass(frozen=True)
class ConfigDocument:
    """The defaults that are set, those of the file in its order, then those of the environment."""

    path: Path
    is_there: bool
    settings: tuple[Setting, ...]


@dataclass(frozen=True)
class PathDocument:
    """Where the file of defaults lies, or would lie."""

    path: Path


Objection = Callable[[str, object], str | None]


def listed(config: ConfigFile, objection: Objection) -> ConfigDocument:
    """
    All that is set.

    Args:
        config: The file.
        objection: Why the option of a key does not take a value; None where it does.
    """
    settings = [_of_file(config, key, value, objection) for key, value in config.values.items()]
    settings += [
        Setting(option, value, variable, None)
        for option, variable in ENVIRONMENT.items()
        if (value := os.environ.get(variable))
    ]
    return ConfigDocument(config.path, bool(config.text), tuple(settings))


def _of_file(config: ConfigFile, key: str, value: object, objection: Objection) -> Setting:
    lines = lines_of_key(config.text, key)
    line = lines.first + 1 if lines else None
    problem = unknown(key)
    problem = f"{key} {problem}" if problem else objection(key, value)
    variable = ENVIRONMENT.get(key.rpartition(".")[2])
    return Setting(
        key,
        shown(value),
        f"line {line}" if line else "the file",
        line,
        problem,
        variable if variable and os.environ.get(variable) else None,
    )
