"""`Settings` as llama.cpp's own parameter structs."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import llama_cpp.llama_cpp as lib

from harness.engine.failure import EngineFailed
from harness.engine.ggml import Ggml
from harness.schema.cache_types import CACHE_TYPES
from harness.schema.model_kind import MODEL_KINDS, ModelKind
from harness.schema.settings import Settings

_LOAD_MODES = {"auto": -1, "none": 0, "mmap": 1, "mlock": 2, "mmap+mlock": 3, "direct-io": 4}
_SPLIT_MODES = {"none": 0, "layer": 1, "row": 2, "tensor": 3}
_FLASH_ATTN = {"auto": -1, "off": 0, "on": 1}


class _BufferOverride(ctypes.Structure):
    """struct llama_model_tensor_buft_override of llama.h."""

    _fields_ = (("pattern", ctypes.c_char_p), ("buffer_type", ctypes.c_void_p))


def model_params(settings: Settings, ggml: Ggml) -> tuple[lib.llama_model_params, list[object]]:
    """
    llama.cpp's load parameters, and the objects they point to, which must outlive the load.

    Raises:
        EngineFailed: No such device.
    """
    params = lib.llama_model_default_params()
    params.n_gpu_layers = settings.n_gpu_layers
    params.split_mode = _SPLIT_MODES[settings.split_mode]
    params.load_mode = _LOAD_MODES[settings.load_mode]
    params.main_gpu = settings.main_gpu
    params.use_extra_bufts = settings.repack
    keep: list[object] = []
    if settings.devices:
        devices = _devices(settings.devices, ggml)
        params.devices = ctypes.cast(devices, ctypes.c_void_p)
        keep.append(devices)
    if settings.tensor_split:
        shares = (ctypes.c_float * lib.llama_max_devices())(*settings.tensor_split)
        params.tensor_split = shares
        keep.append(shares)
    if settings.n_cpu_moe:
        overrides = _expert_overrides(settings.n_cpu_moe, ggml)
        params.tensor_buft_overrides = ctypes.cast(overrides, ctypes.c_void_p)
        keep.append(overrides)
    return params, keep


def _devices(names: Sequence[str], ggml: Ggml) -> ctypes.Array[ctypes.c_void_p]:
    handles = ggml.handles()
    unknown = [name for name in names if name not in handles]
    if unknown:
        raise EngineFailed(
            "settings-invalid",
            f"no device named {unknown[0]}; this engine has {', '.join(handles)}",
        )
    return (ctypes.c_void_p * (len(names) + 1))(*(handles[name] for name in names), None)


def _expert_overrides(n_layers: int, ggml: Ggml) -> ctypes.Array[_BufferOverride]:
    # The same tensors that llama.cpp's own --n-cpu-moe names.
    patterns = [rf"blk\.{i}\.ffn_(up|down|gate|gate_up)_(ch|)exps" for i in range(n_layers)]
    buffer_type = ggml.cpu_buffer_type()
    rows = [_BufferOverride(pattern.encode(), buffer_type) for pattern in patterns]
    return (_BufferOverride * (n_layers + 1))(*rows, _BufferOverride(None, None))


def context_params(
    settings: Settings,
    n_ctx: int,
    kind: ModelKind = "generates",
    n_sequences: int = 1,
    *,
    is_shared: bool = False,
) -> lib.llama_context_params:
    """
    llama.cpp's context parameters, with what its own tools set for a model of that kind.

    Raises:
        EngineFailed: No such cache type.
    """
    params = lib.llama_context_default_params()
    params.n_ctx = n_ctx
    params.n_seq_max = n_sequences
    # Each sequence has cells of its own: in a common pool each would look at those of all. Only
    # there, though, can several have a beginning in common without a copy of it.
    params.kv_unified = is_shared
    params.n_batch = settings.n_batch
    params.n_ubatch = settings.n_ubatch
    params.n_threads = params.n_threads_batch = settings.n_threads
    params.flash_attn_type = _FLASH_ATTN[settings.flash_attn]
    params.type_k = _cache_type(settings.type_k)
    params.type_v = _cache_type(settings.type_v)
    # The library's default gives sliding-window layers a cache as long as the context;
    # llama.cpp's own tools all turn it off.
    params.swa_full = False
    params.embeddings = MODEL_KINDS[kind].is_pooled
    return params


def _cache_type(name: str) -> int:
    """ggml's number for a KV cache type such as "q8_0"."""
    if name not in CACHE_TYPES:
        raise EngineFailed(
            "settings-invalid", f"{name} is no cache type; known: {', '.join(CACHE_TYPES)}"
        )
    return int(CACHE_TYPES[name])
