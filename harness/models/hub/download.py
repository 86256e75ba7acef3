"""
Several files of the hub at once into its cache: space checked for all of them before the first
byte, each under a lock, each verified.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import filelock
from huggingface_hub import constants, hf_hub_download
from huggingface_hub.errors import FileMetadataError, HfHubHTTPError, LocalEntryNotFoundError
from huggingface_hub.utils import tqdm  # type: ignore[attr-defined]  # documented, not re-exported

from harness.errors import FetchFailed
from harness.files import FetchProgress, OnProgress, Phase, Whole, require_space
from harness.models.digest import hash_file, remember, sha256_of
from harness.models.hub.client import Cancellation, Cancelled, RetryPolicy, session, threads
from harness.models.hub.errors import UNANSWERED, explain, explain_disk
from harness.models.hub.files import HubFile
from harness.models.hub.plan import HubPlan
from harness.models.hub.transfer import HubBlob, fetch_blob

# How soon Ctrl-C is seen while another process is waited for, or the threads of this one.
_LOOK_INTERVAL_S = 0.25
# The hub does not serve larger files in one piece; its own library puts them together.
OWN_LIMIT_BYTES = constants.MAX_HTTP_DOWNLOAD_SIZE


@dataclass(frozen=True)
class _Job:
    plan: HubPlan
    file: HubFile

    @property
    def name(self) -> str:
        return PurePosixPath(self.file.path).name


def download(
    plans: Sequence[HubPlan],
    on_progress: OnProgress,
    *,
    n_jobs: int = 1,
    retries: RetryPolicy | None = None,
) -> None:
    """
    Every file of `plans` here, whole and verified, under its own name.

    Args:
        plans: Their files may be here already; those are verified, once.
        on_progress: Called from the threads that fetch, one at a time.
        n_jobs: How many files at once.
        retries: How long to try.

    Raises:
        FetchFailed: One did not come; those that had come stay, and so do the partial ones.
    """
    jobs = [_Job(plan, file) for plan in plans for file in plan.chosen.files]
    jobs = [job for job in jobs if not job.plan.is_verified(job.file)]
    if jobs:
        session()  # made here: two threads must not both set it up
        _require_room(jobs)
        _run(jobs, _Tally(jobs, on_progress), n_jobs, retries or RetryPolicy())
    for plan in plans:
        try:
            plan.repository.keep_reference(plan.revision, plan.commit)
        except OSError as error:
            raise explain_disk(error, plan.repository.folder / "refs") from error


def _run(jobs: Sequence[_Job], tally: _Tally, n_jobs: int, retries: RetryPolicy) -> None:
    """All jobs done, or the error of the first that failed."""
    cancellation = tally.cancellation
    with threads(min(n_jobs, len(jobs))) as pool:
        futures = [pool.submit(_download, job, tally, cancellation, retries) for job in jobs]
        try:
            # In steps: Windows delivers no Ctrl-C to a thread that waits without end.
            while wait(futures, _LOOK_INTERVAL_S, FIRST_EXCEPTION).not_done:
                if any(_error(future) for future in futures):
                    break
        finally:
            cancellation.cancel()
            for future in futures:
                future.cancel()
    # The others were stopped because of the one that failed by itself.
    for future in futures:
        error = _error(future)
        if error and not isinstance(error, Cancelled):
            raise error


def _error(future: Future[None]) -> BaseException | None:
    return future.exception() if future.done() and not future.cancelled() else None


def _require_room(jobs: Sequence[_Job]) -> None:
    """FetchFailed unless all that is missing has room."""
    missing = {
        (job.plan.repository, job.file.digest): job.file.n_bytes
        - job.plan.n_bytes_partial(job.file)
        for job in jobs
        if not job.plan.is_present(job.file)
    }
    if not missing:
        return
    root = jobs[0].plan.repository.root
    names = ", ".join(sorted({job.plan.repository.repo for job in jobs}))
    try:
        root.mkdir(parents=True, exist_ok=True)
        require_space(root, sum(missing.values()), f"fetching {names}", variable="HF_HOME")
    except OSError as error:
        raise explain_disk(error, root / names) from error


def _download(job: _Job, tally: _Tally, cancellation: Cancellation, retries: RetryPolicy) -> None:
    """One file here, verified and under its name; or waits for the process that brings it."""
    repository, file = job.plan.repository, job.file
    if file.digest is None:  # of a cache without links, and in no catalogue: nothing to hold it to
        return
    cancellation.check()
    present = repository.present(job.plan.commit, file)
    if present and _is_right(present, job, tally):  # needs no lock, in a read-only cache neither
        tally.tell(job, "done", file.n_bytes)
        return
    blob = repository.blob(file.digest)
    try:
        lock = repository.lock(file.digest)
        for path in (lock, blob, repository.pointer(job.plan.commit, file.path)):
            path.parent.mkdir(parents=True, exist_ok=True)
        if file.n_bytes > OWN_LIMIT_BYTES and not job.plan.is_present(file):
            # Before our lock: the library takes the same one itself.
            _download_by_library(_blob(job), lambda n_done: tally.tell(job, "downloading", n_done))
        with _locked(lock, job, tally, cancellation):
            path = _settle(job, tally, cancellation, retries)
        if file.sha256:
            remember(path, file.sha256)
    except OSError as error:
        raise explain_disk(error, blob) from error
    tally.tell(job, "done", file.n_bytes)


def _settle(job: _Job, tally: _Tally, cancellation: Cancellation, retries: RetryPolicy) -> Path:
    """The file under its name, right: as it is, linked to a blob that is here, or fetched."""
    repository, file = job.plan.repository, job.file
    assert file.digest is not None
    present = repository.present(job.plan.commit, file)
    if present and _is_right(present, job, tally):
        return present
    blob = repository.blob(file.digest)
    if not (not present and job.plan.has_blob(file) and _is_right(blob, job, tally)):
        if file.n_bytes > OWN_LIMIT_BYTES:
            blob.unlink(missing_ok=True)
            raise FetchFailed(
                f"{file.path} does not have the sha256 that {repository.repo} states; it was "
                "thrown away: fetch it again"
            )
        fetch_blob(
            _blob(job),
            repository.part(file.digest),
            blob,
            retries=retries,
            cancellation=cancellation,
            report=lambda phase, n_done: tally.tell(job, phase, n_done),
        )
    return repository.link(job.plan.commit, file)


def _download_by_library(wanted: HubBlob, report: Callable[[int], None]) -> None:
    """
    The file in the cache as huggingface_hub puts it there: not verified, not resumed.

    For files above 50 GB, which only its own library (hf_xet) can put together.

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


def _is_right(path: Path, job: _Job, tally: _Tally) -> bool:
    """Whether the bytes at `path` have the digest they must have."""
    digest = job.file.digest
    assert digest is not None

    def report(progress: FetchProgress) -> None:
        tally.tell(job, "verifying", progress.n_bytes_done)

    if digest.kind == "sha256":
        return sha256_of(path, report) == digest.hex
    return hash_file(path, digest.hasher(job.file.n_bytes), report) == digest.hex


def _blob(job: _Job) -> HubBlob:
    assert job.file.digest is not None
    return HubBlob(
        job.plan.repository.repo,
        job.plan.commit,
        job.file.path,
        job.file.n_bytes,
        job.file.digest,
    )


@contextmanager
def _locked(path: Path, job: _Job, tally: _Tally, cancellation: Cancellation) -> Iterator[None]:
    """The right to write the blob; says so when it has to wait for it."""
    # Group-writable like huggingface_hub's own: several people may share one cache.
    lock = filelock.FileLock(path, mode=0o664)
    is_told = False
    while True:
        try:
            lock.acquire(timeout=_LOOK_INTERVAL_S if is_told else 0)
            break
        except filelock.Timeout:
            cancellation.check()
            if not is_told:
                tally.tell(job, "waiting", 0)
            is_told = True
    try:
        yield
    finally:
        lock.release()


class _Tally:
    """How far all jobs are; tells it, for one thread at a time, until they are to end."""

    def __init__(self, jobs: Sequence[_Job], on_progress: OnProgress) -> None:
        self.cancellation = Cancellation()
        self._on_progress = on_progress
        self._lock = threading.Lock()
        self._n_total = sum(job.file.n_bytes for job in jobs)
        self._n_done = {
            job: job.file.n_bytes
            if job.plan.is_present(job.file)
            else job.plan.n_bytes_partial(job.file)
            for job in jobs
        }

    def tell(self, job: _Job, phase: Phase, n_done: int) -> None:
        """Passes on how far `job` is, and how far all are."""
        with self._lock:
            self.cancellation.check()
            if phase in ("downloading", "retrying", "done"):
                self._n_done[job] = n_done
            whole = Whole(len(self._n_done), sum(self._n_done.values()), self._n_total)
            self._on_progress(FetchProgress(job.name, phase, n_done, job.file.n_bytes, whole))
