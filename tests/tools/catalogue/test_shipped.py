"""The layouts that the harness carries, against what would be written today."""

from __future__ import annotations

import gzip
import json

import pytest

from harness.models.catalog.catalog import Catalog
from harness.models.gguf.layouts import LAYOUTS_FILE, shipped_layout
from tools.catalogue.collect import Collected, collect, document_of, packed, shipped_catalog
from tools.catalogue.copies import shipped_copies


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return shipped_catalog()


@pytest.fixture(scope="module")
def collected(catalog: Catalog) -> Collected:
    return collect(catalog, shipped_copies(catalog))


@pytest.mark.slow
def test_the_shipped_file_says_what_would_be_written_today(collected: Collected) -> None:
    # Not the compressed bytes: another zlib may come to others.
    shipped = gzip.decompress(LAYOUTS_FILE.read_bytes())
    assert shipped == gzip.decompress(packed(document_of(collected.layouts)))


@pytest.mark.slow
def test_the_file_does_not_tell_when_it_was_written(collected: Collected) -> None:
    document = document_of(collected.layouts)
    assert packed(document) == packed(json.loads(json.dumps(document)))
    assert LAYOUTS_FILE.read_bytes()[4:8] == bytes(4)  # RFC 1952: the time of modification


@pytest.mark.slow
def test_the_reader_gives_what_was_laid_out(collected: Collected) -> None:
    assert len(collected.layouts) > 190
    for entry, layout in collected.layouts:
        variant = entry.variant
        read = shipped_layout(entry.spec.name, variant.quantization, entry.source_name)
        assert read == layout, entry.key
        assert list(read.shapes) == list(layout.shapes), entry.key


@pytest.mark.slow
def test_every_variant_has_a_layout_or_a_reason(catalog: Catalog, collected: Collected) -> None:
    keys = {entry.key for entry, _ in collected.layouts}
    assert keys | set(collected.missing) == {entry.key for entry in catalog.entries()}
    assert not keys & set(collected.missing)
    models = {key.partition(":")[0] for key in collected.missing}
    assert "gpt-oss-20b" not in models
    assert len(models) <= 7
