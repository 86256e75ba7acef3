from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.models.catalog.catalog import load_catalog
from harness.models.catalog.names import models_in, named_models, reference_machine_names
from harness.models.catalog.reference_machines import load_reference_machines


def test_the_names_are_those_of_the_whole_catalogue(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HARNESS_CONFIG", str(tmp_path))
    found = {model.name: model for model in named_models()}
    specs = load_catalog().models

    assert [*found] == [spec.name for spec in specs]
    for spec in specs:
        model = found[spec.name]
        assert set(model.aliases) == set(spec.aliases)
        assert model.n_bytes == {each.quantization: each.size_bytes for each in spec.variants}


def test_the_reference_machines_are_named_too() -> None:
    assert reference_machine_names() == [each.name for each in load_reference_machines()]


def test_a_catalogue_that_cannot_be_read_adds_no_names(tmp_path: Path) -> None:
    shipped = [model.name for model in named_models()]

    assert [it.name for it in named_models([tmp_path, tmp_path / "missing"])] == shipped


@settings(max_examples=50)
@given(st.text())
def test_any_text_has_names_or_none(text: str) -> None:
    assert all(model.name for model in models_in(text))
