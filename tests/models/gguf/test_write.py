"""Headers we write, against those that the gguf package writes."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np

from harness.models.gguf.part import made_part
from harness.models.gguf.tensor_types import TYPES_BY_NAME
from harness.models.gguf.write import KeyValue, bare_keys, header_bytes

KEYS: dict[str, KeyValue] = {
    "general.file_type": 15,
    "llama.block_count": 2,
    "llama.rope.freq_base": 10000.0,
    "llama.pattern": [True, False, True],
    "llama.ratios": [0, 4, 128],
    "llama.is_odd": True,
    "llama.word": "größer",
    "llama.words": ["a", "größer", ""],
    "llama.factors": [1.5, 2.0],
}
SHAPES = {"token_embd.weight": (256, 7), "experts.weight": (64, 3, 5), "norm.weight": (3,)}
TYPES = {"token_embd.weight": "Q4_K", "experts.weight": "Q8_0", "norm.weight": "F32"}


def by_gguf(path: Path) -> bytes:
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("small")
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_tokenizer_model("no_vocab")
    writer.add_uint32("general.file_type", 15)
    writer.add_uint32("llama.block_count", 2)
    writer.add_float32("llama.rope.freq_base", 10000.0)
    writer.add_array("llama.pattern", [True, False, True])
    writer.add_array("llama.ratios", [0, 4, 128])
    writer.add_bool("llama.is_odd", True)
    writer.add_string("llama.word", "größer")
    writer.add_array("llama.words", ["a", "größer", ""])
    writer.add_array("llama.factors", [1.5, 2.0])
    for name, shape in SHAPES.items():
        kind = gguf.GGMLQuantizationType[TYPES[name]]
        n_bytes = TYPES_BY_NAME[TYPES[name]].bytes_of(shape)
        writer.add_tensor_info(name, shape[::-1], np.dtype(np.float32), n_bytes, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.write_padding(writer.fout[0], writer.fout[0].tell())
    writer.close()
    return path.read_bytes()


def test_a_header_has_the_bytes_that_the_gguf_package_writes(tmp_path: Path) -> None:
    assert header_bytes(bare_keys("llama", "small") | KEYS, SHAPES, TYPES) == by_gguf(
        tmp_path / "x.gguf"
    )


def test_our_own_reader_takes_what_is_written() -> None:
    data = header_bytes(bare_keys("llama", "small") | KEYS, SHAPES, TYPES)
    part = made_part(data, "small.gguf")
    header = part.header
    assert (part.data, header.data_start) == (data, len(data))
    assert {tensor.name: tensor.shape for tensor in header.tensors} == SHAPES
    assert {tensor.name: tensor.type_name for tensor in header.tensors} == TYPES
    assert header.metadata["llama.pattern"] == (True, False, True)
    assert header.metadata["llama.ratios"] == (0, 4, 128)
    assert header.metadata["tokenizer.ggml.model"] == "no_vocab"
    # Seven blocks of 144 bytes, thirty of 34, three floats; each tensor padded to 32 bytes.
    assert part.n_bytes == len(data) + 1024 + 1024 + 12
