"""A catalogue's text, read so that a mistake is reported with its file, line and key."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from harness.bounded import read_bounded
from harness.errors import HarnessError
from harness.files import cannot
from harness.models.catalog.yaml_bounds import MOST_BYTES, refuse_endless
from harness.schema.record import Record

_MOST_DIGITS = 64
_SHOWN_CHARACTERS = 200


def _number(kind: str) -> Callable[[yaml.SafeLoader, yaml.Node], Any]:
    """What makes an int or a float of a node, if it is no longer than any number has to be."""
    build = yaml.SafeLoader.yaml_constructors[f"tag:yaml.org,2002:{kind}"]

    def built(loader: yaml.SafeLoader, node: yaml.Node) -> Any:
        if len(node.value) > _MOST_DIGITS:
            raise yaml.constructor.ConstructorError(
                None, None, f"a number of {len(node.value):,} characters", node.start_mark
            )
        return build(loader, node)

    return built


# libyaml reads the catalogue ten times as fast; PyYAML's own wheels have it, some others do not.
_Loader: type[yaml.SafeLoader] = type(
    "_Loader", (getattr(yaml, "CSafeLoader", yaml.SafeLoader),), {}
)
# Dates stay text until pydantic reads them: its complaints have a place, those of PyYAML have none.
_Loader.add_constructor("tag:yaml.org,2002:timestamp", lambda _, node: node.value)
# A number in base 60 ("1:59:59"), as long as a book, takes its square in time, or is too large.
for _kind in ("int", "float"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_kind}", _number(_kind))
_RecordT = TypeVar("_RecordT", bound=Record)


def read_catalog_text(path: Path, advice: str) -> str:
    """
    What is written in the file at `path`.

    Raises:
        HarnessError: Missing or unreadable; the message ends with `advice`.
    """
    try:
        return read_bounded(path, MOST_BYTES).decode("utf-8")
    except UnicodeDecodeError as error:
        raise HarnessError(f"{path} is not UTF-8 text ({error.reason}); {advice}") from error
    except OSError as error:
        raise HarnessError(cannot("read", path, error, advice)) from error


def parse_record(record: type[_RecordT], text: str, name: str) -> _RecordT:
    """
    The `record` written in YAML; `name` is what error messages call the file.

    Raises:
        HarnessError: Wrong; the message names file, line and key of the first mistake.
    """
    root: yaml.Node | None = None
    loader = None
    try:
        refuse_endless(text, _Loader)
        loader = _Loader(text)
        root = loader.get_single_node()
        data: Any = None
        if root is not None:
            _refuse_repeated_keys(root, name)
            data = loader.construct_document(root)
        return record.model_validate(data)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise _mistake(f"{name}:{line}", str(error.problem or error.context)) from error
    except yaml.YAMLError as error:
        raise _mistake(name, f"it is not YAML ({' '.join(str(error).split())})") from error
    except ValueError as error:
        raise _described(error, root, name) from error
    finally:
        if loader is not None:
            loader.dispose()


def _described(error: ValueError, root: yaml.Node | None, name: str) -> HarnessError:
    if not isinstance(error, ValidationError):
        # A number that is none, such as "0x_", which PyYAML refuses without a place.
        return _mistake(name, str(error))
    first = error.errors()[0]
    found = _find(root, first["loc"])
    what = first["msg"].removeprefix("Value error, ")
    return _mistake(f"{name}:{found.line}", f"{_short(found.keys)}: {what}")


def _mistake(place: str, what: str) -> HarnessError:
    return HarnessError(f"{place}: {_short(what)}; mend it")


def _short(text: str) -> str:
    """`text`, which may quote the file, in one line that is not as long as the file."""
    shown = "".join(char if char.isprintable() else "?" for char in text[:_SHOWN_CHARACTERS])
    return shown if len(text) <= _SHOWN_CHARACTERS else f"{shown}…"


@dataclass(frozen=True)
class _Place:
    line: int
    keys: str


def _find(root: yaml.Node | None, location: Sequence[str | int]) -> _Place:
    """Where in the file a complaint of pydantic's belongs: the deepest node of it that exists."""
    node, line, keys = root, 1, ""
    for step in location:
        child: yaml.Node | None = None
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.value == step:
                    child, line = value, key.start_mark.line + 1
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int):
            child = node.value[step]
            line = child.start_mark.line + 1
        if child is not None:
            node = child
        elif step != location[-1]:
            continue  # the kind of source, which pydantic puts into the location
        keys += f"[{step}]" if isinstance(step, int) else f".{step}"
    return _Place(line, keys.lstrip(".") or "the whole file")


def _refuse_repeated_keys(node: yaml.Node, name: str) -> None:
    """HarnessError if a mapping has a key twice; YAML would silently take the last."""
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue  # a list as a key, which the constructor refuses with its place
            if key.value in seen:
                line = key.start_mark.line + 1
                raise _mistake(f"{name}:{line}", f"{_short(key.value)} stands there twice")
            seen.add(key.value)
            _refuse_repeated_keys(value, name)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_repeated_keys(item, name)
