"""The distances that `harness frontier --measure` lacks: scored as `harness quality` does."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from harness.commands.frontier.candidates import Candidate
from harness.errors import ExitCode, NotComparable
from harness.measure.jobs.score_text import QualityText, default_text
from harness.measure.scoring import ScoreObserver, ScoreRequest, score_models
from harness.measure.session import MeasureRequest
from harness.records.quality import list_qualities
from harness.schema.quality import QualityRecord

# Of the settings that speeds are measured with, those that `harness quality` has too.
_SAME = ("n_threads", "n_gpu_layers", "n_cpu_moe", "load_mode")
_N_CTX = 512  # llama-perplexity's default chunk

OnStart = Callable[[str, int], None]
"""Told what is going to be measured, and of how many models, before it is waited for."""


def score_missing(
    found: Sequence[Candidate],
    n_chunks: int,
    request: MeasureRequest,
    observer: ScoreObserver,
    warn: Callable[[str], None],
    on_start: OnStart,
) -> int:
    """
    The distance of every quantization from the most precise one, as far as it is not stored.

    Args:
        found: The most precise first.
        n_chunks: Most chunks of the default text.
        request: How speeds are measured; of lists of settings the first entry counts.
        observer: Told what happens.
        warn: Told what could not be scored.
        on_start: Told that it begins, and with how many.

    Returns:
        The exit code of it. Models with other tokens than the first are told, and left alone.
    """
    text = default_text()
    reference, *others = found
    stored = [it.record for it in list_qualities(request.results) if it.record]
    missing = [
        each
        for each in others
        if not any(_answers(record, each, reference, text, n_chunks) for record in stored)
    ]
    if not missing:
        return ExitCode.DONE
    asked = ScoreRequest(
        text=text,
        n_ctx=_N_CTX,
        n_chunks=n_chunks,
        budget_ns=request.budget_ns,
        results=request.results,
        settings={name: values[0] for name, values in request.settings.items() if name in _SAME},
        silence_ns=request.silence_ns,
    )
    on_start("Distances", len(missing))
    try:
        scored = score_models(asked, [it.model for it in missing], reference.model, observer)
    except NotComparable as error:
        warn(f"{error} No distances were measured.")
        return ExitCode.DONE
    for failure in scored.failures:
        warn(f"{failure.model} {failure.message}")
    return scored.exit_code


def _answers(
    record: QualityRecord,
    candidate: Candidate,
    reference: Candidate,
    text: QualityText,
    n_chunks: int,
) -> bool:
    base = record.reference
    return (
        base is not None
        and record.outcome.status == "ok"
        and record.model.sha256 == candidate.file.sha256
        and base.sha256 == reference.file.sha256
        and record.text.sha256 == text.facts.sha256
        and (record.n_ctx, len(record.chunks)) == (_N_CTX, n_chunks)
    )
