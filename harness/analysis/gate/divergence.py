"""Whether a candidate's models are still as near to their references as is demanded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harness.analysis.gate.judge import Cause, Check
from harness.analysis.measured import Measured
from harness.analysis.quality import is_usable, quality_of
from harness.schema.figure import Figure
from harness.schema.model import ModelFile, ServedModel
from harness.schema.quality import QualityRecord

METRIC = "mean_kld"


def judge_quality(
    candidate: Sequence[Measured], records: Sequence[QualityRecord], max_kl: float
) -> list[Check]:
    """
    The mean KL divergence of each model of the candidate from its reference.

    It must come from the same file under the same build of the engine: an older one would vouch
    for what was not tried. The newest counts. A model that others of the candidate were compared
    with is a reference itself, and needs no record.

    Args:
        candidate: All the sides of one experiment.
        records: Quality results, oldest first.
        max_kl: In nats.
    """
    engine = candidate[0].experiment.provenance.engine
    of_build = [
        each
        for each in records
        if each.provenance.engine.library_commit == engine.library_commit
        and each.reference is not None
    ]
    models = list({side.model.key: side.model for side in candidate}.values())
    newest = {model.key: _newest(model, of_build) for model in models}
    references = {
        record.reference.sha256 for record in newest.values() if record and record.reference
    }
    checks = []
    for model in models:
        record = newest[model.key]
        if record is not None:
            checks.append(_judge(model, record, max_kl))
        elif model.sha256 is None or model.sha256 not in references:
            checks.append(_absent(model, records, max_kl))
    return checks


def _newest(
    model: ModelFile | ServedModel, records: Sequence[QualityRecord]
) -> QualityRecord | None:
    if model.sha256 is None or model.is_twin:
        return None
    mine = [record for record in records if record.model.sha256 == model.sha256]
    return mine[-1] if mine else None


def _judge(model: ModelFile | ServedModel, record: QualityRecord, max_kl: float) -> Check:
    if not is_usable(record):
        reason = record.outcome.message or record.outcome.reason or "no chunk was finished"
        return _check(model, max_kl, cause="failed", text=f"scoring failed: {reason}")
    distance = quality_of(record.chunks).distance
    if distance is None:
        return _check(model, max_kl, cause="no-quality", text="its chunks have no reference")
    figure = distance.mean_kld
    if figure.low is None or figure.high is None:
        text = f"{len(record.chunks)} chunk of text gives no interval; score more (--chunks)"
        return _check(model, max_kl, cause="no-quality", text=text)
    judged = _check(model, max_kl, level=figure, n=len(record.chunks))
    if figure.low > max_kl:
        return replace(judged, verdict="regression")
    if figure.high <= max_kl:
        return replace(judged, verdict="pass")
    text = "the interval reaches across the limit; score more of the text (--chunks)"
    return replace(judged, cause="undecided", text=text)


def _absent(
    model: ModelFile | ServedModel, records: Sequence[QualityRecord], max_kl: float
) -> Check:
    if model.is_twin or model.sha256 is None:
        what = "random weights have" if model.is_twin else "a file of unknown digest has"
        return _check(model, max_kl, cause="no-quality", text=f"{what} no quality to judge")
    is_old = any(record.model.sha256 == model.sha256 and record.reference for record in records)
    what = "its results are of another build of the engine" if is_old else "no result is stored"
    text = f"{what}. Make one: `harness quality {model.key} --reference MODEL`"
    return _check(model, max_kl, cause="no-quality", text=text)


def _check(
    model: ModelFile | ServedModel,
    max_kl: float,
    *,
    cause: Cause | None = None,
    text: str = "",
    level: Figure | None = None,
    n: int = 0,
) -> Check:
    return Check(
        "inconclusive",
        model=model.key,
        metric=METRIC,
        limit=max_kl,
        cause=cause,
        text=text,
        level=level,
        n=n,
    )
