"""What a row of llama-bench tells of model, settings, workload, machine and build, in our words."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from typing import Any

from harness.commands.exchange.record import BenchRecord, short_type
from harness.schema.experiment import EngineInfo
from harness.schema.machine import UNKNOWN_CPU, Accelerator, MachineFacts
from harness.schema.model import ModelFile
from harness.schema.settings import Settings
from harness.schema.workload import parse_workload

_FLASH_ATTN = {-1: "auto", 0: "off", 1: "on"}


def workload_of(record: BenchRecord) -> str:
    """
    The name of the workload.

    Raises:
        ValueError: More tokens than any workload here has.
    """
    kind, n = ("pp", record.n_prompt) if record.n_prompt else ("tg", record.n_gen)
    return parse_workload(f"{kind}{n}" + (f"@d{record.n_depth}" if record.n_depth else "")).name


def settings_of(record: BenchRecord) -> Settings:
    """
    How the engine was set up.

    Raises:
        ValueError: Settings that cannot be.
    """
    facts: dict[str, Any] = {
        name: getattr(record, name)
        for name in (
            *("n_threads", "n_batch", "n_ubatch", "n_gpu_layers", "n_cpu_moe", "split_mode"),
            *("main_gpu", "type_k", "type_v", "repack"),
        )
    }
    is_direct = record.load_mode == "dio"
    return Settings(
        **facts,
        devices=() if record.devices == "auto" else tuple(record.devices.split("/")),
        tensor_split=_shares(record.tensor_split),
        flash_attn=_FLASH_ATTN[record.flash_attn],
        load_mode="direct-io" if is_direct else record.load_mode,
    )


def _shares(text: str) -> tuple[float, ...]:
    try:
        shares = tuple(float(part) for part in text.split("/")) if text else ()
    except ValueError:
        raise ValueError(f"tensor_split is {text[:40]!r}, not shares such as 3.00/1.00") from None
    if not all(0 <= share < float("inf") for share in shares):
        raise ValueError(f"tensor_split is {text[:40]!r}, not shares such as 3.00/1.00")
    return shares if any(shares) else ()


def model_of(record: BenchRecord, taken: set[str]) -> ModelFile:
    """The model, under a key that is not among `taken`."""
    file_name = re.split(r"[\\/]", record.model_filename)[-1] or "unnamed"
    words = record.model_type.split(maxsplit=2)
    quantization = short_type(words[2]) if len(words) > 2 else "unknown"
    key = next(
        name
        for name in _candidates(file_name, record.model_filename, len(taken))
        if name not in taken
    )
    return ModelFile(
        key=key,
        file_name=file_name,
        n_bytes=record.model_size,
        sha256=None,
        quantization=quantization,
        architecture=words[0] if words else "unknown",
        n_params=record.model_n_params,
        n_layer=None,
        n_embd=None,
        n_vocab=None,
        n_ctx_train=None,
        weights_bytes=record.model_size,
        tensor_bytes={},
        token_read_bytes=None,
    )


def _candidates(file_name: str, path: str, n_taken: int) -> Iterable[str]:
    """Keys for a file, the shortest first; the last cannot all be taken."""
    yield file_name
    yield path
    yield from (f"{path} ({number})" for number in range(2, n_taken + 3))


def machine_of(record: BenchRecord) -> MachineFacts:
    """The machine: the names of its processors, and an id made of them."""
    # A machine's own id is a bare hash: no imported one can be taken for it.
    gpus = [name.strip() for name in record.gpu_info.split(",") if name.strip()]
    return MachineFacts(
        id=f"llama-bench-{digest([record.cpu_info, record.gpu_info])[:8]}",
        cpu=record.cpu_info or UNKNOWN_CPU,
        accelerators=tuple(Accelerator(name=name) for name in gpus),
    )


def engine_of(record: BenchRecord) -> EngineInfo:
    """The build."""
    return EngineInfo(
        binding="llama-bench",
        binding_version=str(record.build_number),
        library_version=f"llama.cpp build {record.build_number}",
        library_commit=record.build_commit,
        system_info=f"backends: {record.backends}",
        supports_gpu_offload=bool(record.gpu_info),
        devices=(),
    )


def digest(value: object) -> str:
    """A hash of something that JSON can say."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
