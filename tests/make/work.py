"""Works and machine speeds of plain numbers, for tests of predictions."""

from __future__ import annotations

from typing import Any

from harness.analysis.speed.predict import MachineSpeed
from harness.analysis.speed.rates import DecodeSpeed, PrefillSpeed, Spread
from harness.schema.work import Attention, Work

GB = 1_000_000_000


def make_work(**changes: Any) -> Work:
    """A dense model of a billion weights in Q8_0: 1.1 GB a token, 16 blocks of 8 and 2 heads."""
    facts: dict[str, Any] = {
        "architecture": "llama",
        "weights_bytes": 1_200_000_000,
        "token_read_bytes": 1_100_000_000,
        "expert_read_bytes": 0,
        "expert_bytes": 0,
        "n_params_multiplied": 1_000_000_000,
        "type_params": {"Q8_0": 1_000_000_000},
        "type_read_bytes": {"Q8_0": 1_100_000_000},
        "n_blocks": 16,
        "attention": (make_attention(),),
    }
    return Work(**(facts | changes))


def make_attention(**changes: Any) -> Attention:
    facts: dict[str, Any] = {
        "n_layer": 16,
        "n_key_elements": 256,
        "n_value_elements": 256,
        "n_head": 8,
        "head_key_length": 128,
        "head_value_length": 128,
    }
    return Attention(**(facts | changes))


def make_speed(**changes: Any) -> MachineSpeed:
    """A GPU of 100 GB/s and 10 TFLOP/s, without memory of a known size."""
    facts: dict[str, Any] = {
        "method": "machine-class",
        "note": "a test's",
        "has_gpu": True,
        "decode": DecodeSpeed(100.0 * GB, 50.0 * GB, 1e-4, Spread(0.2, 0.3, 0.5)),
        "prefill": PrefillSpeed(1e13, 5e12, 40.0 * GB, Spread(0.2, 0.3, 0.5)),
    }
    return MachineSpeed(**(facts | changes))
