"""Models named on the command line, brought here and described."""

from __future__ import annotations

from collections.abc import Sequence

from harness.commands.fetching import Fetching
from harness.errors import UsageError
from harness.models.catalog import Catalog
from harness.models.digest import sha256_of_parts
from harness.models.fetch import LocalModel, ensure
from harness.models.model_file import describe
from harness.models.shards import shard_paths
from harness.schema import ModelFile


def local_models(
    names: Sequence[str], catalog: Catalog, fetching: Fetching
) -> dict[str, LocalModel]:
    """
    Model key to the model on this disk, fetched if need be, in the order of `names`.

    Raises:
        UsageError: Two different files have the same key.
        HarnessError: One cannot be found or fetched.
    """
    found: dict[str, LocalModel] = {}
    for name in names:
        local = ensure(name, fetching.report, catalog)
        if local.key in found and found[local.key].path != local.path:
            raise UsageError(
                f"Two files are both called {local.key}: {found[local.key].path} and "
                f"{local.path}. Rename one of them."
            )
        found[local.key] = local
    fetching.done()
    return found


def model_file(local: LocalModel, fetching: Fetching) -> ModelFile:
    """
    What the header of `local` says, and its sha256.

    Raises:
        ModelInvalid: It is no GGUF that can be trusted.
    """
    quantization = local.variant.quantization if local.variant else None
    # The header first: a damaged file should not be hashed for a minute before it is refused.
    file = describe(local.path, local.key, quantization)
    sha256 = local.variant.sha256 if local.variant else None
    sha256 = sha256 or sha256_of_parts(shard_paths(local.path), fetching.report)
    fetching.done()
    return file.model_copy(update={"sha256": sha256})
