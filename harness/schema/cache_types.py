"""Types of the KV cache; imports nothing, so that `--help` stays fast."""

from __future__ import annotations

CACHE_TYPES = {
    "f32": 0,
    "f16": 1,
    "q4_0": 2,
    "q4_1": 3,
    "q5_0": 6,
    "q5_1": 7,
    "q8_0": 8,
    "iq4_nl": 20,
    "bf16": 30,
}
"""KV cache types that llama.cpp's own tools accept, with their numbers in enum ggml_type."""

# Bytes of an element in a cache of this type: bytes of a block / elements of a block (ggml.h).
CACHE_ELEMENT_BYTES = {
    "f32": 4.0,
    "f16": 2.0,
    "bf16": 2.0,
    "q8_0": 34 / 32,
    "q5_1": 24 / 32,
    "q5_0": 22 / 32,
    "q4_1": 20 / 32,
    "q4_0": 18 / 32,
    "iq4_nl": 18 / 32,
}
