"""What `harness quality` scores, what it is set against, and what comes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.analysis.quality import Quality, side_by_side
from harness.errors import UsageError
from harness.files import OnProgress
from harness.measure.possible import require_writing
from harness.measure.scoring import Scored, ScoreFailure
from harness.models.catalog.catalog import Catalog
from harness.models.find import find_all
from harness.models.model import Model
from harness.schema.quality import QualityRecord, TextFacts


@dataclass(frozen=True)
class QualityFiles:
    """What is scored, and what it is set against."""

    models: tuple[Model, ...]
    reference: Model | None

    @property
    def title(self) -> str:
        """What whoever waits is told."""
        return f"the quality of {', '.join(model.key for model in self.models)}"


def quality_files(
    models: Sequence[str],
    reference: str | None,
    catalog: Catalog,
    n_ctx: int,
    on_progress: OnProgress,
) -> QualityFiles:
    """
    The models that are named, fetched if need be, for chunks of `n_ctx` tokens.

    Raises:
        UsageError: Two of one name, one that does not write, or a chunk longer than what one was
            trained for.
        HarnessError: One cannot be found, fetched or read.
    """
    references = () if reference is None else (reference,)
    # Together: two files must not have the same name.
    found = find_all([*models, *references], catalog, on_progress)
    own = {model.key: model for model in found[: len(models)]}
    for model in found:
        require_writing(model.file, "a perplexity")
        trained = model.file.n_ctx_train
        if trained and n_ctx > trained:
            raise UsageError(
                f"{model.key} was trained for {trained} positions; --ctx {n_ctx} is beyond "
                "them, take a smaller one"
            )
    return QualityFiles(tuple(own.values()), None if reference is None else found[-1])


@dataclass(frozen=True)
class ScoredModel:
    """One record, what is derived from it (None where it has no figures), where it is kept."""

    record: QualityRecord
    quality: Quality | None
    path: Path


@dataclass(frozen=True)
class QualityResult:
    """What came of a text: of each model, or why there is nothing."""

    text: TextFacts
    models: tuple[ScoredModel, ...]
    failures: tuple[ScoreFailure, ...]


def quality_result(scored: Scored) -> QualityResult:
    """The figures of what was scored, those that are alike on the same chunks."""
    derived = side_by_side([record for record, _ in scored.kept])
    models = [
        ScoredModel(record, quality, path)
        for (record, path), quality in zip(scored.kept, derived, strict=True)
    ]
    return QualityResult(scored.text.facts, tuple(models), scored.failures)
