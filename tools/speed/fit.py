"""
Fits the machine classes to published speeds: robust least squares on logarithms, with priors.

Rows of one chip and model resemble each other, so a chip with n rows counts as sqrt(n); soft-L1
keeps sources that contradict all others from pulling. Priors pull a class with few chips towards
all the others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
from scipy.optimize import least_squares

from harness.analysis.speed.chips import CHIPS
from harness.analysis.speed.class_rates import ClassDecode, ClassParameters, FamilyPrefill
from harness.analysis.speed.rates import Spread, streamed_bytes
from tools.speed.published import Case, place

Vector = np.ndarray[tuple[int], np.dtype[np.float64]]

# Errors above this (in logarithms) count linearly, not squared.
_SOFT = 0.15
# The same for how much slower a deep context is than none in the same source: what sources differ
# by is not in it.
_SOFT_DEPTH = 0.05
_KINDS = sorted({chip.kind for chip in CHIPS.values()})
_FAMILIES = sorted({chip.family for chip in CHIPS.values()})
# Attention kernels go with the backend, not with the generation of the matrix units.
_GROUPS = (
    {family: family for family in _FAMILIES}
    | dict.fromkeys(("turing", "ampere", "ada", "blackwell", "hbm", "gb10"), "cuda")
    | {"apple-m5": "apple", "strix-halo": "amd"}
)
_NONE = Spread(0.0, 0.0)


def fit_classes(cases: Sequence[Case]) -> ClassParameters:
    """The parameters that `cases` speak for, without intervals."""
    decode = _Decode([case for case in cases if case.kind == "tg" and case.chip.kind != "cpu"])
    cpu = _cpu([case for case in cases if case.kind == "tg" and case.chip.kind == "cpu"])
    prefill = _Prefill([case for case in cases if case.kind == "pp" and case.chip.kind != "cpu"])
    shared = {**decode.shared(), **prefill.shared()}
    return ClassParameters(
        known_decode=_NONE,
        known_prefill=_NONE,
        decode={**decode.classes(), "cpu": cpu},
        prefill=prefill.families(),
        **shared,
    )


class _Decode:
    """Shares of bandwidth and costs of a block for each class, and what all have in common."""

    _MEANS = (-0.2, -2.3, 0.4, 0.4, 1.0, -0.2, 0.0)
    _WIDTHS = (0.3, 1.0, 0.3, 0.3, 0.7, 0.2, 0.5)
    _SHARE_WIDTH, _BLOCK_WIDTH = 0.25, 0.5

    def __init__(self, cases: Sequence[Case]) -> None:
        self._kind = np.array([_KINDS.index(case.chip.kind) for case in cases])
        self._bandwidth = _column(cases, lambda case: case.chip.bandwidth_bytes_per_s)
        self._blocks = _column(cases, lambda case: case.work.n_blocks)
        self._weights = _column(cases, lambda case: case.work.token_read_bytes)
        self._cache = _column(cases, lambda case: case.work.cache_read_bytes(case.n_context))
        self._mixture = _column(cases, lambda case: case.work.is_mixture)
        self._recurrent = _column(cases, lambda case: case.work.is_recurrent)
        self._first = _column(cases, lambda case: case.chip.name.startswith("M1 "))
        self._latent = _column(
            cases, lambda case: case.work.is_latent and case.chip.kind.startswith("apple")
        )
        n = len(_KINDS)
        widths = [*self._WIDTHS, *[self._SHARE_WIDTH] * n, *[self._BLOCK_WIDTH] * n]
        self._found = _solve(cases, self._log_seconds, [*self._MEANS, *[0.0] * 2 * n], widths)

    def _log_seconds(self, found: Vector) -> Vector:
        share, block, mixture, recurrent, latent, first, deep = found[:7]
        shares, blocks = np.split(found[7:], 2)
        rate = self._bandwidth * np.exp(share + shares[self._kind] + first * self._first)
        fixed = self._blocks * np.exp(block + blocks[self._kind]) * 1e-3
        fixed = fixed * (1 + mixture * self._mixture + recurrent * self._recurrent)
        cache = self._cache * np.exp(deep + latent * self._latent)
        result: Vector = np.log(fixed + (self._weights + cache) / rate)
        return result

    def shared(self) -> dict[str, float]:
        """What does not go by class."""
        _, _, mixture, recurrent, latent, first, deep = self._found[:7]
        return {
            "mixture_factor": float(mixture),
            "recurrent_factor": float(recurrent),
            "metal_latent_factor": float(np.exp(latent)),
            "cache_factor": float(np.exp(deep)),
            "first_generation_share": float(np.exp(first)),
        }

    def classes(self) -> dict[str, ClassDecode]:
        """What goes by class."""
        shares, blocks = np.split(self._found[7:], 2)
        return {
            kind: ClassDecode(
                float(np.exp(self._found[0] + shares[index])),
                float(np.exp(self._found[1] + blocks[index])) * 1e-3,
                _NONE,
            )
            for index, kind in enumerate(_KINDS)
        }


def _cpu(cases: Sequence[Case]) -> ClassDecode:
    """CPUs by their nominal bandwidth, kept apart: they would spoil everything else."""
    bandwidth = _column(cases, lambda case: case.chip.bandwidth_bytes_per_s)
    blocks = _column(cases, lambda case: case.work.n_blocks)
    weights = _column(cases, lambda case: case.work.token_read_bytes)

    def log_seconds(found: Vector) -> Vector:
        fixed = blocks * np.exp(found[1]) * 1e-3
        result: Vector = np.log(fixed + weights / (bandwidth * np.exp(found[0])))
        return result

    share, block = _solve(cases, log_seconds, [-0.7, -2.3], [0.5, 0.7])
    return ClassDecode(float(np.exp(share)), float(np.exp(block)) * 1e-3, _NONE)


class _Prefill:
    """Shares of the arithmetic peak for each family, of attention for each backend."""

    _MEANS = (-0.7, 0.17)
    _WIDTHS = (0.5, 0.2)
    _PEAK_WIDTH, _ATTENTION_WIDTH, _HALF_WIDTH = 0.7, 0.5, 0.3

    def __init__(self, cases: Sequence[Case]) -> None:
        self._groups = sorted(set(_GROUPS.values()))
        self._family = np.array([_FAMILIES.index(case.chip.family) for case in cases])
        self._group = np.array([self._groups.index(_GROUPS[case.chip.family]) for case in cases])
        self._peak = _column(cases, lambda case: case.chip.flops_per_s)
        self._bandwidth = _column(cases, lambda case: case.chip.bandwidth_bytes_per_s)
        self._flops = _column(cases, lambda case: 2 * case.work.n_params_multiplied)
        self._attention = _column(
            cases, lambda case: case.work.attention_flops(case.depth + case.n / 2)
        )
        self._stream = _column(cases, _streamed_per_token)
        self._recurrent = _column(cases, lambda case: case.work.is_recurrent)
        self._half = _column(cases, lambda case: case.is_f16)
        n_families, n_groups = len(_FAMILIES), len(self._groups)
        means = [*self._MEANS, *[0.2] * n_families, *[-0.8] * n_groups, *[0.0] * n_groups]
        widths = [
            *self._WIDTHS,
            *[self._PEAK_WIDTH] * n_families,
            *[self._ATTENTION_WIDTH] * n_groups,
            *[self._HALF_WIDTH] * n_groups,
        ]
        self._found = _solve(cases, self._log_seconds, means, widths)

    def _log_seconds(self, found: Vector) -> Vector:
        stream, recurrent = found[:2]
        peaks, attention, half = self._by_family(found)
        rate = self._peak * np.exp(peaks[self._family])
        slowed = recurrent * self._recurrent + half[self._group] * self._half
        matrices = self._flops / rate * np.exp(slowed)
        attending = self._attention / (rate * np.exp(attention[self._group]))
        streaming = self._stream / (self._bandwidth * np.exp(stream))
        result: Vector = np.log(matrices + attending + streaming)
        return result

    def _by_family(self, found: Vector) -> list[Vector]:
        n_families, n_groups = len(_FAMILIES), len(self._groups)
        return np.split(found[2:], [n_families, n_families + n_groups])

    def shared(self) -> dict[str, float]:
        """What does not go by family."""
        stream, recurrent = np.exp(self._found[:2])
        return {"stream_share": float(stream), "recurrent_prefill_factor": float(recurrent)}

    def families(self) -> dict[str, FamilyPrefill]:
        """What goes by family."""
        peaks, attention, half = (np.exp(part) for part in self._by_family(self._found))
        return {
            family: FamilyPrefill(
                float(peaks[index]),
                float(attention[self._groups.index(_GROUPS[family])]),
                float(half[self._groups.index(_GROUPS[family])]),
                _NONE,
            )
            for index, family in enumerate(_FAMILIES)
        }


def _streamed_per_token(case: Case) -> float:
    n_batches = -(-case.n // case.n_ubatch)
    return n_batches * streamed_bytes(case.work, min(case.n, case.n_ubatch)) / case.n


def _column(cases: Sequence[Case], value: Callable[[Case], float]) -> Vector:
    return np.array([float(value(case)) for case in cases])


def _soft(error: Vector) -> Vector:
    result: Vector = np.sign(error) * np.sqrt(2 * (np.sqrt(1 + error**2) - 1))
    return result


def _depth_pairs(cases: Sequence[Case]) -> tuple[list[int], list[int]]:
    """Places of deep cases, and of the same chip, source and file at depth 0."""
    at_zero = {place(case): index for index, case in enumerate(cases) if not case.depth}
    deep = [i for i, case in enumerate(cases) if case.depth and place(case) in at_zero]
    return deep, [at_zero[place(cases[index])] for index in deep]


def _solve(
    cases: Sequence[Case],
    log_seconds: Callable[[Vector], Vector],
    means: Sequence[float],
    widths: Sequence[float],
) -> Vector:
    observed = np.log(_column(cases, lambda case: case.seconds))
    n_rows = Counter(case.chip.name for case in cases)
    weights = _column(cases, lambda case: n_rows[case.chip.name] ** -0.25)
    mean, width = np.array(means), np.array(widths)

    deep, shallow = _depth_pairs(cases)

    def residuals(found: Vector) -> Vector:
        error = log_seconds(found) - observed
        slower = (error[deep] - error[shallow]) * weights[deep]
        return np.concatenate(
            [_soft(error / _SOFT) * weights, _soft(slower / _SOFT_DEPTH), (found - mean) / width]
        )

    found: Vector = least_squares(residuals, mean).x
    return found
