"""One line of an experiment file, to and from its record, whatever schema it was written in."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from harness.bounded import parsed_json
from harness.errors import ResultsInvalid, ResultsUnwritable, SchemaTooNew
from harness.schema.experiment import SCHEMA_VERSION
from harness.schema.record import Record, first_mistake

_AnyRecord = TypeVar("_AnyRecord", bound=Record)
Json = dict[str, Any]
Upgrade = Callable[[Json], Json]


def _as(schema: int) -> Upgrade:
    """To `schema`, which only added what may be missing."""
    return lambda record: (
        record | {"schema": schema} if record.get("kind") == "experiment" else record
    )


def _to_5(record: Json) -> Json:
    """TTFT is predicted in ns, as it is measured; a method and a field have other names."""
    record = _as(5)(record)
    if "energy_obstacles" in record:
        names = {"energy_obstacles": "energy_reasons_missing"}
        record = {names.get(name, name): each for name, each in record.items()}
    if record.get("kind") != "experiment" or not isinstance(record.get("predictions"), list):
        return record
    return record | {"predictions": [_as_of_5(each) for each in record["predictions"]]}


def _as_of_5(prediction: Any) -> Any:
    if not isinstance(prediction, dict):
        return prediction
    if prediction.get("method") == "anchors":
        prediction = prediction | {"method": "local-results"}
    if prediction.get("component") != "ttft_ms":
        return prediction
    times = {
        name: prediction[name] * 1e6
        for name in ("value", "low", "high")
        if isinstance(prediction.get(name), (int, float))
    }
    return prediction | times | {"component": "ttft_ns"}


# Schema number n to the function that turns any line of schema n into one of n + 1. To add one:
# raise SCHEMA_VERSION, write the function here, keep the last gold file in tests/gold/.
_UPGRADES: Mapping[int, Upgrade] = {
    **{schema: _as(schema + 1) for schema in (1, 2, 3, 5, 6, 7, 8)},
    4: _to_5,
}


def upgraded(
    record: Json,
    schema: int,
    upgrades: Mapping[int, Upgrade] = _UPGRADES,
    target: int = SCHEMA_VERSION,
) -> Json:
    """`record`, a line of a file of an older `schema`, as a line of schema `target`."""
    for step in range(schema, target):
        record = upgrades[step](record)
    return record


def encode(record: Record) -> bytes:
    """
    The line that keeps `record`, line break included.

    Raises:
        ResultsUnwritable: It holds NaN or an infinity, which are not JSON.
    """
    facts = record.model_dump(by_alias=True)
    try:
        text = json.dumps(facts, allow_nan=False, separators=(",", ":"), ensure_ascii=False)
    except ValueError as error:
        raise ResultsUnwritable(
            f"A {type(record).__name__} holds a figure that is not a number and was not kept: "
            f"{error}. Please report this."
        ) from error
    # Text of another program (a model's name, a log line) may hold half a surrogate pair.
    return text.encode("utf-8", errors="backslashreplace") + b"\n"


def parse(line: bytes) -> Json | None:
    """The JSON object in `line`, or None where there is none, or none that can be a record."""
    try:
        value = parsed_json(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def schema_of(path: Path, record: Json | None) -> int:
    """
    The schema number that a file's first `record` tells.

    Raises:
        ResultsInvalid: It is no experiment, has no number, or (SchemaTooNew) one this harness
            does not know.
    """
    if record is None or record.get("kind") != "experiment":
        raise ResultsInvalid(
            f"{path} is not an experiment file: its first line describes no experiment."
        )
    schema = record.get("schema")
    if type(schema) is not int or schema < 1:
        raise ResultsInvalid(f"{path} does not say of which schema it is; it may be damaged.")
    if schema > SCHEMA_VERSION:
        raise SchemaTooNew(
            f"{path} is of schema {schema}; this harness reads up to {SCHEMA_VERSION}. "
            "Upgrade the harness to read it."
        )
    return schema


def validated(
    kind: type[_AnyRecord], record: Json | None, path: Path, number: int, schema: int
) -> _AnyRecord:
    """
    `record` as the type it says it is; `number` is its line, for the message.

    Raises:
        ResultsInvalid: It does not have that shape.
    """
    if record is None:
        raise ResultsInvalid(damaged(path, number, "it is not JSON"))
    try:
        return kind.model_validate(upgraded(record, schema))
    except ValidationError as error:
        raise ResultsInvalid(damaged(path, number, first_mistake(error))) from error


def damaged(path: Path, number: int, reason: str) -> str:
    """What to say of a damaged line."""
    return (
        f"{path}, line {number} is damaged: {reason}. Restore the file from a copy, or move it "
        "out of the results folder."
    )
