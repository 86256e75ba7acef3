"""A default kept or forgotten: the file is changed whole or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.commandline.config_file import ConfigFile, ConfigInvalid, with_value, without
from harness.errors import UsageError
from harness.files import atomic_write, cannot


@dataclass(frozen=True)
class KeptDocument:
    """The answer of `harness config set`."""

    path: Path
    key: str
    value: str | list[str]


@dataclass(frozen=True)
class ForgottenDocument:
    """The answer of `harness config unset`."""

    path: Path
    key: str


def keep(config: ConfigFile, key: str, value: str | list[str]) -> KeptDocument:
    """
    The file with `key` set to `value`, which an option takes.

    Raises:
        ConfigInvalid: It cannot be written, or only a person can change it.
    """
    try:
        text = with_value(config.text, key, value)
    except ValueError as error:
        raise ConfigInvalid(f"{config.where(key)} cannot be set: {error}") from None
    _write(config.path, text)
    return KeptDocument(config.path, key, value)


def forget(config: ConfigFile, key: str) -> ForgottenDocument:
    """
    The file without `key`.

    Raises:
        UsageError: It does not set that.
        ConfigInvalid: As `keep`.
    """
    if key not in config.values:
        there = f"it sets {', '.join(config.values)}" if config.values else "it sets nothing"
        raise UsageError(f"{key} is not set in {config.path}: {there}")
    try:
        text = without(config.text, key)
    except ValueError as error:
        raise ConfigInvalid(f"{config.where(key)} cannot be removed: {error}") from None
    _write(config.path, text)
    return ForgottenDocument(config.path, key)


def _write(path: Path, text: str) -> None:
    try:
        data = text.encode("utf-8")
        # Of a link, as those keep one who has such files in a repository, what it leads to.
        path = path.resolve()
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as part:
            part.write_bytes(data)
    except UnicodeEncodeError:
        raise UsageError("a value is not text in UTF-8; write one that is") from None
    except OSError as error:
        advice = "mend its permissions, or set HARNESS_CONFIG to another folder"
        raise ConfigInvalid(cannot("written", path, error, advice)) from error
