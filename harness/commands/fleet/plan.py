"""
What a fleet is to measure: a file in YAML, read strictly, as the words of `harness run` per host.

    models: [smollm2-135m]      # what every host measures, and how
    workload: [pp512, tg128]
    machines:
      studio:                   # what differs on one of them
        harness: ~/harness/.venv/bin/harness
        models: [gpt-oss-20b]

A key is the long name of an option of `harness run`, which also checks the values.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from harness.commandline.written_options import Option
from harness.errors import UsageError
from harness.fleet.connection import HARNESS, LOCAL
from harness.fleet.job import MOST_WORDS
from harness.models.catalog.file import parse_record, read_catalog_text
from harness.schema.record import Record

_ADVICE = "name a plan: harness fleet run PLAN.yaml"
_N_OFFERED = 2


def _listed(value: Any) -> Any:
    """One name is a list of one."""
    found = [value] if isinstance(value, str) else value
    if not isinstance(found, list) or not found or not all(isinstance(it, str) for it in found):
        raise ValueError("write names of models, as in [smollm2-135m]")
    if bad := [it for it in found if not it.strip() or not it.isprintable()]:
        raise ValueError(f"{bad[0]!r} is no name of a model")
    return found


def _command(value: Any) -> Any:
    """What starts the harness on a machine."""
    if value is None or (isinstance(value, str) and value.strip() and value.isprintable()):
        return value
    raise ValueError("write what starts harness there, as in ~/harness/.venv/bin/harness")


def _of_hosts(value: Any) -> Any:
    """A key without a value is one of which all lines are comments."""
    if value is None:
        return {}
    return _keyed(value, "write hosts with what differs there, as in studio: {runs: 3}")


def _keyed(value: Any, wanted: str) -> Any:
    if not isinstance(value, dict):
        raise ValueError(wanted)
    if bad := [key for key in value if not isinstance(key, str)]:
        raise ValueError(f"YAML reads a key as {bad[0]!r}, which is no text; write it in quotes")
    return value


_Models = Annotated[tuple[str, ...], BeforeValidator(_listed)]
_Command = Annotated[str | None, BeforeValidator(_command)]


class _OfMachine(Record):
    """What differs on a machine; keys that are no fields are options."""

    model_config = ConfigDict(extra="allow")

    harness: _Command = None
    models: _Models | None = None

    @model_validator(mode="before")
    @classmethod
    def _has_keys(cls, value: Any) -> Any:
        return _keyed(value, "write keys with values, as in models: [smollm2-135m]")


class _File(_OfMachine):
    """The whole of it."""

    machines: Annotated[dict[str, _OfMachine | None], BeforeValidator(_of_hosts)] = Field(
        default_factory=dict
    )


@dataclass(frozen=True)
class PlannedHost:
    """A host, what starts the harness there, and the words behind `harness run` for it."""

    host: str
    harness: str
    words: tuple[str, ...]


@dataclass(frozen=True)
class FleetPlan:
    """The hosts in their order; `sha256` is of what is measured, however the file is laid out."""

    path: Path
    sha256: str
    hosts: tuple[PlannedHost, ...]


def read_plan(
    path: Path, hosts: Sequence[str], command: str | None, options: Mapping[str, Option]
) -> FleetPlan:
    """
    The plan at `path` for `hosts`.

    Args:
        path: The file.
        hosts: What --hosts names, each once.
        command: What --harness says.
        options: What of `harness run` makes sense here, by long names without dashes.

    Raises:
        HarnessError: It cannot be read, or is not laid out like a plan.
        UsageError: Something in it is wrong; the message names the file and the key.
    """
    given = parse_record(_File, read_catalog_text(path, _ADVICE), str(path))
    where = f"{path}: machines"
    for name in given.machines:
        if name not in hosts:
            near = difflib.get_close_matches(name, hosts, 1)
            meant = f"; did you mean {near[0]}?" if near else "; add it there, or take it out"
            raise UsageError(f"{where}.{name}: it is not among --hosts ({', '.join(hosts)}){meant}")
    shared = _options_in(given, f"{path}: ", options)
    planned = []
    for host in hosts:
        own = given.machines.get(host) or _OfMachine()
        if own.harness and host == LOCAL:
            raise UsageError(f"{where}.{host}.harness: {LOCAL} is this program; leave it away")
        words = shared | _options_in(own, f"{where}.{host}.", options)
        models = own.models or given.models
        if models is None:
            raise UsageError(f"{path}: no models for {host}; write models: [smollm2-135m]")
        # Behind "--" a name can be no option.
        line = (*(each for of_key in words.values() for each in of_key), "--", *models)
        if len(line) > MOST_WORDS:
            raise UsageError(
                f"{path}: the plan for {host} has {len(line)} models and options, and a machine "
                f"takes {MOST_WORDS}; make several plans of it"
            )
        planned.append(PlannedHost(host, own.harness or command or given.harness or HARNESS, line))
    return FleetPlan(path, _sha256(given), tuple(planned))


def _options_in(
    given: _OfMachine, where: str, options: Mapping[str, Option]
) -> dict[str, tuple[str, ...]]:
    """By its key, each option as it stands on a command line."""
    found = {}
    for key, value in (given.model_extra or {}).items():
        if key not in options:
            near = difflib.get_close_matches(key, [*options, "models", "machines"], _N_OFFERED)
            meant = f"; did you mean {' or '.join(near)}?" if near else ""
            raise UsageError(
                f"{where}{key}: it is no option of `harness run` that a fleet has a use for{meant}"
            )
        found[key] = _words(f"--{key}", value, options[key], f"{where}{key}")
    return found


def _words(option: str, value: Any, about: Option, where: str) -> tuple[str, ...]:
    if about.is_flag:
        if not isinstance(value, bool):
            raise UsageError(f"{where}: it is on or off; write true or false")
        return (option,) if value else ()
    if value is None or value == []:
        raise UsageError(f"{where}: it has no value; write one, or take the key out")
    typed = about.typed(value, where)
    return tuple(f"{option}={each}" for each in ((typed,) if isinstance(typed, str) else typed))


def _sha256(given: _File) -> str:
    """Of what is measured where; where the program lies there is no matter."""
    kept = given.model_dump(mode="json", exclude_none=True)
    for each in (kept, *(it for it in kept["machines"].values() if it)):
        each.pop("harness", None)
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()
