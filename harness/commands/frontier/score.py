"""The distances that `harness frontier --measure` lacks: scored as `harness quality` does."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from harness.commandline.scoring import Files, Named, new_session, score_all
from harness.commands.frontier.candidates import Candidate
from harness.errors import ExitCode, NotComparable
from harness.measure.jobs.score_text import QualityText, default_text
from harness.measure.session import MeasureRequest
from harness.records.quality import list_qualities
from harness.report import terminal
from harness.schema.quality import QualityRecord

_N_CTX = 512  # llama-perplexity's default chunk


def score_missing(
    found: Sequence[Candidate],
    n_chunks: int,
    request: MeasureRequest,
    console: Console,
) -> int:
    """
    The distance of every quantization from the most precise one, as far as it is not stored.

    Args:
        found: The most precise first.
        n_chunks: Most chunks of the default text.
        request: How speeds are measured; of lists of settings the first entry counts.
        console: Where progress and warnings go.

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
    files = Files(tuple(map(_named, missing)), _named(reference))
    with tempfile.TemporaryDirectory() as folder:
        options = _options(request, n_chunks)
        session = new_session(text, Path(folder), options, request.results, console)
        try:
            score_all(session, files)
        except NotComparable as error:
            terminal.warn(console, f"{error} No distances were measured.")
            return ExitCode.DONE
    for failure in session.failures:
        terminal.warn(console, f"{failure.model} {failure.message}")
    return session.exit_code


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


def _named(candidate: Candidate) -> Named:
    return Named(candidate.file, candidate.path)


def _options(request: MeasureRequest, n_chunks: int) -> dict[str, Any]:
    own: dict[str, Any] = {"n_ctx": _N_CTX, "n_chunks": n_chunks, "is_spilling": False}
    usual = {"n_threads": None, "n_gpu_layers": -1, "n_cpu_moe": 0, "load_mode": "auto"}
    firsts = {name: request.settings.get(name, [value])[0] for name, value in usual.items()}
    return own | firsts | {"budget": request.budget_ns, "timeout": request.silence_ns}
