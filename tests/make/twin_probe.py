"""
What the engine makes of GGUF files, asked in a process of its own: a wrong file may abort it.

    python twin_probe.py FILE...      one JSON line a file: its logits, and the experts it chose
    python twin_probe.py --types FILE one JSON line a file type: what llama-quantize would make
"""

from __future__ import annotations

import ctypes
import json
import re
import sys
from collections import Counter

import llama_cpp.llama_cpp as lib
import numpy as np

N_TOKENS = 32
# enum llama_ftype, without what cannot be quantized to, or that no catalogue names.
FILE_TYPES = (2, 3, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26,
              27, 28, 29, 30, 31, 36, 37, 38)  # fmt: skip


class _Tensor(ctypes.Structure):
    """The beginning of struct ggml_tensor (ggml.h), as far as a chosen expert is found by it."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("buffer", ctypes.c_void_p),
        ("ne", ctypes.c_int64 * 4),
        ("nb", ctypes.c_size_t * 4),
    )


def probe(path: str) -> dict[str, object]:
    chosen: dict[str, Counter[int]] = {}

    @lib.ggml_backend_sched_eval_callback  # type: ignore[untyped-decorator]
    def watch(address: int, asks: bool, _: object) -> bool:
        name = str(_BASE.ggml_get_name(address), "utf-8")
        is_choice = name.startswith("ffn_moe_topk")
        if is_choice and not asks:
            tensor = _Tensor.from_address(address)
            data = ctypes.create_string_buffer(_BASE.ggml_nbytes(address))
            _BASE.ggml_backend_tensor_get(address, data, 0, len(data))
            for row in range(tensor.ne[1]):
                start = row * tensor.nb[1]
                experts = np.frombuffer(data.raw, dtype="<i4", count=tensor.ne[0], offset=start)
                chosen.setdefault(name, Counter()).update(experts.tolist())
        return is_choice

    params = lib.llama_model_default_params()
    model = lib.llama_model_load_from_file(path.encode(), params)
    if not model:
        return {"loads": False}
    context_params = lib.llama_context_default_params()
    context_params.n_ctx = 2 * N_TOKENS
    context_params.cb_eval = watch
    context = lib.llama_init_from_model(model, context_params)
    n_vocab = lib.llama_vocab_n_tokens(lib.llama_model_get_vocab(model))
    tokens = np.random.default_rng(1).integers(0, n_vocab, N_TOKENS)
    array = (lib.llama_token * N_TOKENS)(*tokens.tolist())
    answers = [lib.llama_decode(context, lib.llama_batch_get_one(array, N_TOKENS))]
    answers += [lib.llama_decode(context, lib.llama_batch_get_one(array, 1)) for _ in range(2)]
    logits = np.ctypeslib.as_array(lib.llama_get_logits(context), shape=(n_vocab,)).copy()
    lib.llama_free(context)
    lib.llama_model_free(model)
    return {
        "loads": True,
        "decodes": not any(answers),
        "finite": bool(np.isfinite(logits).all()),
        "deviation": float(logits.std()),
        "experts": {name: len(experts) for name, experts in chosen.items()},
        "busiest": {
            name: max(experts.values()) / experts.total() for name, experts in chosen.items()
        },
    }


def types(path: str) -> None:
    for number in FILE_TYPES:
        _LINES.clear()
        params = lib.llama_model_quantize_default_params()
        params.ftype, params.dry_run, params.nthread = number, True, 1
        answer = lib.llama_model_quantize(
            path.encode(), f"{path}.unwritten".encode(), ctypes.byref(params)
        )
        found = {}
        for line in "".join(_LINES).splitlines():
            if match := re.search(r"\]\s+(\S+)\s+- \[.*type = +(\w+)", line):
                becomes = re.search(r"-> +[\d.]+ MiB \((\w+)\)", line)
                found[match[1]] = (becomes[1] if becomes else match[2]).upper()
        print(json.dumps({"file_type": number, "answer": answer, "types": found}))


_LINES: list[str] = []


@lib.llama_log_callback  # type: ignore[untyped-decorator]
def _log(_level: int, text: bytes, _: object) -> None:
    _LINES.append(text.decode(errors="replace"))


_BASE = ctypes.CDLL(
    next(
        str(path)
        for path in lib._base_path.glob("*ggml-base*")
        if path.suffix in (".so", ".dylib", ".dll")
    )
)
_BASE.ggml_get_name.restype = ctypes.c_char_p
_BASE.ggml_get_name.argtypes = [ctypes.c_void_p]
_BASE.ggml_nbytes.restype = ctypes.c_size_t
_BASE.ggml_nbytes.argtypes = [ctypes.c_void_p]
_BASE.ggml_backend_tensor_get.restype = None
_BASE.ggml_backend_tensor_get.argtypes = [
    ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t,
]  # fmt: skip


if __name__ == "__main__":
    lib.llama_log_set(_log, None)
    lib.llama_backend_init()
    if sys.argv[1] == "--types":
        types(sys.argv[2])
    else:
        for file in sys.argv[1:]:
            print(json.dumps(probe(file)), flush=True)
