"""Files that only huggingface_hub's own library can put together: hf_xet's, above 50 GB."""

from __future__ import annotations

from collections.abc import Callable

from huggingface_hub import constants, hf_hub_download
from huggingface_hub.errors import FileMetadataError, HfHubHTTPError, LocalEntryNotFoundError
from huggingface_hub.utils import tqdm  # type: ignore[attr-defined]  # documented, not re-exported

from harness.errors import FetchFailed
from harness.models.hub.errors import UNANSWERED, explain
from harness.models.hub.transfer import HubBlob


def fetch_by_library(wanted: HubBlob, report: Callable[[int], None]) -> None:
    """
    The file in the cache as huggingface_hub puts it there: not verified, not resumed.

    Raises:
        FetchFailed: It did not come.
        OSError: It could not be written.
    """

    class Telling(tqdm):
        """Draws nothing, and tells how far it is."""

        def __init__(self, *args: object, **kwargs: object) -> None:
            kwargs.pop("name", None)
            super().__init__(*args, **{**kwargs, "disable": True})  # type: ignore[no-untyped-call]

        def update(self, n: float | None = 1) -> bool | None:
            self.n += n or 0  # which tqdm itself does not count while it is disabled
            report(min(int(self.n), wanted.n_bytes))
            return None

    try:
        hf_hub_download(
            wanted.repo,
            wanted.path,
            revision=wanted.commit,
            endpoint=constants.ENDPOINT,
            library_name="inference-harness",
            tqdm_class=Telling,
        )
    except (HfHubHTTPError, *UNANSWERED) as error:
        raise explain(error, wanted.repo, wanted.commit) from error
    except (LocalEntryNotFoundError, FileMetadataError) as error:
        cause = error.__cause__ if isinstance(error.__cause__, Exception) else error
        raise explain(cause, wanted.repo, wanted.commit) from error
    except ValueError as error:
        raise FetchFailed(
            f"{wanted.path} is too large for the hub to send in one piece, and hf_xet is not "
            "installed; install it: pip install hf_xet"
        ) from error
