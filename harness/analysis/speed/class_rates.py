"""
Parameters of the machine classes.

Written by `python -m benchmarks.predict --write`, not by hand; a test compares them with what that
script finds.
"""

from __future__ import annotations

from harness.analysis.speed.class_parameters import ClassDecode, ClassParameters, FamilyPrefill
from harness.analysis.speed.rates import Spread

FITTED = ClassParameters(
    mixture_factor=0.354,
    recurrent_factor=0.434,
    cache_factor=1.4,
    metal_latent_factor=5.52,
    first_generation_share=0.781,
    recurrent_prefill_factor=1.21,
    stream_share=0.363,
    decode={
        "amd": ClassDecode(
            bandwidth_share=0.98, block_s=9.87e-05, spread=Spread(low=1.72, high=1.2, depth=0.0)
        ),
        "apple-base": ClassDecode(
            bandwidth_share=0.86, block_s=0.000108, spread=Spread(low=0.128, high=0.124, depth=0.0)
        ),
        "apple-max": ClassDecode(
            bandwidth_share=0.827, block_s=0.000105, spread=Spread(low=0.34, high=0.433, depth=0.0)
        ),
        "apple-pro": ClassDecode(
            bandwidth_share=0.88, block_s=9.81e-05, spread=Spread(low=0.23, high=0.252, depth=0.0)
        ),
        "apple-ultra": ClassDecode(
            bandwidth_share=0.709, block_s=0.000112, spread=Spread(low=0.23, high=0.252, depth=0.0)
        ),
        "cpu": ClassDecode(
            bandwidth_share=0.441, block_s=0.00017, spread=Spread(low=0.848, high=0.465, depth=0.0)
        ),
        "gb10": ClassDecode(
            bandwidth_share=0.896, block_s=8.08e-05, spread=Spread(low=0.23, high=0.252, depth=0.0)
        ),
        "nvidia": ClassDecode(
            bandwidth_share=0.867, block_s=5.96e-05, spread=Spread(low=0.195, high=0.291, depth=0.0)
        ),
        "nvidia-hbm": ClassDecode(
            bandwidth_share=0.779, block_s=0.000139, spread=Spread(low=0.23, high=0.252, depth=0.0)
        ),
        "strix-halo": ClassDecode(
            bandwidth_share=0.906, block_s=0.000109, spread=Spread(low=0.23, high=0.252, depth=0.0)
        ),
    },
    prefill={
        "ada": FamilyPrefill(
            peak_share=1.46,
            attention_share=1.36,
            half_precision_factor=0.567,
            spread=Spread(low=0.829, high=0.807, depth=0.6),
        ),
        "amd": FamilyPrefill(
            peak_share=1.12,
            attention_share=0.716,
            half_precision_factor=1.0,
            spread=Spread(low=1.05, high=0.811, depth=0.6),
        ),
        "ampere": FamilyPrefill(
            peak_share=1.68,
            attention_share=1.36,
            half_precision_factor=0.567,
            spread=Spread(low=0.536, high=0.298, depth=0.6),
        ),
        "apple": FamilyPrefill(
            peak_share=0.683,
            attention_share=0.653,
            half_precision_factor=0.877,
            spread=Spread(low=0.319, high=0.29, depth=0.6),
        ),
        "apple-m5": FamilyPrefill(
            peak_share=2.2,
            attention_share=0.653,
            half_precision_factor=0.877,
            spread=Spread(low=1.05, high=0.811, depth=0.6),
        ),
        "blackwell": FamilyPrefill(
            peak_share=1.91,
            attention_share=1.36,
            half_precision_factor=0.567,
            spread=Spread(low=1.35, high=0.455, depth=0.6),
        ),
        "gb10": FamilyPrefill(
            peak_share=1.24,
            attention_share=1.36,
            half_precision_factor=0.567,
            spread=Spread(low=1.05, high=0.811, depth=0.6),
        ),
        "hbm": FamilyPrefill(
            peak_share=2.45,
            attention_share=1.36,
            half_precision_factor=0.567,
            spread=Spread(low=1.05, high=0.811, depth=0.6),
        ),
        "strix-halo": FamilyPrefill(
            peak_share=0.62,
            attention_share=0.716,
            half_precision_factor=1.0,
            spread=Spread(low=1.05, high=0.811, depth=0.6),
        ),
        "turing": FamilyPrefill(
            peak_share=1.22,
            attention_share=1.36,
            half_precision_factor=0.567,
            spread=Spread(low=1.05, high=0.811, depth=0.6),
        ),
    },
    known_decode=Spread(low=0.232, high=0.262, depth=0.0),
    known_prefill=Spread(low=0.614, high=0.632, depth=0.0),
)
