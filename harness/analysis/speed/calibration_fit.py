"""
A machine's rates from a few small models measured on it.

Times are sums of parts that each go with something known (blocks, bytes of a type, arithmetic of
a type, ...), so the rates follow by least squares over all samples, every sample weighted by its
own time so that errors count in percent. What is left over says how far predictions may be off.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from harness.analysis.speed.calibration import Calibration, CalibrationSample
from harness.analysis.speed.class_rates import class_rates
from harness.analysis.speed.predict import MachineSpeed
from harness.analysis.speed.rates import (
    DecodeSpeed,
    PrefillSpeed,
    Spread,
    picked_expert_bytes,
    streamed_bytes,
)
from harness.schema.workload import Decode, Prefill, parse_workload
from harness.schema.workload_kind import Workload

# Types nobody calibrated take the rate of the first of these that was: one that is unpacked alike.
_KIN = {
    "IQ1_S": ("IQ3_S", "Q2_K"), "IQ1_M": ("IQ3_S", "Q2_K"), "IQ2_XXS": ("IQ3_S", "Q2_K"),
    "IQ2_XS": ("IQ3_S", "Q2_K"), "IQ2_S": ("IQ3_S", "Q2_K"), "IQ3_XXS": ("IQ3_S", "Q3_K"),
    "NVFP4": ("MXFP4", "Q4_0"), "TQ1_0": ("Q2_K",), "TQ2_0": ("Q2_K",), "Q1_0": ("Q4_0",),
    "Q2_0": ("Q4_0",), "F32": ("F16",), "BF16": ("F16",),
}  # fmt: skip
# Error of one prediction (one standard deviation, in logarithms) before anything was measured:
# chosen, not fitted; what a calibration's own samples may leave unexplained, worth so many of them,
_USUAL_RESIDUAL = 0.06
_USUAL_WORTH = 4
# and what they cannot show: shapes unlike theirs, and a machine that is another an hour later. With
# these tools/speed/calibrated.py found 37 of 40 figures of 10 models in their 90 % intervals.
_FURTHER_DECODE = 0.07
_FURTHER_PREFILL = 0.12
# On a GPU: all 15 prompts of six models on an H100, the only one at hand, lie in such intervals,
# the farthest 44 % off; but the formula was chosen on them.
_FURTHER_PREFILL_GPU = 0.2
# Two-sided 90 % of Student's t by degrees of freedom, from 4 on; 1.7 beyond these.
_STUDENT = (2.13, 2.02, 1.94, 1.89, 1.86, 1.83, 1.81, 1.80, 1.78)
# How much the cache's share of the time may be off; chosen too.
_DEPTH_SPREAD = 0.3
_EXPERT = "expert "  # begins the names of parts, as "type " does
_NEVER = 1e30  # bytes or operations per second of a part that took no time


def speed_of(calibration: Calibration) -> MachineSpeed | None:
    """The rates behind a calibration; None where too little of it was measured."""
    decode = _fit(
        calibration.all_samples,
        Decode,
        _decode_parts_gpu if calibration.has_gpu else _decode_parts_cpu,
    )
    prefill = _fit(
        calibration.all_samples,
        Prefill,
        _prefill_parts_gpu if calibration.has_gpu else _prefill_parts_cpu,
    )
    if decode is None:
        return None
    build = calibration.engine_commit or calibration.engine_version
    return MachineSpeed(
        method="calibration",
        note=f"{_when(calibration)}, engine {build}",
        has_gpu=calibration.has_gpu,
        decode=_decode_speed(decode),
        prefill=None if prefill is None else _prefill_speed(prefill, calibration.has_gpu),
    )


def _when(calibration: Calibration) -> str:
    day = calibration.measured_at[:10]
    if not calibration.earlier:
        return f"calibrated {day}"
    n_times, first = 1 + len(calibration.earlier), calibration.earlier[-1].measured_at[:10]
    return f"calibrated {n_times} times" + (f" on {day}" if first == day else f", {first} to {day}")


# ---------------------------------------------------------------- the least squares

Parts = dict[str, float]
"""What a time is proportional to: name of a part to its amount."""


@dataclass(frozen=True)
class _Fit:
    """Seconds per unit of each part, and what they leave unexplained."""

    seconds: Mapping[str, float]
    residual: float
    n_free: int

    def rate(self, part: str) -> float:
        """Units per second; practically without end for a part that costs nothing."""
        seconds = self.seconds.get(part, 0.0)
        return 1 / seconds if seconds > 0 else _NEVER


def _fit(
    samples: Sequence[CalibrationSample],
    kind: type[Prefill | Decode],
    parts_of: Callable[[CalibrationSample, Workload], Parts],
) -> _Fit | None:
    rows: list[Parts] = []
    for sample in samples:
        workload = parse_workload(sample.workload)
        if isinstance(workload, kind):
            seconds = 1 / sample.tok_per_s
            if kind is Prefill:
                seconds *= workload.n_prompt
            parts = parts_of(sample, workload)
            rows.append({name: amount / seconds for name, amount in parts.items()})
    names = sorted({name for row in rows for name, amount in row.items() if amount > 0})
    if not rows:
        return None
    matrix = np.array([[row.get(name, 0.0) for name in names] for row in rows])
    scale = matrix.max(axis=0)
    solution = _nonnegative(matrix / scale, np.ones(len(rows)))
    left_over = matrix / scale @ solution - 1
    n_free = max(len(rows) - int((solution > 0).sum()), 0)
    residual = float(np.sqrt((left_over**2).sum() / n_free)) if n_free else 0.0
    return _Fit(dict(zip(names, (solution / scale).tolist(), strict=True)), residual, n_free)


def _nonnegative(
    matrix: np.ndarray[tuple[int, int], np.dtype[np.float64]],
    target: np.ndarray[tuple[int], np.dtype[np.float64]],
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """
    Least squares without negative shares: the most negative one is set to zero until none is.

    Simpler than the exact method, and the same where, as here, hardly any share is near zero.
    """
    kept = list(range(matrix.shape[1]))
    solution = np.zeros(matrix.shape[1])
    while kept:
        found = np.linalg.lstsq(matrix[:, kept], target, rcond=None)[0]
        lowest = int(found.argmin())
        if found[lowest] >= 0:
            solution[kept] = found
            break
        del kept[lowest]
    return solution


def _decode_parts(sample: CalibrationSample) -> Parts:
    work = sample.work
    parts: Parts = {"block": float(work.n_blocks)}
    for name, n_bytes in work.type_read_bytes.items():
        parts[_of_type(name)] = parts.get(_of_type(name), 0.0) + n_bytes
    if work.is_mixture:
        parts["expert"] = float(work.expert_read_bytes)
    return parts


def _decode_parts_gpu(sample: CalibrationSample, workload: Workload) -> Parts:
    cache = sample.work.cache_read_bytes(workload.mean_positions)
    return _decode_parts(sample) | {
        "cache": cache,
        "mixture": float(sample.work.n_blocks * sample.work.is_mixture),
        "token": 1.0,
    }


def _decode_parts_cpu(sample: CalibrationSample, workload: Workload) -> Parts:
    # Each head goes through the cache by itself: arithmetic, and how far rows lie apart.
    narrow, wide = (
        sample.work.attention_flops(workload.mean_positions, is_narrow=is_narrow)
        for is_narrow in (True, False)
    )
    return _decode_parts(sample) | {"narrow": narrow, "wide": wide}


def _prefill_parts(sample: CalibrationSample, workload: Workload) -> Parts:
    work = sample.work
    n_batches = math.ceil(workload.n_prompt / sample.n_ubatch)
    n_context = workload.depth + workload.n_prompt / 2
    parts: Parts = {
        "attention": workload.n_prompt * work.attention_flops(n_context),
        "stream": n_batches * streamed_bytes(work, min(workload.n_prompt, sample.n_ubatch)),
    }
    for name, n_params in work.type_params.items():
        parts[_of_type(name)] = parts.get(_of_type(name), 0.0) + 2.0 * n_params * workload.n_prompt
    return parts


def _prefill_parts_cpu(sample: CalibrationSample, workload: Workload) -> Parts:
    # Tokens go through their experts one by one.
    return _prefill_parts(sample, workload) | {
        f"{_EXPERT}{name}": 2.0 * n_params * workload.n_prompt
        for name, n_params in sample.work.expert_params.items()
    }


def _prefill_parts_gpu(sample: CalibrationSample, workload: Workload) -> Parts:
    # Starting a kernel takes some microseconds, as much as a small matrix; a token some too (on an
    # H100 with 16 cores 7 of them, a quarter of the time of a prompt in a Q4_K model of 1 GB); and
    # a tile of an expert that few tokens picked as long as a full one.
    n_batches = math.ceil(workload.n_prompt / sample.n_ubatch)
    picked = picked_expert_bytes(sample.work, min(workload.n_prompt, sample.n_ubatch))
    return _prefill_parts(sample, workload) | {
        "block": float(n_batches * sample.work.n_blocks),
        "token": float(workload.n_prompt),
        "picked": n_batches * picked,
    }


def _of_type(name: str) -> str:
    # Norms and routers: a thousandth of the bytes, and never measured apart.
    return "type F16" if name == "F32" else f"type {name}"


def _rates(fit: _Fit) -> dict[str, float]:
    """The rates of the types that were measured."""
    return {
        part.removeprefix("type "): 1 / seconds
        for part, seconds in fit.seconds.items()
        if part.startswith("type ") and seconds > 0
    }


def _with_kin(measured: Mapping[str, float]) -> dict[str, float]:
    kin = {
        name: next(measured[relative] for relative in relatives if relative in measured)
        for name, relatives in _KIN.items()
        if any(relative in measured for relative in relatives)
    }
    return kin | dict(measured)


def _decode_speed(fit: _Fit) -> DecodeSpeed:
    rates = _rates(fit)
    narrow, wide = (fit.seconds.get(part, 0.0) for part in ("narrow", "wide"))
    usual = median(rates.values()) if rates else _NEVER
    return DecodeSpeed(
        weights_bytes_per_s=usual,
        cache_bytes_per_s=fit.rate("cache"),
        # Of a kind that was not measured, what the other one takes.
        attention_s_per_flop=wide or narrow,
        narrow_attention_s_per_flop=narrow or wide,
        token_s=fit.seconds.get("token", 0.0),
        block_s=fit.seconds.get("block", 0.0),
        mixture_block_s=fit.seconds.get("mixture", 0.0),
        expert_s_per_byte=fit.seconds.get("expert", 0.0),
        type_bytes_per_s=_with_kin(rates),
        spread=_spread(fit, _FURTHER_DECODE),
    )


def _prefill_speed(fit: _Fit, has_gpu: bool) -> PrefillSpeed:
    rates = _rates(fit)
    usual = median(rates.values()) if rates else _NEVER
    experts = {
        part.removeprefix(_EXPERT): seconds
        for part, seconds in fit.seconds.items()
        if part.startswith(_EXPERT)
    }
    return PrefillSpeed(
        flops_per_s=usual,
        attention_flops_per_s=fit.rate("attention"),
        stream_bytes_per_s=fit.rate("stream"),
        block_s=fit.seconds.get("block", 0.0),
        token_s=fit.seconds.get("token", 0.0),
        # No sample keeps a state. What published prompts say fitted here too: 16 blocks of Qwen 3.5
        # in Q8_0 read a prompt 1.19 times as slowly, beside what was predicted, as those of Qwen 3.
        recurrent_factor=class_rates().recurrent_prefill_factor,
        expert_s_per_byte=fit.seconds.get("picked", 0.0),
        expert_s_per_flop=median(experts.values()) if experts else 0.0,
        type_flops_per_s=_with_kin(rates),
        type_expert_s_per_flop=experts,
        spread=_spread(fit, _FURTHER_PREFILL_GPU if has_gpu else _FURTHER_PREFILL),
    )


def _spread(fit: _Fit, further: float) -> Spread:
    worth = _USUAL_WORTH + fit.n_free
    known = (_USUAL_WORTH * _USUAL_RESIDUAL**2 + fit.n_free * fit.residual**2) / worth
    n_free = worth - _USUAL_WORTH
    student = _STUDENT[n_free] if n_free < len(_STUDENT) else 1.7
    half = student * math.hypot(math.sqrt(known), further)
    return Spread(half, half, _DEPTH_SPREAD)
