"""
The llama-server that the wheel `xllamacpp` carries (the extra `serve`), as a process of its own.

Started by program.py only, with what it is to serve as one JSON argument. It runs within
Python, and takes no command line: its settings are fields of llama.cpp's own parameters.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

ABOUT = "--about"
_FLASH_ATTN = {"auto": "AUTO", "on": "ENABLED", "off": "DISABLED"}
_ALL_LAYERS = 999
_N_SHARES = 128  # the length of tensor_split in llama.cpp's common_params


def main() -> None:
    """Serves until stdin ends; with `--about` it tells what it is instead."""
    import xllamacpp

    if sys.argv[1] == ABOUT:
        os.write(1, json.dumps(about(xllamacpp)).encode())
        return
    try:
        # Kept: what is collected stops serving.
        server = xllamacpp.Server(parameters(xllamacpp, json.loads(sys.argv[1])))
    except RuntimeError:
        sys.exit(1)  # why, it has told its log
    while os.read(0, 4096):
        pass
    del server


def about(library: Any) -> dict[str, Any]:
    """Which instructions it was built for, in llama.cpp's words, and the graphics cards it sees."""
    cards = [it["name"] for it in library.get_device_info() if it["type"].name.endswith("GPU")]
    return {"system_info": library.get_system_info().strip(" |\n"), "gpus": cards}


def parameters(library: Any, told: dict[str, Any]) -> Any:
    """
    llama.cpp's parameters for a server, as the wheel has them.

    Args:
        library: The module `xllamacpp`.
        told: "path", "port", "n_ctx" in all, "n_slots", and the fields of Settings.
    """
    params = library.CommonParams()
    params.model.path = told["path"]
    params.hostnames, params.port = ["127.0.0.1"], told["port"]
    params.n_ctx, params.n_parallel = told["n_ctx"], told["n_slots"]
    params.n_batch, params.n_ubatch = told["n_batch"], told["n_ubatch"]
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = told["n_threads"]
    params.cache_type_k = library.ggml_type[f"GGML_TYPE_{told['type_k'].upper()}"]
    params.cache_type_v = library.ggml_type[f"GGML_TYPE_{told['type_v'].upper()}"]
    _place(params, library, told)
    # No page, no cache of prompts in memory, and nothing decided by how much memory is free.
    params.ui, params.cache_ram_mib, params.fit_params, params.offline = False, 0, False, True
    params.cors_origins = "localhost"  # by its default any page in a browser may ask it
    return params


def _place(params: Any, library: Any, told: dict[str, Any]) -> None:
    """Where layers, experts and weights go, and how attention is computed."""
    flash_attn = _FLASH_ATTN[told["flash_attn"]]
    params.flash_attn_type = library.llama_flash_attn_type[f"LLAMA_FLASH_ATTN_TYPE_{flash_attn}"]
    params.n_gpu_layers = _ALL_LAYERS if told["n_gpu_layers"] < 0 else told["n_gpu_layers"]
    params.main_gpu = told["main_gpu"]
    params.split_mode = library.llama_split_mode[f"LLAMA_SPLIT_MODE_{told['split_mode'].upper()}"]
    if told["tensor_split"]:
        params.tensor_split = (told["tensor_split"] + [0.0] * _N_SHARES)[:_N_SHARES]
    load_mode = told["load_mode"].upper().replace("+", "_").replace("-", "_")
    params.load_mode = library.llama_load_mode[f"LLAMA_LOAD_MODE_{load_mode}"]
    params.no_extra_bufts = not told["repack"]
    if told["n_cpu_moe"]:
        # The same tensors that llama.cpp's own --n-cpu-moe names.
        names = (
            rf"blk\.{layer}\.ffn_(up|down|gate|gate_up)_(ch|)exps"
            for layer in range(told["n_cpu_moe"])
        )
        params.tensor_buft_overrides = ",".join(f"{name}=CPU" for name in names)


if __name__ == "__main__":
    main()
