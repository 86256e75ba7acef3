"""The layouts that the harness carries, as their readers take them."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import HarnessError
from harness.models.gguf import layouts
from harness.models.gguf.layouts import shipped_layout
from harness.models.gguf.work import work_of

GPT_OSS_20B = ("gpt-oss-20b", "MXFP4", "ggml-org/gpt-oss-20b-GGUF")


def test_a_layout_becomes_a_header_that_says_the_same() -> None:
    layout = shipped_layout(*GPT_OSS_20B)
    assert layout is not None
    part = layout.part()
    tensors = part.header.tensors
    assert part.file_name == "gpt-oss-20b.gguf"
    assert [tensor.name for tensor in tensors] == list(layout.shapes)
    assert {tensor.name: tensor.type_name for tensor in tensors} == layout.types
    assert sum(tensor.n_bytes for tensor in tensors) == layout.data_bytes
    assert part.header.metadata["gpt-oss.block_count"] == 24
    assert part.n_bytes == part.header.data_end


@pytest.mark.parametrize(
    ("model", "read_bytes"),
    # Counted from the tensor tables of the published files.
    [("gpt-oss-20b", 2.59e9), ("gpt-oss-120b", 3.61e9)],
)
def test_gpt_oss_reads_what_its_published_files_say(model: str, read_bytes: float) -> None:
    layout = shipped_layout(model, "MXFP4", f"ggml-org/{model}-GGUF")
    assert layout is not None
    work = work_of([layout.part().header], model)
    assert work.token_read_bytes == pytest.approx(read_bytes, rel=0.01)


@pytest.mark.parametrize(
    ("model", "quantization", "source"),
    [
        ("nosuch", "MXFP4", "ggml-org/gpt-oss-20b-GGUF"),
        ("gpt-oss-20b", "Q4_0", "ggml-org/gpt-oss-20b-GGUF"),
        ("gpt-oss-20b", "MXFP4", "somebody/gpt-oss-20b-GGUF"),
    ],
)
def test_what_is_not_the_catalogues_has_no_layout(
    model: str, quantization: str, source: str
) -> None:
    assert shipped_layout(model, quantization, source) is None


def test_where_it_is_from_is_told() -> None:
    layout = shipped_layout(*GPT_OSS_20B)
    assert layout is not None
    assert layout.source == "the catalogue's shape"
    dynamic = shipped_layout(
        "deepseek-r1-0528-qwen3-8b", "UD-Q4_K_XL", "unsloth/DeepSeek-R1-0528-Qwen3-8B-GGUF"
    )
    assert dynamic is not None
    assert dynamic.source == "the catalogue's shape, its weights laid out as Q4_K_M"


def test_data_that_is_missing_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layouts, "LAYOUTS_FILE", tmp_path / "none.json.gz")
    layouts._document.cache_clear()
    with pytest.raises(HarnessError, match=r"none\.json\.gz cannot be read.*install harness again"):
        shipped_layout(*GPT_OSS_20B)
    layouts._document.cache_clear()
