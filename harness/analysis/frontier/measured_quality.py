"""Quality records as the page of `harness frontier` wants them."""

from __future__ import annotations

from dataclasses import replace

from harness import units
from harness.analysis.frontier.qualities import MeasuredQuality
from harness.analysis.quality import quality_of
from harness.schema.figure import Figure
from harness.schema.quality import QualityRecord


def measured_quality(record: QualityRecord) -> MeasuredQuality | None:
    """The record for the page of `harness frontier`; None without reference, digest or figures."""
    reference = record.reference
    if reference is None or record.outcome.status != "ok" or not record.chunks:
        return None
    distance = quality_of(record.chunks).distance
    if distance is None or not reference.sha256 or not record.model.sha256:
        return None
    if record.model.is_twin or reference.is_twin:
        return None
    return MeasuredQuality(
        model_sha256=record.model.sha256,
        reference_sha256=reference.sha256,
        reference_key=reference.key,
        alike=(
            f"{record.text.name} {record.text.sha256[:8]}",
            f"tokens {record.tokenization.tokens_sha256[:8]}",
            f"{units.counted(len(record.chunks), 'chunk')} of {record.n_ctx}",
        ),
        at=record.started_at,
        kl=_figure(distance.mean_kld),
        same_top=_figure(distance.same_top),
    )


def _figure(figure: Figure) -> Figure:
    """With both bounds, as the page shows them: one chunk has a range of one value."""
    if figure.low is None or figure.high is None:
        return replace(figure, low=figure.value, high=figure.value, kind="range")
    return figure
