"""Whole models of a few hundred kilobytes with random weights, in any type and shape."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from harness.models.gguf.part import made_part
from harness.models.shape.header import header_of, layout_of
from harness.models.twin.twin import Stocks, write_twin
from make.shapes import spec_of

# Rows that are no multiple of 256, as SmolLM2's.
ODD_ROWS = {"n_embd": 288, "n_ff": 416, "head_dim": 72}


def write_small_model(path: Path, quantization: str = "F16", **shape: Any) -> Path:
    """A llama of two layers at `path`; `shape` changes that of tests/shapes.py."""
    spec = spec_of("llama", quantization, **shape)
    part = made_part(header_of(layout_of(spec, spec.variants[0])), path.name)
    write_twin(path, part, Stocks(np.random.default_rng(1)), lambda _: None)
    return path
