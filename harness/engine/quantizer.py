"""
llama.cpp's own quantizer: what it would make of a file, and the file itself.

It tells what it does in its log alone, so the log is read:

    [   3/ 272]           blk.0.attn_k.weight - [  576,   192,     1,     1], type =   q4_1, \
converting to q5_0 .. size =     0.07 MiB ->     0.07 MiB
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable, Mapping

import llama_cpp.llama_cpp as lib

from harness.engine import log
from harness.engine.failure import EngineFailed
from harness.engine.library import Engine
from harness.models.gguf.tensor_types import FILE_TYPES
from harness.schema.planned import PlannedFile

_TENSOR = re.compile(r"\[ *\d+/ *\d+\] +(?P<name>\S+) +- \[[^\]]*\], type = +(?P<type>\w+), ")
_BECOMES = re.compile(r"-> +[\d.]+ MiB \((?P<type>\w+)\)")
_FALLBACK = re.compile(r"WARNING: (\d+) of \d+ tensor\(s\) required fallback")
_WANTS_IMATRIX = "will require an imatrix"
_NUMBERS = {name: number for number, name in FILE_TYPES.items()}


def planned_file(engine: Engine, source: str, file_type: str) -> PlannedFile:
    """
    What `source` would become as `file_type`, from its header alone.

    Raises:
        EngineFailed: The engine refuses the source.
    """
    params = _params(file_type, n_threads=1)
    params.dry_run = True
    _run(engine, source, None, params)
    text = engine.text()
    types = {}
    for line in text.splitlines():
        if match := _TENSOR.search(line):
            becomes = _BECOMES.search(line)
            types[match["name"]] = (becomes or match)["type"].upper()
    fallback = _FALLBACK.search(text)
    return PlannedFile(
        file_type=file_type,
        types=types,
        n_fallback=int(fallback[1]) if fallback else 0,
        refusal=f"{file_type} needs an importance matrix" if _WANTS_IMATRIX in text else None,
    )


def quantize(
    engine: Engine,
    source: str,
    target: str,
    file_type: str,
    *,
    n_threads: int,
    keys: Mapping[str, str],
    allows_requantizing: bool,
    on_tensor: Callable[[str], object],
) -> None:
    """
    The file at `target`, of all parts of `source`.

    Args:
        engine: The library.
        source: A model; of a split one the first part.
        target: Overwritten.
        file_type: As llama-quantize calls it, "Q4_K_M".
        n_threads: To compute with.
        keys: Texts added to the metadata.
        allows_requantizing: Also from a source that is quantized itself.
        on_tensor: Told the name of each tensor before it is quantized.

    Raises:
        EngineFailed: It refuses, or the disk does.
    """
    params = _params(file_type, n_threads)
    params.allow_requantize = allows_requantizing
    overrides = _overrides(keys)
    params.kv_overrides = overrides

    def hear(text: str) -> None:
        if match := _TENSOR.search(text):
            on_tensor(match["name"])

    with engine.overheard(hear):
        _run(engine, source, target, params)
    del overrides  # the parameters pointed to it


def _params(file_type: str, n_threads: int) -> lib.llama_model_quantize_params:
    params = lib.llama_model_quantize_default_params()
    params.ftype, params.nthread = _NUMBERS[file_type], n_threads
    return params


def _overrides(keys: Mapping[str, str]) -> ctypes.Array[lib.llama_model_kv_override]:
    """`keys` as the engine takes them; an entry without a key ends the list."""
    entries: ctypes.Array[lib.llama_model_kv_override]
    entries = (lib.llama_model_kv_override * (len(keys) + 1))()
    for entry, (key, value) in zip(entries, keys.items(), strict=False):
        entry.tag = lib.LLAMA_KV_OVERRIDE_TYPE_STR
        entry.key = key.encode()
        entry.value.val_str = value.encode()
    return entries


def _run(
    engine: Engine, source: str, target: str | None, params: lib.llama_model_quantize_params
) -> None:
    engine.forget_log()
    answer = lib.llama_model_quantize(
        source.encode(), (target or "").encode(), ctypes.byref(params)
    )
    if answer:
        reason = log.cause(engine.errors(), "model-invalid" if target is None else "worker-error")
        raise EngineFailed(reason, _said(engine))


def _said(engine: Engine) -> str:
    """Why it failed, in the engine's own words."""
    words = [log.explanation([line]) for line in engine.errors() if "failed to quantize" in line]
    return (words or [log.explanation(engine.errors())])[-1].removeprefix("failed to quantize: ")
