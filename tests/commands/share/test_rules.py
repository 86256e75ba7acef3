"""Every field of every record has been decided on, and none that may hold any text is just kept."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pytest

from harness.commands.share.rules import RULES
from harness.commands.share.treatment import as_it_is
from harness.schema.experiment import End, Experiment, Run
from harness.schema.record import Record


def parts(annotation: Any) -> Iterator[Any]:
    """All types in an annotation; of a Literal none, for its words are fixed."""
    origin = get_origin(annotation)
    if origin is Literal:
        return
    if origin is Annotated:
        yield from parts(get_args(annotation)[0])
    elif origin is None:
        yield annotation
    else:
        yield origin
        for each in get_args(annotation):
            yield from parts(each)


def reachable(kind: type[Record]) -> Iterator[type[Record]]:
    yield kind
    for info in kind.model_fields.values():
        for part in parts(info.annotation):
            if isinstance(part, type) and issubclass(part, Record):
                yield from reachable(part)


KINDS = list(dict.fromkeys(it for root in (Experiment, Run, End) for it in reachable(root)))
PER_KIND = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
_NO_TEXT = {int, float, bool, type(None), tuple, Union, types.UnionType, ...}


def test_all_kinds_of_records_are_met() -> None:
    assert len(KINDS) > 20
    assert sum(len(kind.model_fields) for kind in KINDS) > 150


@PER_KIND
def test_somebody_decided_what_becomes_of_every_field(kind: type[Record]) -> None:
    undecided = set(kind.model_fields) - set(RULES.get(kind, {}))
    assert undecided == set(), f"say in rules.py what becomes of these, of a {kind.__name__}"


@PER_KIND
def test_no_field_that_may_hold_any_text_is_kept_as_it_is(kind: type[Record]) -> None:
    for name, info in kind.model_fields.items():
        if RULES[kind][name] is as_it_is:
            assert set(parts(info.annotation)) <= _NO_TEXT, name


def test_a_text_among_the_types_of_a_field_is_seen() -> None:
    assert str in set(parts(Annotated[tuple[int | str, ...], "x"]))
    assert str in set(parts(dict[str, int]))
    assert set(parts(Literal["a", "b"] | None)) <= _NO_TEXT


def test_no_rule_is_for_a_field_that_is_gone() -> None:
    for kind, rules in RULES.items():
        assert set(rules) <= set(kind.model_fields), kind.__name__
    assert set(RULES) == set(KINDS)
