"""
What a quantization costs: perplexity, KL divergence, same-top share, each with its interval.

The figures and their ± are those of llama-perplexity (tools/perplexity/perplexity.cpp of
llama.cpp): ± is one standard error, with every scored token counted as independent. Tokens of one
chunk are not: their context is shared. So each figure also has a 95 % interval over chunks, which
takes the chunk's mean for one value (batch means).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from harness.analysis.stats.batch_means import mean_interval, percentile_interval
from harness.analysis.stats.interval import percentile
from harness.schema.figure import Figure, FigureKind
from harness.schema.quality import ChunkScores, Divergence, QualityRecord

# llama-perplexity gives no ± to fewer tokens.
_LEAST_TOKENS = 11


@dataclass(frozen=True, slots=True)
class Distance:
    """
    How far a model is from its reference.

    `ln_ratio` is ln(PPL / PPL of the reference), `perplexity_difference` the PPL less the
    reference's; both on the same tokens. Divergences in nats. `same_top` is the share of
    positions where both think the same token the likeliest. A figure's interval is over chunks;
    one chunk gives none, and above the 99.9th percentile of few tokens there may be nothing but
    the largest of them.
    """

    reference_perplexity: Figure
    ln_ratio: Figure
    perplexity_difference: Figure
    mean_kld: Figure
    kld_p999: Figure
    median_kld: Figure
    max_kld: Figure
    same_top: Figure


@dataclass(frozen=True, slots=True)
class Quality:
    """The figures of one model on one text."""

    n_chunks: int
    n_scored: int
    perplexity: Figure
    distance: Distance | None = None


@dataclass(frozen=True, slots=True)
class Likeness:
    """What must agree before two results are set side by side."""

    text_sha256: str
    vocabulary_sha256: str
    tokens_sha256: str
    n_ctx: int


def likeness(record: QualityRecord) -> Likeness:
    """Of one record: its text, its tokenizer, the tokens it made of the text, its chunk size."""
    return Likeness(
        record.text.sha256,
        record.tokenization.vocabulary_sha256,
        record.tokenization.tokens_sha256,
        record.n_ctx,
    )


def is_usable(record: QualityRecord) -> bool:
    """Whether figures may be derived: nothing failed, unless the user ended it, after a chunk."""
    whole = record.outcome.status == "ok" or record.outcome.reason == "interrupted"
    return whole and bool(record.chunks)


def side_by_side(records: Sequence[QualityRecord]) -> list[Quality | None]:
    """
    The figures of each record, None where it has none; of what is alike, on the same chunks.

    Where time ran out for one, the others are cut to the chunks that it has too. One that the user
    ended does not shorten the others.
    """
    n_common: dict[Likeness, int] = {}
    for record in records:
        if record.outcome.status == "ok" and record.chunks:
            like = likeness(record)
            n_common[like] = min(len(record.chunks), n_common.get(like, len(record.chunks)))
    return [
        quality_of(record.chunks[: n_common.get(likeness(record))]) if is_usable(record) else None
        for record in records
    ]


def quality_of(chunks: Sequence[ChunkScores]) -> Quality:
    """
    The figures of `chunks`, which are all of one size.

    Raises:
        ValueError: There are none, or they are of different sizes.
    """
    if len({chunk.n_scored for chunk in chunks}) != 1:
        raise ValueError("quality needs chunks, all of one size")
    n = sum(chunk.n_scored for chunk in chunks)
    own = _Moments(
        n,
        math.fsum(chunk.sum_nll for chunk in chunks),
        math.fsum(chunk.sum_nll_squared for chunk in chunks),
    )
    means = [chunk.sum_nll / chunk.n_scored for chunk in chunks]
    perplexity = _perplexity(own, means)
    pairs = [(chunk, chunk.reference) for chunk in chunks if chunk.reference is not None]
    distance = _distance(pairs, own, means) if len(pairs) == len(chunks) else None
    return Quality(len(chunks), n, perplexity, distance)


@dataclass(frozen=True, slots=True)
class _Moments:
    """A sum over tokens and the sum of squares."""

    n: int
    total: float
    squares: float

    @property
    def mean(self) -> float:
        return self.total / self.n

    @property
    def variance(self) -> float:
        """Of the mean, as llama-perplexity has it; rounding must not make it negative."""
        if self.n < _LEAST_TOKENS:
            return 0.0
        return max(0.0, self.squares / self.n - self.mean * self.mean) / (self.n - 1)

    @property
    def error(self) -> float | None:
        return math.sqrt(self.variance) if self.n >= _LEAST_TOKENS else None


@dataclass(frozen=True, slots=True)
class _Both:
    """The moments of a model and of its reference over the same tokens."""

    own: _Moments
    base: _Moments
    product: float
    """The sum of the products of both."""

    def error(self, a: float, b: float) -> float | None:
        """The standard error of the mean of a times the model's less b times the reference's."""
        own, base = self.own, self.base
        # Summed before the mean is taken off: what is the same on both sides then cancels exactly.
        squares = a * a * own.squares + b * b * base.squares - 2 * (a * b * self.product)
        difference = _Moments(own.n, a * own.total - b * base.total, squares)
        return difference.error


def _perplexity(moments: _Moments, means: Sequence[float]) -> Figure:
    value = _exp(moments.mean)
    low, high = mean_interval(means)
    figure = _figure(
        value,
        (None if low is None else _exp(low), None if high is None else _exp(high)),
        len(means),
        unit="perplexity",
        error=None if moments.error is None else value * moments.error,
    )
    # No token is likelier than certain, so -ln p is 0 at the least; a t interval does not know it.
    return _within(1.0, math.inf, figure)


def _distance(
    pairs: Sequence[tuple[ChunkScores, Divergence]], own: _Moments, means: Sequence[float]
) -> Distance:
    n_scored = pairs[0][0].n_scored
    base = _Moments(
        own.n,
        math.fsum(reference.sum_nll for _, reference in pairs),
        math.fsum(reference.sum_nll_squared for _, reference in pairs),
    )
    base_means = [reference.sum_nll / n_scored for _, reference in pairs]
    product = math.fsum(reference.sum_nll_product for _, reference in pairs)
    both = _Both(own, base, product)
    kld = _Moments(
        own.n,
        math.fsum(reference.sum_kld for _, reference in pairs),
        math.fsum(reference.sum_kld_squared for _, reference in pairs),
    )
    values = [reference.kld for _, reference in pairs]
    return Distance(
        reference_perplexity=_perplexity(base, base_means),
        ln_ratio=_ln_ratio(both, means, base_means),
        perplexity_difference=_difference(both, means, base_means),
        mean_kld=_within(
            0.0,
            math.inf,
            _figure(
                kld.mean,
                mean_interval([reference.sum_kld / n_scored for _, reference in pairs]),
                len(pairs),
                unit="nats",
                error=kld.error,
            ),
        ),
        kld_p999=_percentile(values, 99.9),
        median_kld=_percentile(values, 50.0),
        max_kld=_figure(
            max(max(chunk) for chunk in values), (None, None), len(values), unit="nats"
        ),
        same_top=_same_top([reference.n_same_top / n_scored for _, reference in pairs], own.n),
    )


def _ln_ratio(both: _Both, means: Sequence[float], base_means: Sequence[float]) -> Figure:
    differences = [a - b for a, b in zip(means, base_means, strict=True)]
    value = both.own.mean - both.base.mean
    return _figure(value, mean_interval(differences), len(means), error=both.error(1.0, 1.0))


def _difference(both: _Both, means: Sequence[float], base_means: Sequence[float]) -> Figure:
    """PPL less PPL, both errors by the first order of exp around the means."""
    own, base = both.own.mean, both.base.mean
    a, b = _exp(own), _exp(base)
    linear = [
        a * (1 + x - own) - b * (1 + y - base) for x, y in zip(means, base_means, strict=True)
    ]
    value, interval = a - b, mean_interval(linear)
    return _figure(value, interval, len(means), unit="perplexity", error=both.error(a, b))


def _same_top(shares: Sequence[float], n: int) -> Figure:
    share = fmean(shares)
    error = math.sqrt(share * (1 - share) / (n - 1)) if n > 1 else None
    figure = _figure(share, mean_interval(shares), len(shares), unit="ratio", error=error)
    return _within(0.0, 1.0, figure)


def _figure(
    value: float,
    interval: tuple[float | None, float | None],
    n_chunks: int,
    *,
    unit: str = "",
    error: float | None = None,
) -> Figure:
    kind: FigureKind = "range" if interval == (None, None) else "interval"
    return Figure(value, *interval, unit, kind, n_chunks, standard_error=error)


def _within(least: float, most: float, figure: Figure) -> Figure:
    """The figure with an interval that does not reach beyond what can be."""
    low, high = figure.low, figure.high
    return replace(
        figure,
        low=None if low is None else max(least, low),
        high=None if high is None else min(most, high),
    )


def _percentile(chunks: Sequence[Sequence[float]], percent: float) -> Figure:
    ordered = sorted(value for chunk in chunks for value in chunk)
    interval = percentile_interval(chunks, percent)
    return _figure(percentile(ordered, percent), interval, len(chunks), unit="nats")


def _exp(mean: float) -> float:
    # A broken model's mean may be beyond what a float can hold; no one reads such a perplexity.
    return math.exp(min(mean, 700.0))


def figures_of(quality: Quality) -> dict[str, Figure]:
    """All figures by name, in the order they are shown."""
    found = {"perplexity": quality.perplexity}
    if quality.distance:
        distance = quality.distance
        found |= {
            "reference_perplexity": distance.reference_perplexity,
            "ln_ratio": distance.ln_ratio,
            "perplexity_difference": distance.perplexity_difference,
            "mean_kld": distance.mean_kld,
            "kld_p999": distance.kld_p999,
            "median_kld": distance.median_kld,
            "max_kld": distance.max_kld,
            "same_top": distance.same_top,
        }
    return found
