"""Which buffer the engine puts each tensor of a model into."""

from __future__ import annotations

import ctypes
import sys
from collections import defaultdict
from collections.abc import Mapping

import llama_cpp.llama_cpp as lib

from harness.engine.ggml import Ggml
from harness.engine.rpc import Rpc

# llama_internal_get_tensor_map of llama.cpp: a vector of (std::string, ggml_tensor *). It is part
# of the library and of no header, so it goes by its C++ name: that of libstdc++, then of libc++.
_NAMES = (
    "_Z29llama_internal_get_tensor_mapB5cxx11PK11llama_model",
    "_Z29llama_internal_get_tensor_mapPK11llama_model",
)
# sizeof(std::string) there; the pointer follows it.
_STRING_BYTES = 24 if sys.platform == "darwin" else 32


class _Vector(ctypes.Structure):
    """The head of a std::vector, the same in both libraries."""

    _fields_ = (("begin", ctypes.c_void_p), ("end", ctypes.c_void_p))


class _Tensor(ctypes.Structure):
    """The head of struct ggml_tensor."""

    _fields_ = (("type", ctypes.c_int), ("buffer", ctypes.c_void_p))


def tensors_by_buffer(model: object, ggml: Ggml, rpc: Rpc) -> Mapping[str, tuple[str, ...]]:
    """
    Name of a buffer type to the tensors in it; a tensor may be in two (an output head that is
    the embedding, on another device). Empty where the library does not tell (Windows).
    """
    find = next((f for name in _NAMES if (f := getattr(lib._lib, name, None))), None)
    if find is None or sys.platform == "win32":
        return {}
    find.restype, find.argtypes = ctypes.POINTER(_Vector), [ctypes.c_void_p]
    vector = find(model).contents
    width = _STRING_BYTES + ctypes.sizeof(ctypes.c_void_p)
    if not vector.begin or (vector.end - vector.begin) % width:
        return {}
    found: dict[str, list[str]] = defaultdict(list)
    for address in range(vector.begin + _STRING_BYTES, vector.end, width):
        pointer = ctypes.c_void_p.from_address(address).value
        assert pointer is not None
        buffer = _Tensor.from_address(pointer).buffer
        if buffer:
            found[rpc.named(ggml.buffer_name(buffer))].append(ggml.tensor_name(pointer))
    return {name: tuple(tensors) for name, tensors in found.items()}
