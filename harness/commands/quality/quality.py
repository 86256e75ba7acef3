"""What `harness quality` scores: the models that are named, and what they are set against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.errors import UsageError
from harness.files import OnProgress
from harness.measure.scoring import ScoredFile
from harness.models.catalog.catalog import Catalog
from harness.models.local import local_models, model_file


@dataclass(frozen=True)
class QualityFiles:
    """What is scored, and what it is set against."""

    models: tuple[ScoredFile, ...]
    reference: ScoredFile | None

    @property
    def title(self) -> str:
        """What whoever waits is told."""
        return f"the quality of {', '.join(each.file.key for each in self.models)}"


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
        UsageError: Two of one name, or a chunk longer than what one was trained for.
        HarnessError: One cannot be found, fetched or read.
    """
    references = () if reference is None else (reference,)
    # Together first: two files must not have the same name.
    described = {
        key: ScoredFile(model_file(local, on_progress), local.path)
        for key, local in local_models([*models, *references], catalog, on_progress).items()
    }
    own = [described[key] for key in local_models(models, catalog, on_progress)]
    base = [described[key] for key in local_models(references, catalog, on_progress)]
    for each in described.values():
        trained = each.file.n_ctx_train
        if trained and n_ctx > trained:
            raise UsageError(
                f"{each.file.key} was trained for {trained} positions; --ctx {n_ctx} is beyond "
                "them, take a smaller one"
            )
    return QualityFiles(tuple(own), base[0] if base else None)
