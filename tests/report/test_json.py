from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from make.pages import RATE
from make.records import SETTINGS
from make.shown import read

from harness.report.json import SCHEMA, plain
from harness.schema.figure import Figure, exact
from harness.schema.settings import Settings


@dataclass(frozen=True)
class Inner:
    settings: Settings
    path: Path | None = None


@dataclass(frozen=True)
class Document:
    names: tuple[str, ...]
    figures: dict[str, Figure]
    inner: Inner


def test_a_document_has_its_version_first_and_the_fields_of_its_type_as_keys() -> None:
    made = read(Document(("a",), {"tok_per_s": RATE}, Inner(SETTINGS, Path("x/y"))))
    assert list(made) == ["schema", "names", "figures", "inner"]
    assert made["schema"] == SCHEMA == 2
    assert made["inner"]["settings"]["n_threads"] == SETTINGS.n_threads
    assert made["inner"]["path"] == str(Path("x/y"))


def test_every_figure_has_the_same_six_keys() -> None:
    keys = ["value", "low", "high", "n", "unit", "kind"]
    assert list(plain(RATE)) == list(plain(exact(1, "bytes"))) == keys
    known = plain(Figure(1.0, None, None, "nats", "range", source="m", standard_error=0.1))
    assert (known["low"], known["source"], known["standard_error"]) == (None, "m", 0.1)


def test_what_is_no_number_in_json_is_null() -> None:
    assert plain([1.5, float("inf"), float("nan")]) == [1.5, None, None]
    assert plain(Figure(1.0, -float("inf"), 2.0, "", "interval"))["low"] is None


def test_what_has_no_form_in_json_is_an_error_and_not_a_guess() -> None:
    with pytest.raises(TypeError, match="object has no form"):
        plain(object())
