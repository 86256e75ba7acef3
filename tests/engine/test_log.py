"""Lines as the pinned engine prints them, recorded from real loads."""

from __future__ import annotations

import pytest

from harness.engine import log
from harness.schema.experiment import Buffer

MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "load_tensors:   CPU_Mapped model buffer size =    92.10 MiB",
            Buffer(device="CPU_Mapped", kind="weights", n_bytes=round(92.10 * MIB)),
        ),
        (
            "load_tensors:   CPU_REPACK model buffer size =   955.12 MiB",
            Buffer(device="CPU_REPACK", kind="weights", n_bytes=round(955.12 * MIB)),
        ),
        (
            "llama_kv_cache:        CPU KV buffer size =    11.25 MiB",
            Buffer(device="CPU", kind="kv", n_bytes=round(11.25 * MIB)),
        ),
        (
            "llama_memory_recurrent:      CUDA0 RS buffer size =     1.50 MiB",
            Buffer(device="CUDA0", kind="recurrent", n_bytes=round(1.5 * MIB)),
        ),
        (
            "sched_reserve:  CUDA_Host compute buffer size =    98.25 MiB",
            Buffer(device="CUDA_Host", kind="compute", n_bytes=round(98.25 * MIB)),
        ),
        (
            "llama_context:        CPU  output buffer size =     0.19 MiB",
            Buffer(device="CPU", kind="output", n_bytes=round(0.19 * MIB)),
        ),
        (
            "llama_kv_cache:       MTL0 KV buffer size =    11,25 MiB",
            Buffer(device="MTL0", kind="kv", n_bytes=round(11.25 * MIB)),
        ),
    ],
)
def test_buffer_sizes_are_read_from_the_log(line: str, expected: Buffer) -> None:
    assert log.buffers([line + "\n"]) == (expected,)


def test_lines_about_something_else_name_no_buffer() -> None:
    lines = [
        "llama_kv_cache: size =   11.25 MiB (   512 cells,  30 layers,  1/1 seqs), K (f16)",
        "load: token to piece cache size = 0.3170 MB",
        "",
    ]
    assert log.buffers(lines) == ()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("error loading model: unknown model architecture: 'alien'", "architecture-unknown"),
        (
            "ggml_backend_cuda_buffer_type_alloc_buffer: cudaMalloc failed: out of memory",
            "out-of-memory",
        ),
        (
            "ggml_backend_cpu_buffer_type_alloc_buffer: failed to allocate buffer of size 1",
            "out-of-memory",
        ),
        ("tensor 'blk.0.attn_q.weight' has wrong shape", "model-invalid"),
    ],
)
def test_the_cause_is_read_from_the_errors(line: str, reason: str) -> None:
    assert log.cause([line], "model-invalid") == reason


def test_the_first_error_is_the_explanation() -> None:
    lines = [
        "llama_model_load: error loading model: unknown model architecture: 'alien'\n",
        "llama_model_load_from_file_impl: failed to load model\n",
    ]
    assert log.explanation(lines) == "unknown model architecture: 'alien'"
    assert log.explanation([]) == "the engine gave no reason"


def test_a_planned_cache_is_told_by_layers_and_devices() -> None:
    lines = [
        "llama_kv_cache_iswa: creating non-SWA KV cache, size = 4096 cells",
        "llama_kv_cache: layer   0: dev = CPU",
        "llama_kv_cache: layer   2: dev = CUDA0",
        "llama_kv_cache: layer   4: dev = CUDA0",
        "llama_kv_cache:        CPU KV buffer size =     0.00 MiB",
        "llama_kv_cache:      CUDA0 KV buffer size =     0.00 MiB",
        "llama_kv_cache: size =   96.00 MiB (  4096 cells,   3 layers,  1/1 seqs), K (f16):",
        "llama_kv_cache_iswa: creating     SWA KV cache, size = 768 cells",
        "llama_kv_cache: layer   1: dev = CUDA0",
        "llama_kv_cache:      CUDA0 KV buffer size =     0.00 MiB",
        "llama_kv_cache: size =   18.00 MiB (   768 cells,   1 layers,  1/1 seqs), K (f16):",
        "llama_memory_recurrent:      CUDA0 RS buffer size =     1.50 MiB",
        "sched_reserve:      CUDA0 compute buffer size =   398.38 MiB",
    ]
    told = [(it.device, it.kind, it.n_bytes) for it in log.planned_buffers(lines)]
    assert told == [
        ("CPU", "kv", 32 * MIB),
        ("CUDA0", "kv", 64 * MIB),
        ("CUDA0", "kv-sliding", 18 * MIB),
        ("CUDA0", "recurrent", round(1.5 * MIB)),
        ("CUDA0", "compute", round(398.38 * MIB)),
    ]


def test_a_planned_cache_without_layers_lies_where_its_buffers_are() -> None:
    lines = [
        "llama_kv_cache:       MTL0 KV buffer size =     0.00 MiB",
        "llama_kv_cache: size =   10.00 MiB (  4096 cells,   3 layers,  1/1 seqs), K (f16):",
    ]
    (buffer,) = log.planned_buffers(lines)
    assert (buffer.device, buffer.n_bytes) == ("MTL0", 10 * MIB)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("llama_kv_cache: layer   0: dev = CPU", True),
        ("load_tensors: layer   0 assigned to device CPU, is_swa = 0", False),
        ("create_tensor: loading tensor blk.0.attn_q.weight", False),
    ],
)
def test_only_lines_that_tell_a_place_are_kept_of_the_debug_log(line: str, expected: bool) -> None:
    assert log.tells_place(line) is expected
