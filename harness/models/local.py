"""Models named on the command line, brought here and described."""

from __future__ import annotations

from collections.abc import Sequence

from harness.errors import UsageError
from harness.files import OnProgress
from harness.models.catalog.catalog import Catalog
from harness.models.digest import sha256_of_parts
from harness.models.fetch import LocalModel, ensure
from harness.models.gguf.model_file import describe
from harness.models.gguf.shards import shard_paths
from harness.schema.experiment import ModelFile


def local_models(
    names: Sequence[str], catalog: Catalog, on_progress: OnProgress
) -> dict[str, LocalModel]:
    """
    Model key to the model on this disk, fetched if need be, in the order of `names`.

    Raises:
        UsageError: Two different files have the same key.
        HarnessError: One cannot be found or fetched.
    """
    found: dict[str, LocalModel] = {}
    for name in names:
        local = ensure(name, on_progress, catalog)
        if local.key in found and found[local.key].path != local.path:
            raise UsageError(
                f"Two files are both called {local.key}: {found[local.key].path} and "
                f"{local.path}. Rename one of them."
            )
        found[local.key] = local
    return found


def model_file(local: LocalModel, on_progress: OnProgress) -> ModelFile:
    """
    What the header of `local` says, and its sha256.

    Raises:
        ModelInvalid: It is no GGUF that can be trusted.
    """
    quantization = local.variant.quantization if local.variant else None
    # The header first: a damaged file should not be hashed for a minute before it is refused.
    file = describe(local.path, local.key, quantization)
    sha256 = local.variant.sha256 if local.variant else None
    sha256 = sha256 or sha256_of_parts(shard_paths(local.path), on_progress)
    return file.model_copy(update={"sha256": sha256})
