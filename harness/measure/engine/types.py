"""Names that the command line and the engine share; imports nothing, so that help stays fast."""

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
