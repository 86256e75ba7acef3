"""
Quality results on the disk: `quality/` in the results folder, one JSON document each.

A document is written once, whole or not at all, and never changed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from harness.bounded import parsed_json, read_bounded
from harness.errors import ResultsInvalid
from harness.files import atomic_write, cannot, unreadable
from harness.records import lines
from harness.records.rescue import ELSEWHERE, rescued, unwritable
from harness.schema.moment import utc_time
from harness.schema.quality import QUALITY_SCHEMA, QualityRecord
from harness.schema.record import first_mistake

_FOLDER = "quality"


def quality_folder(results: Path) -> Path:
    """Where quality results lie under `results`."""
    return results / _FOLDER


@dataclass(frozen=True, slots=True)
class StoredQuality:
    """One file; `problem` says why it cannot be read, and `record` is then None."""

    path: Path
    record: QualityRecord | None = None
    problem: str | None = None


def save_quality(results: Path, record: QualityRecord) -> Path:
    """
    Keeps `record`; its path, on the disk when this returns.

    Raises:
        ResultsUnwritable: The disk or the folder refuses; nothing is left behind there.
    """
    folder = quality_folder(results)
    data = lines.encode(record)
    path = folder / _file_name(record)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as part:
            part.write_bytes(data)
    except OSError as error:
        message = cannot("written", path, error, ELSEWHERE)
        raise unwritable(message, "its scores are", rescued(path.name, data)) from error
    return path


def load_quality(path: Path) -> QualityRecord:
    """
    The record in `path`.

    Raises:
        ResultsInvalid: It cannot be read, is damaged or something else, or a newer harness
            wrote it.
    """
    try:
        data = read_bounded(path)
    except OSError as error:
        raise ResultsInvalid(unreadable(path, error)) from error
    try:
        facts = parsed_json(data)
    except ValueError as error:
        raise ResultsInvalid(
            f"{path} is no quality result: {error}. Move it out of the results folder."
        ) from error
    if not isinstance(facts, dict) or facts.get("kind") != "quality":
        raise ResultsInvalid(f"{path} is no quality result; move it out of the results folder.")
    schema = facts.get("schema")
    if type(schema) is not int or schema < 1:
        raise ResultsInvalid(f"{path} does not say of which schema it is; it may be damaged.")
    if schema > QUALITY_SCHEMA:
        raise ResultsInvalid(
            f"{path} is of schema {schema}; this harness reads quality results up to "
            f"{QUALITY_SCHEMA}. Upgrade the harness to read it."
        )
    try:
        return QualityRecord.model_validate(facts)
    except ValidationError as error:
        raise ResultsInvalid(
            f"{path} is damaged: {first_mistake(error)}. Restore it from a copy, or move it out "
            "of the results folder."
        ) from error


def list_qualities(results: Path, most: int | None = None) -> list[StoredQuality]:
    """
    What is stored under `results`, oldest first, damaged files with their problem first of all.

    Args:
        results: The folder of experiment files.
        most: Read no more than so many, the newest by their names; None reads all.

    Raises:
        ResultsInvalid: The folder itself cannot be read.
    """
    folder = quality_folder(results)
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == ".json")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ResultsInvalid(
            cannot("read", folder, error, "choose another results folder with --results DIR")
        ) from error
    found, broken = [], []
    for path in paths if most is None else paths[-most:]:
        try:
            found.append(StoredQuality(path, load_quality(path)))
        except ResultsInvalid as error:
            broken.append(StoredQuality(path, problem=str(error)))
    return broken + sorted(found, key=_age_key)


def _age_key(stored: StoredQuality) -> tuple[float, str]:
    assert stored.record is not None
    return utc_time(stored.record.started_at).timestamp(), stored.path.name


def _file_name(record: QualityRecord) -> str:
    stamp = utc_time(record.started_at).strftime("%Y%m%dT%H%M%SZ")
    parts = (stamp, record.machine.id, record.id)
    return "-".join(re.sub(r"[^A-Za-z0-9_.]", "_", part) for part in parts) + ".json"
