from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import HarnessError, ModelNotFound
from harness.models.catalog.catalog import Catalog, load_catalog, parse_catalog

GOOD = """\
schema: 1
models:
  - name: alpha-1b
    lab: A Lab
    country: CH
    licence: MIT
    released: 2026-01-02
    architecture: llama
    kind: moe
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
    country: US/FR
    licence: LicenseRef-Beta
    clause: Only on Sundays.
    superseded_by: [gamma-3b]
    original: BLab/Beta-2B
    aliases: [beta]
    parameters: {total: 10, active: 10}
    shape: {n_layer: 4, n_embd: 8, n_expert: 8, n_expert_used: 2, swa: 128, swa_pattern: "1:1"}
    variants:
      - quantization: F16
        source: {kind: hub, repo: b-lab/Beta-2B-GGUF}
      - quantization: UD-Q4_K_XL
        approx_bytes: 100
        n_shards: 2
        source: {kind: hub, repo: b-lab/Beta-2B-GGUF, revision: main, file: a/b.gguf}
  - name: gamma-3b
    lab: C Lab
    country: null
    licence: null
    variants: []
""" % (("ab" * 32,) * 2)
PARSED = parse_catalog(GOOD, "models.yaml")


@pytest.fixture
def catalog() -> Catalog:
    return PARSED


def test_a_name_without_a_variant_means_the_first_one(catalog: Catalog) -> None:
    assert catalog.find("alpha-1b").key == "alpha-1b:Q4_K_M"


def test_a_variant_can_be_named_in_any_case(catalog: Catalog) -> None:
    assert catalog.find("Alpha-1B:q8_0").key == "alpha-1b:Q8_0"


def test_every_entry_is_found_by_its_own_key(catalog: Catalog) -> None:
    entries = list(catalog.entries())
    assert [catalog.find(entry.key) for entry in entries] == entries
    assert len(entries) == 4


def test_an_unknown_model_is_answered_with_the_nearest_names(catalog: Catalog) -> None:
    with pytest.raises(ModelNotFound, match="did you mean alpha-1b"):
        catalog.find("alpha1b")


def test_a_name_like_none_is_answered_with_where_to_look(catalog: Catalog) -> None:
    with pytest.raises(ModelNotFound, match="'zzzzzz': `harness models` lists them"):
        catalog.find("zzzzzz")


@pytest.mark.parametrize("name", ["beta", "BETA-2b", "BLab/Beta-2B", "blab/beta-2b"])
def test_a_model_is_found_by_its_aliases_and_by_its_labs_repository(
    catalog: Catalog, name: str
) -> None:
    assert catalog.knows(name)
    assert catalog.find(f"{name}:ud-q4_k_xl").key == "beta-2b:UD-Q4_K_XL"


def test_a_model_without_files_is_known_but_cannot_be_fetched(catalog: Catalog) -> None:
    assert catalog.knows("gamma-3b")
    assert catalog.spec("gamma-3b").variants == ()
    for reference in ("gamma-3b", "gamma-3b:Q8_0"):
        with pytest.raises(ModelNotFound, match="no GGUF file of gamma-3b is known"):
            catalog.find(reference)


def test_the_size_to_plan_with_is_the_exact_one_where_it_is_known(catalog: Catalog) -> None:
    sizes = [entry.variant.size_bytes for entry in catalog.entries()]
    assert sizes == [100, 200, None, 100]


def test_what_is_not_said_is_unknown_and_never_zero(catalog: Catalog) -> None:
    gamma = catalog.spec("gamma-3b")
    assert (gamma.parameters.total, gamma.context_trained, gamma.shape) == (None, None, None)
    assert (gamma.country, gamma.licence, gamma.released, gamma.architecture) == (None,) * 4


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
    assert text.lower().startswith(entry.spec.names)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("lab: A Lab", "labs: A Lab", r"m\.yaml:\d+: models\[0\]\.lab: Field required"),
        ("context_trained: 2048", "context_trained: no", r"m\.yaml:11: models\[0\]\.context_train"),
        ("bytes: 100", "bytes: -1", r"m\.yaml:14: models\[0\]\.variants\[0\]\.bytes: .*greater"),
        ("kind: wheel", "kind: carrier-pigeon", r"m\.yaml:16: .*source: .*'carrier-pigeon'"),
        ("package: alpha", "package: --index-url=x", r"m\.yaml:18: .*source\.package: "),
        ("active: 4", "active: 40", r"m\.yaml:10: models\[0\]\.parameters: more active"),
        ("name: beta-2b", "name: alpha-1b", r"m\.yaml:\d+: .*alpha-1b stands there twice"),
        ("quantization: Q8_0", "quantization: Q4_K_M", r"m\.yaml:3: .*Q4_K_M stands there twice"),
        ("lab: A Lab", "lab: A Lab\n    lab: C", r"m\.yaml:5: lab stands there twice"),
        ("schema: 1", "schema: 2", r"m\.yaml:1: schema: Input should be 1"),
        ("kind: moe", "kind: dense", r"m\.yaml:3: .*in a dense model all parameters are active"),
        ("kind: moe", "kind: sparse", r"m\.yaml:9: models\[0\]\.kind: .*'dense' or 'moe'"),
        ("n_expert_used: 2", "n_expert_used: 9", r"\.shape: more experts used than there are"),
        ("swa: 128", "layer_pattern: M", r"\.shape: the pattern has another number of layers"),
        ("swa: 128", "sliding: 128", r"m\.yaml:\d+: .*\.shape\.sliding: Extra inputs"),
        ("repo: b-lab/Beta-2B-GGUF", "repo: ../etc", r"m\.yaml:\d+: .*source\.repo: "),
        ("repo: b-lab/Beta-2B-GGUF", "repo: https://x/y", r"\.source\.repo: "),
        ("file: a/b.gguf", "file: /a/b.gguf", r"\.source\.file: "),
        ("revision: main", "revision: -x", r"\.source\.revision: "),
        ("        bytes: 100\n", "", r"a wheel source needs bytes and sha256"),
        ("approx_bytes: 100", "approx_bytes: 100\n        bytes: 7", r"approx_bytes has no place"),
        ("n_shards: 2", "n_shards: 2\n        sha256: " + "ab" * 32, r"no sha256 in common"),
        ("country: CH", "country: Schweiz", r"m\.yaml:5: models\[0\]\.country: "),
        (
            "released: 2026-01-02",
            "released: 2026-13-02",
            r"m\.yaml:7: models\[0\]\.released: .*month",
        ),
        ("aliases: [beta]", "aliases: [beta-2b]", r"beta-2b stands there twice"),
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


@pytest.mark.parametrize(
    "text",
    [
        "&a [*a]",
        "schema: &a {models: *a}",
        "[" * 3000,
        "? [a]\n: 1",
        "schema: !!python/object:os.system x",
        "schema: 0x_",
        "schema: 2026-02-30",
        "a: *nowhere",
        "%YAML 9.9",
        "--- 1\n--- 2",
    ],
)
def test_no_trick_of_yaml_gets_past_the_one_line(text: str) -> None:
    with pytest.raises(HarnessError, match=r"^m\.yaml[: ]") as caught:
        parse_catalog(text, "m.yaml")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


@given(st.text(alphabet="ab:-[]{}&*!|>'\"#%@,? \n0.", max_size=60))
def test_any_other_text_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(HarnessError) as caught:
        parse_catalog(text, "m.yaml")
    assert "\n" not in str(caught.value)


def test_a_control_character_is_an_error_of_the_file() -> None:
    with pytest.raises(HarnessError, match=r"^m\.yaml: it is not YAML"):
        parse_catalog("schema: \x00", "m.yaml")


def test_a_missing_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match=r"nowhere\.yaml cannot be read \(No such file"):
        load_catalog([tmp_path / "nowhere.yaml"])


def test_the_catalogue_states_what_the_generator_writes(tmp_path: Path) -> None:
    from harness.models.twin.tiny import write_tiny_random

    write_tiny_random(tmp_path / "t.gguf")
    data = (tmp_path / "t.gguf").read_bytes()
    variant = load_catalog().find("tiny-random").variant
    assert (variant.n_bytes, variant.sha256) == (len(data), hashlib.sha256(data).hexdigest())
