"""Layouts copied from true headers, of a hub on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from make.gguf import SMALL, Weight, head
from make.hub_at_hand import hub_at_hand
from make.hub_server import Hub, Repository

from harness.models.catalog.catalog import Catalog
from tools.catalogue.collect import collect, document_of, shipped_catalog
from tools.catalogue.copies import header_copy, shipped_copies

KEY = "gemma-3-270m-it:Q8_0"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    keys = {
        **SMALL,
        "llama.pattern": [True, False],
        "llama.factors": [1.5, 2.0],
        "general.url": "x",
    }
    made = head(keys, [Weight("token_embd.weight", (64, 100), "Q8_0"), Weight("n.weight", (64,))])
    content = made.data + bytes(made.n_bytes - len(made.data))
    with hub_at_hand(tmp_path, monkeypatch) as running:
        repo = "unsloth/gemma-3-270m-it-GGUF"
        running.repositories[repo] = Repository({"gemma-3-270m-it-Q8_0.gguf": content})
        yield running


@pytest.fixture
def catalog() -> Catalog:
    """The one model whose header the hub has; of another size than the catalogue says."""
    spec = shipped_catalog().spec("gemma-3-270m-it")
    variant = spec.variants[0].model_copy(update={"n_bytes": None, "sha256": None})
    return Catalog(schema_version=1, models=(spec.model_copy(update={"variants": (variant,)}),))


def test_a_header_of_the_hub_is_kept_with_its_commit(hub: Hub, catalog: Catalog) -> None:
    copy = header_copy(KEY, catalog)
    (repository,) = hub.repositories.values()
    assert copy.origin == f"unsloth/gemma-3-270m-it-GGUF at {repository.commit[:8]}"
    assert copy.source.startswith("the catalogue's copy of the one in unsloth/")
    assert copy.types == {"token_embd.weight": "Q8_0", "n.weight": "F32"}
    assert copy.keys["llama.pattern"] == [True, False]
    assert copy.keys["llama.factors"] == [1.5, 2.0]
    assert "general.url" not in copy.keys
    # Without a tokenizer the engine needs to be told how many words there are.
    assert copy.keys["llama.vocab_size"] == 100
    assert copy.part().header.metadata["llama.factors"] == (1.5, 2.0)


def test_it_takes_the_place_of_the_shape(hub: Hub, catalog: Catalog) -> None:
    found = collect(catalog, {KEY: header_copy(KEY, catalog)})
    document = document_of(found.layouts)
    model = document["models"]["gemma-3-270m-it"]
    assert model["architecture"] == "llama"
    assert model["variants"]["Q8_0"]["types"] == "Q8_0 F32"


def test_only_copies_are_carried_over() -> None:
    assert all(layout.origin != "shape" for layout in shipped_copies(shipped_catalog()).values())
