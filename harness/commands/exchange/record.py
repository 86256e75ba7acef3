"""
The record of llama-bench, llama.cpp's own benchmark: one row for each test it makes.

Its source is what counts (tools/llama-bench/llama-bench.cpp, `test::get_fields`); its README shows
an older generation. Read and written here are both: the present one has `load_mode`, the older
`use_mmap` and `use_direct_io`, and each has keys that the other does not know.
"""

from __future__ import annotations

import re
from statistics import fmean, stdev
from typing import Annotated, Any, Literal, Self, TypedDict

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from harness.schema.moment import utc_time

Value = str | int | float | bool

# An integer of SQL and of the engine; nothing that is counted here comes near.
_MOST = 2**63 - 1
_DIGITS = re.compile(r"-?\d{1,19}")
# A path has at most 4,096 bytes on Linux; nothing else here is as long.
_TEXT_LENGTH = 4096
# llama-bench repeats 5 times unless told otherwise; a record with more than this is no result.
_SAMPLES = 100_000
# `avg_ts` is printed with six decimals.
_RATE_STEP = 1e-6
# The mean of rates is computed in another order than the mean time; far less than this.
_RATE_SLACK = 1e-3


def _whole(value: object) -> object:
    """CSV and SQL write every number as text."""
    if isinstance(value, bool):
        raise ValueError("it is not a whole number")
    if isinstance(value, str):
        if not _DIGITS.fullmatch(value):
            raise ValueError("it is not a whole number")
        return int(value)
    return value


def _flag(value: object) -> object:
    return value == 1 or value == "1" if value in (0, 1, "0", "1") else value


def _tristate(value: object) -> object:
    """Older generations had a flag where now there is a number."""
    return int(value) if isinstance(value, bool) else _whole(value)


def _real(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("it is not a number")
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        raise ValueError("it is not a number") from None


def _time(value: object) -> object:
    try:
        utc_time(str(value))
    except ValueError:
        raise ValueError("it is not a time such as 2026-11-23T17:54:00Z") from None
    return value


Text = Annotated[str, Field(strict=True, max_length=_TEXT_LENGTH)]
Count = Annotated[int, BeforeValidator(_whole), Field(strict=True, ge=0, le=_MOST)]
Positive = Annotated[int, BeforeValidator(_whole), Field(strict=True, ge=1, le=_MOST)]
Whole = Annotated[int, BeforeValidator(_whole), Field(strict=True, ge=-_MOST, le=_MOST)]
Tristate = Annotated[int, BeforeValidator(_tristate), Field(strict=True, ge=-1, le=1)]
Flag = Annotated[bool, BeforeValidator(_flag), Field(strict=True)]
Real = Annotated[float, BeforeValidator(_real), Field(ge=0, allow_inf_nan=False)]
Time = Annotated[Text, BeforeValidator(_time)]
LoadMode = Literal["auto", "none", "mmap", "mlock", "mmap+mlock", "dio"]


class BenchRecord(BaseModel):
    """
    One test of llama-bench, in the order of its fields; those with a default came later.

    `samples_ns` is empty where only the averages were kept, as CSV and SQL do.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())

    build_commit: Text
    build_number: Count = 0
    cpu_info: Text
    gpu_info: Text
    backends: Text = ""
    model_filename: Text
    model_type: Text
    model_size: Positive
    model_n_params: Positive
    n_batch: Positive
    n_ubatch: Positive = 512
    n_threads: Positive
    cpu_mask: Text = "0x0"
    cpu_strict: Flag = False
    poll: Count = 50
    type_k: Text = "f16"
    type_v: Text = "f16"
    n_gpu_layers: Annotated[Whole, Field(ge=-1)]
    n_cpu_moe: Count = 0
    split_mode: Literal["none", "layer", "row", "tensor"] = "layer"
    main_gpu: Count = 0
    no_kv_offload: Flag = False
    flash_attn: Tristate = 0
    devices: Text = "auto"
    tensor_split: Text = "0.00"
    tensor_buft_overrides: Text = "none"
    load_mode: LoadMode = "auto"
    lazy_mode: Literal["off", "auto", "on"] = "auto"
    embeddings: Flag = False
    no_op_offload: Tristate = 0
    no_host: Flag = False
    repack: Flag = True
    fit_target: Count = 0
    fit_min_ctx: Count = 0
    n_prompt: Count
    n_gen: Count
    n_depth: Count = 0
    test_time: Time
    avg_ns: Positive
    stddev_ns: Count = 0
    avg_ts: Annotated[Real, Field(ge=_RATE_STEP)]
    stddev_ts: Real = 0.0
    samples_ns: tuple[Positive, ...] = Field(default=(), max_length=_SAMPLES)

    @model_validator(mode="before")
    @classmethod
    def _modern(cls, row: Any) -> Any:
        """The older generation's way to say how the weights are loaded, in the present one's."""
        if isinstance(row, dict) and "load_mode" not in row and "use_mmap" in row:
            is_direct, is_mapped = _flag(row.get("use_direct_io", False)), _flag(row["use_mmap"])
            if not isinstance(is_direct, bool) or not isinstance(is_mapped, bool):
                raise ValueError("use_mmap and use_direct_io are 0 or 1")
            row = row | {"load_mode": "dio" if is_direct else "mmap" if is_mapped else "none"}
        return row

    @model_validator(mode="after")
    def _is_plausible(self) -> Self:
        if not self.n_tokens:
            raise ValueError("it tests nothing: n_prompt and n_gen are both 0")
        if self.samples_ns and abs(sum(self.samples_ns) // len(self.samples_ns) - self.avg_ns) > 1:
            raise ValueError("avg_ns is not the average of samples_ns")
        # The mean of rates is never below the rate at the mean time; a larger one only spreads.
        if self.avg_ts < (1 - _RATE_SLACK) * self.n_tokens / self.avg_ns * 1e9 - _RATE_STEP:
            raise ValueError("avg_ts is less than avg_ns allows")
        if self.avg_ts > self.n_tokens * 1e9:
            raise ValueError("avg_ts is beyond anything that can be measured")
        return self

    @property
    def n_tokens(self) -> int:
        """The tokens that its rates count."""
        return self.n_prompt + self.n_gen


NAMES = tuple(name for name in BenchRecord.model_fields if name != "samples_ns")
"""The 42 fields of a row, in llama-bench's order."""


def _sql_type(name: str) -> str:
    annotation = BenchRecord.model_fields[name].annotation
    if annotation is float:
        return "REAL"
    return "INTEGER" if annotation in (int, bool) else "TEXT"


SQL_TYPES = {name: _sql_type(name) for name in NAMES}
"""Field to the type of its column."""

SAMPLES = ("samples_ns", "samples_ts")
OLDER = ("use_mmap", "use_direct_io")
"""What the older generation's compare-llama-bench.py asks for in place of `load_mode`."""


def older_values(record: BenchRecord) -> dict[str, bool]:
    """The values of OLDER."""
    # "auto" maps the file on every system that can.
    is_mapped = record.load_mode in ("auto", "mmap", "mmap+mlock")
    return {"use_mmap": is_mapped, "use_direct_io": record.load_mode == "dio"}


class Averages(TypedDict):
    """What llama-bench makes of its samples, by the names of its fields."""

    avg_ns: int
    stddev_ns: int
    avg_ts: float
    stddev_ts: float


def averages(n_tokens: int, samples_ns: list[int]) -> Averages:
    """
    Mean and sample deviation of times and rates; the mean rate is that of the samples' rates.

    Source: llama-bench.cpp, `avg`, `stdev` and `get_ts`. It squares nanoseconds in integers, so
    its own `stddev_ns` may be off by some hundreds of them.
    """
    rates = [n_tokens / ns * 1e9 for ns in samples_ns]
    is_spread = len(samples_ns) > 1
    return Averages(
        avg_ns=sum(samples_ns) // len(samples_ns),
        stddev_ns=int(stdev(samples_ns)) if is_spread else 0,
        avg_ts=round(fmean(rates), 6),
        stddev_ts=round(stdev(rates), 6) if is_spread else 0.0,
    )


# llama.cpp's names of file types that are not the short ones (llama-model-loader.cpp,
# `llama_ftype_name`).
_LONG_TYPES = {
    "F32": "all F32",
    "MXFP4": "MXFP4 MoE",
    "Q2_K": "Q2_K - Medium",
    "Q2_K_S": "Q2_K - Small",
    "Q3_K_S": "Q3_K - Small",
    "Q3_K_M": "Q3_K - Medium",
    "Q3_K_L": "Q3_K - Large",
    "Q4_K_S": "Q4_K - Small",
    "Q4_K_M": "Q4_K - Medium",
    "Q5_K_S": "Q5_K - Small",
    "Q5_K_M": "Q5_K - Medium",
    "TQ1_0": "TQ1_0 - 1.69 bpw ternary",
    "TQ2_0": "TQ2_0 - 2.06 bpw ternary",
    "IQ2_XXS": "IQ2_XXS - 2.0625 bpw",
    "IQ2_XS": "IQ2_XS - 2.3125 bpw",
    "IQ2_S": "IQ2_S - 2.5 bpw",
    "IQ2_M": "IQ2_M - 2.7 bpw",
    "IQ3_XS": "IQ3_XS - 3.3 bpw",
    "IQ3_XXS": "IQ3_XXS - 3.0625 bpw",
    "IQ1_S": "IQ1_S - 1.5625 bpw",
    "IQ1_M": "IQ1_M - 1.75 bpw",
    "IQ4_NL": "IQ4_NL - 4.5 bpw",
    "IQ4_XS": "IQ4_XS - 4.25 bpw",
    "IQ3_S": "IQ3_S - 3.4375 bpw",
    "IQ3_M": "IQ3_S mix - 3.66 bpw",
}
_SHORT_TYPES = {long: short for short, long in _LONG_TYPES.items()}


def long_type(quantization: str) -> str:
    """A quantization as llama.cpp describes it: "Q4_K - Medium"."""
    return _LONG_TYPES.get(quantization, quantization)


def short_type(description: str) -> str:
    """The quantization in llama.cpp's description of it; one that is not known stays as it is."""
    text = description.removeprefix("(guessed) ").removeprefix("mostly ").strip()
    return _SHORT_TYPES.get(text, text)
