"""What the wheel's server is told, in the wheel's own parameters."""

from __future__ import annotations

from typing import Any

import pytest

from harness.schema.settings import Settings
from harness.serving.wheel_server import parameters

xllamacpp = pytest.importorskip("xllamacpp")


def told(**settings: object) -> Any:
    chosen = Settings.model_validate({"n_threads": 3} | settings).model_dump(mode="json")
    server = {"path": "m.gguf", "port": 8081, "n_ctx": 4096, "n_slots": 4}
    return parameters(xllamacpp, chosen | server)


def test_it_listens_to_the_loopback_alone_and_keeps_no_prompts() -> None:
    params = told()
    assert (params.hostnames, params.port) == (["127.0.0.1"], 8081)
    assert (params.n_ctx, params.n_parallel) == (4096, 4)
    assert (params.cpuparams.n_threads, params.cpuparams_batch.n_threads) == (3, 3)
    assert (params.cache_ram_mib, params.ui, params.fit_params) == (0, False, False)
    assert params.cors_origins == "localhost"
    assert params.n_gpu_layers == 999


@pytest.mark.parametrize(
    ("settings", "field", "value"),
    [
        ({"n_batch": 64}, "n_batch", 64),
        ({"n_ubatch": 32}, "n_ubatch", 32),
        ({"n_gpu_layers": 0}, "n_gpu_layers", 0),
        ({"flash_attn": "on"}, "flash_attn_type", 1),
        ({"flash_attn": "off"}, "flash_attn_type", 0),
        ({"type_k": "q8_0"}, "cache_type_k", 8),
        ({"type_v": "iq4_nl"}, "cache_type_v", 20),
        ({"split_mode": "row"}, "split_mode", 2),
        ({"main_gpu": 1}, "main_gpu", 1),
        ({"load_mode": "mmap+mlock"}, "load_mode", 3),
        ({"load_mode": "direct-io"}, "load_mode", 4),
        ({"repack": False}, "no_extra_bufts", True),
    ],
)
def test_every_setting_has_its_field(
    settings: dict[str, object], field: str, value: object
) -> None:
    assert getattr(told(**settings), field) == value
    assert getattr(told(), field) != value


def test_shares_of_devices_and_experts_in_memory() -> None:
    params = told(tensor_split=(3.0, 1.0), n_cpu_moe=2)
    assert params.tensor_split[:3] == [3.0, 1.0, 0.0]
    assert params.tensor_buft_overrides.count("=CPU") == 2
    assert "blk\\.1\\.ffn_" in params.tensor_buft_overrides
