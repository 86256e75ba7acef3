"""How the engine is set up for a measurement."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from harness.schema.record import Record


class Settings(Record):
    """
    How the engine is set up, in llama.cpp's own terms and with llama-bench's defaults.

    `n_ctx` None gives each workload just the context it needs, as llama-bench does.
    `n_gpu_layers` -1 is all. `n_cpu_moe`: experts of the first N layers stay in system memory.
    """

    n_threads: PositiveInt
    n_batch: PositiveInt = 2048
    n_ubatch: PositiveInt = 512
    n_ctx: PositiveInt | None = None
    n_gpu_layers: Annotated[int, Field(ge=-1)] = -1
    n_cpu_moe: NonNegativeInt = 0
    devices: tuple[str, ...] = ()
    split_mode: Literal["none", "layer", "row", "tensor"] = "layer"
    main_gpu: NonNegativeInt = 0
    tensor_split: tuple[float, ...] = ()
    flash_attn: Literal["auto", "on", "off"] = "auto"
    type_k: str = "f16"
    type_v: str = "f16"
    load_mode: Literal["auto", "none", "mmap", "mlock", "mmap+mlock", "direct-io"] = "auto"
    repack: bool = True
