"""One model's weights on this disk."""

from __future__ import annotations

from harness.files import OnProgress
from harness.models.catalog.catalog import Catalog
from harness.models.download import DEFAULT_DOWNLOAD, DownloadRequest, LocalWeights, download_all


def downloaded(
    reference: str,
    on_progress: OnProgress | None = None,
    catalog: Catalog | None = None,
    request: DownloadRequest = DEFAULT_DOWNLOAD,
) -> LocalWeights:
    """What `reference` names, downloaded if need be."""
    return download_all([reference], on_progress, catalog, request)[0]
