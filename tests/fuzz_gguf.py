"""
Coverage-guided fuzzing of the header reader; not part of the test suite.

    pip install atheris                                     (CPython up to the version it supports)
    python tests/fuzz_gguf.py CORPUS -max_total_time=600    (any option of libFuzzer)

An input may be refused with ModelInvalid and nothing else, within a second, and without more than
64 MB beside it. CORPUS is filled with small models first.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import atheris  # type: ignore[import-untyped]

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
with atheris.instrument_imports(include=["harness.models"]):
    from harness.errors import ModelInvalid
    from harness.models.gguf.header import read_header
    from harness.models.gguf.model_file import model_file_of

from make.gguf import SMALL, Value, Weight, head

_LARGEST_INPUT = 4096
_MAX_BYTES = 64 << 20


def read(data: bytes) -> None:
    """Reads `data` as a file, and once more as the start of a file of any size."""
    for size in (len(data), 1 << 40):
        try:
            header = read_header(io.BytesIO(data), size, "fuzz.gguf")
            model_file_of(
                [header],
                name="fuzz.gguf",
                key="k",
                file_name="fuzz.gguf",
                n_bytes=len(data),
                quantization=None,
                sha256=None,
            )
        except ModelInvalid as error:
            if "\n" in str(error):
                raise RuntimeError(f"more than one line: {error}") from error


def _seed(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    experts: dict[str, Value] = {
        "llama.expert_count": 4,
        "llama.expert_used_count": [2, 2],
        "llama.attention.head_count_kv": [2, 1],
        "llama.attention.key_length_swa": 8,
        "llama.attention.sliding_window_pattern": [True, False],
        "general.alignment": 32,
        "general.file_type": 15,
        "tokenizer.ggml.tokens": ["a", "b"],
        "tokenizer.chat_template": "{{ messages }}",
        "some.float": 0.5,
    }
    weights = [
        Weight("token_embd.weight", (64, 2)),
        Weight("blk.0.ffn_up_exps.weight", (256, 2, 4), "Q4_K"),
        Weight("blk.1.nextn.eh_proj.weight", (64, 2), "F16"),
    ]
    kinds = [(SMALL, weights[:1]), (SMALL | experts, weights), (SMALL | experts, [])]
    for index, (keys, some) in enumerate(kinds):
        made = head(keys, some)
        (folder / f"seed-{index}").write_bytes(made.data + bytes(made.n_bytes - len(made.data)))


if __name__ == "__main__":
    if len(sys.argv) > 1 and not sys.argv[1].startswith("-"):
        _seed(Path(sys.argv[1]))
    limits = [f"-max_len={_LARGEST_INPUT}", "-timeout=1", f"-malloc_limit_mb={_MAX_BYTES >> 20}"]
    atheris.Setup([*sys.argv, *limits], read)
    atheris.Fuzz()
