"""The architectures that can be laid out from the catalogue's shape."""

from __future__ import annotations

from collections.abc import Callable

from tools.catalogue.architectures import deepseek4, dense, gemma4, hybrids, mixtures
from tools.catalogue.architectures.blueprint import Blueprint

LAYOUTS: dict[str, Callable[[Blueprint], None]] = {
    "llama": dense.llama,
    "qwen2": dense.qwen2,
    "qwen3": dense.qwen3,
    "gemma3": dense.gemma3,
    "gemma4": gemma4.gemma4,
    "phi3": dense.phi3,
    "muse-glimmer": dense.muse_glimmer,
    "olmo2": dense.olmo2,
    "gpt-oss": mixtures.gpt_oss,
    "qwen3moe": mixtures.qwen3moe,
    "minimax-m2": mixtures.minimax_m2,
    "glm4moe": mixtures.glm4moe,
    "deepseek2": mixtures.deepseek2,
    "deepseek4": deepseek4.deepseek4,
    "mistral4": mixtures.mistral4,
    "nemotron_h_moe": hybrids.nemotron_h_moe,
    "qwen3next": hybrids.qwen3next,
    "qwen35": hybrids.qwen35,
    "qwen35moe": hybrids.qwen35moe,
}
"""By the names of llama.cpp's architectures."""
