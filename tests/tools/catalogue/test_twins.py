"""Twins of small models of every architecture that is laid out, as the real engine takes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from make.probe import probed
from make.shapes import DEEP_MIXTURES, spec_of

from harness.models.twin.stocks import stocks_for
from harness.models.twin.twin import write_twin
from tools.catalogue.architectures.known import LAYOUTS
from tools.catalogue.shapes import layout_of


def small_twin(
    folder: Path, architecture: str, quantization: str = "Q4_K_M", **changes: Any
) -> Path:
    spec = spec_of(architecture, quantization, **changes)
    path = folder / f"{architecture}-{quantization}.gguf"
    part = layout_of(spec, spec.variants[0]).part()
    write_twin(path, part, stocks_for([part], np.random.default_rng(1)), lambda _: None)
    return path


@pytest.mark.slow
def test_the_engine_decodes_finite_logits_from_every_architecture(tmp_path: Path) -> None:
    answers = probed([small_twin(tmp_path, architecture) for architecture in LAYOUTS])
    for architecture, answer in zip(LAYOUTS, answers, strict=True):
        assert answer["loads"], architecture
        assert answer["decodes"], architecture
        assert answer["finite"], architecture
        # Neither silence nor noise that drowns everything.
        assert 0.01 < answer["deviation"] < 100, architecture


@pytest.mark.slow
def test_tokens_spread_over_the_experts_in_deep_layers_too(tmp_path: Path) -> None:
    paths = [small_twin(tmp_path, each, **more) for each, more in DEEP_MIXTURES.items()]
    for architecture, answer in zip(DEEP_MIXTURES, probed(paths), strict=True):
        experts = answer["experts"]
        by_layer = [experts[name] for name in sorted(experts, key=lambda name: int(name[13:]))]
        # 32 tokens choose 4 of 16 each: by chance all are chosen, with ties only the first four.
        # Of the last layer only the last token's part is computed.
        assert len(by_layer) >= 11, architecture
        assert min(by_layer[:-1]) >= 14, architecture


@pytest.mark.slow
def test_no_expert_of_a_wide_twin_is_busier_than_chance_has_it(tmp_path: Path) -> None:
    """What all tokens have in common grows with depth and width; no router may go by it."""
    wide = {"n_layer": 16, "n_embd": 1024, "n_ff_exp": 1024, "n_head": 32, "n_head_kv": 8}
    (answer,) = probed([small_twin(tmp_path, "gpt-oss", "MXFP4", **wide)])
    assert len(answer["busiest"]) == 16
    # Of 136 choices among 16 an expert gets 8.5 and 16 at the very most.
    assert max(answer["busiest"].values()) < 0.15
