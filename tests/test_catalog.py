from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import HarnessError, ModelNotFound
from harness.models.catalog import (
    Catalog,
    GeneratedSource,
    WheelSource,
    load_catalog,
    parse_catalog,
)

GOOD = """\
schema: 1
models:
  - name: alpha-1b
    lab: A Lab
    country: CH
    licence: MIT
    released: 2026-01-02
    architecture: llama
    parameters: {total: 10, active: 4}
    context_trained: 2048
    variants:
      - quantization: Q4_K_M
        bytes: 100
        sha256: %s
        source:
          kind: wheel
          package: alpha
          version: 1.0.0
          member: alpha/a.gguf
          download_bytes: 90
      - quantization: Q8_0
        bytes: 200
        sha256: %s
        source: {kind: generated}
  - name: beta-2b
    lab: B Lab
    country: null
    licence: Apache-2.0
    released: 2026-01-02
    architecture: qwen3
    parameters: {total: 10, active: 10}
    context_trained: 2048
    variants:
      - quantization: F16
        bytes: 100
        sha256: %s
        source: {kind: generated}
""" % (("ab" * 32,) * 3)
PARSED = parse_catalog(GOOD, "models.yaml")


@pytest.fixture
def catalog() -> Catalog:
    return PARSED


def test_the_catalogue_that_comes_with_the_harness_is_valid() -> None:
    catalog = load_catalog()
    smollm2 = catalog.find("smollm2-135m")
    assert smollm2.key == "smollm2-135m:Q4_1"
    assert isinstance(smollm2.variant.source, WheelSource)
    assert isinstance(catalog.find("tiny-random").variant.source, GeneratedSource)


def test_a_name_without_a_variant_means_the_first_one(catalog: Catalog) -> None:
    assert catalog.find("alpha-1b").key == "alpha-1b:Q4_K_M"


def test_a_variant_can_be_named_in_any_case(catalog: Catalog) -> None:
    assert catalog.find("Alpha-1B:q8_0").key == "alpha-1b:Q8_0"


def test_every_entry_is_found_by_its_own_key(catalog: Catalog) -> None:
    entries = list(catalog.entries())
    assert [catalog.find(entry.key) for entry in entries] == entries
    assert len(entries) == 3


def test_an_unknown_model_is_answered_with_the_nearest_names(catalog: Catalog) -> None:
    with pytest.raises(ModelNotFound, match="did you mean alpha-1b"):
        catalog.find("alpha1b")


def test_a_name_like_none_is_answered_with_all_names(catalog: Catalog) -> None:
    with pytest.raises(ModelNotFound, match="known: alpha-1b, beta-2b"):
        catalog.find("zzzzzz")


def test_an_unknown_variant_is_answered_with_the_known_ones(catalog: Catalog) -> None:
    with pytest.raises(ModelNotFound, match="'Q9_K' is not a variant of alpha-1b: known: Q4_K_M"):
        catalog.find("alpha-1b:Q9_K")


def test_a_colon_without_a_variant_is_an_error(catalog: Catalog) -> None:
    with pytest.raises(ModelNotFound, match="names no variant"):
        catalog.find("alpha-1b:")


@given(st.text())
def test_any_other_text_is_not_found_rather_than_crashing(text: str) -> None:
    try:
        entry = PARSED.find(text)
    except ModelNotFound:
        return
    assert text.lower().startswith(entry.spec.name)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("lab: A Lab", "labs: A Lab", r"m\.yaml:\d+: models\[0\]\.lab: Field required"),
        ("context_trained: 2048", "context_trained: no", r"m\.yaml:10: models\[0\]\.context_train"),
        ("bytes: 100", "bytes: -1", r"m\.yaml:13: models\[0\]\.variants\[0\]\.bytes: .*greater"),
        ("kind: wheel", "kind: carrier-pigeon", r"m\.yaml:15: .*source: .*'carrier-pigeon'"),
        ("package: alpha", "package: --index-url=x", r"m\.yaml:17: .*source\.package: "),
        ("active: 4", "active: 40", r"m\.yaml:9: models\[0\]\.parameters: more active"),
        ("name: beta-2b", "name: alpha-1b", r"m\.yaml:\d+: .*alpha-1b stands there twice"),
        ("quantization: Q8_0", "quantization: Q4_K_M", r"m\.yaml:3: .*Q4_K_M stands there twice"),
        ("lab: A Lab", "lab: A Lab\n    lab: C", r"m\.yaml:5: lab stands there twice"),
        ("schema: 1", "schema: 2", r"m\.yaml:1: schema: Input should be 1"),
        ("    lab: A Lab", "   lab: A Lab", r"m\.yaml:4: "),
        ("lab: A Lab", "lab: [A Lab", r"m\.yaml:5: "),
    ],
)
def test_a_mistake_is_named_with_file_line_and_key(old: str, new: str, complaint: str) -> None:
    assert old in GOOD
    with pytest.raises(HarnessError, match=complaint):
        parse_catalog(GOOD.replace(old, new, 1), "m.yaml")


@pytest.mark.parametrize("text", ["", "[]", "just words", "schema: 1", "schema: 1\nmodels: []"])
def test_a_file_that_is_no_catalogue_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(HarnessError) as caught:
        parse_catalog(text, "m.yaml")
    assert str(caught.value).startswith("m.yaml:1: ") or "m.yaml:2: " in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_control_character_is_an_error_of_the_file() -> None:
    with pytest.raises(HarnessError, match=r"m\.yaml is not YAML"):
        parse_catalog("schema: \x00", "m.yaml")


def test_a_missing_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match=r"nowhere\.yaml cannot be read"):
        load_catalog(tmp_path / "nowhere.yaml")


def test_the_catalogue_states_what_the_generator_writes(tmp_path: Path) -> None:
    from harness.models.synthetic import write_tiny_random

    write_tiny_random(tmp_path / "t.gguf")
    data = (tmp_path / "t.gguf").read_bytes()
    variant = load_catalog().find("tiny-random").variant
    assert (variant.n_bytes, variant.sha256) == (len(data), hashlib.sha256(data).hexdigest())
