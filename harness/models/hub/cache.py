"""
The Hugging Face cache: where a repository's files lie in it, and what lies there already.

    models--owner--repo/blobs/<digest>                the bytes
    models--owner--repo/snapshots/<commit>/<path>     a relative link to the blob, or a copy
    models--owner--repo/refs/<revision>               the commit a branch or tag stood for

Other programs read and write it too, and it may hold anything: every path is resolved before it
is used, and refused when it leads out of the cache.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import constants

from harness import scratch
from harness.bounded import read_bounded
from harness.errors import FetchFailed
from harness.models.hub.files import (
    Digest,
    HubFile,
    Listing,
    digest_from_name,
    is_safe,
    require_safe,
)

_COMMIT_CHARACTERS = 40
PART_ENDING = ".part"


def cache_root() -> Path:
    """The cache's folder, by huggingface_hub's rules (HF_HUB_CACHE, HF_HOME)."""
    return Path(constants.HF_HUB_CACHE).absolute()


@dataclass(frozen=True)
class CachedRepository:
    """One repository's place in the cache, whether there is something or not."""

    repo: str
    root: Path

    @property
    def folder(self) -> Path:
        """All of it."""
        return self.root / f"models--{self.repo.replace('/', '--')}"

    def blob(self, digest: Digest) -> Path:
        """Where the bytes of that digest lie, or are to lie."""
        return self.checked(self.folder / "blobs" / digest.hex)

    def part(self, digest: Digest) -> Path:
        """Where they grow; it is resumed by whoever comes next."""
        blob = self.folder / "blobs" / digest.hex
        return self.checked(blob.with_name(blob.name + PART_ENDING))

    def lock(self, digest: Digest) -> Path:
        """huggingface_hub's own lock of the blob, so that its downloads wait for ours too."""
        return self.checked(self.root / ".locks" / self.folder.name / f"{digest.hex}.lock")

    def snapshot(self, commit: str) -> Path:
        """The folder of the files at `commit`."""
        return self.folder / "snapshots" / require_safe(commit, self.repo)

    def pointer(self, commit: str, path: str) -> Path:
        """Where the file is found under its own name."""
        return self.checked(self.snapshot(commit) / require_safe(path, self.repo))

    def commit_of(self, revision: str) -> str | None:
        """The commit a branch, tag or commit stood for when it was last fetched."""
        if not is_safe(revision):
            return None
        try:
            reference = self.checked(self.folder / "refs" / revision)
            commit = read_bounded(reference, _COMMIT_CHARACTERS * 2).decode("ascii").strip()
        except (OSError, ValueError):
            commit = revision
        found = digest_from_name(commit)
        return commit if found and found.kind == "git-sha1" else None

    def listing(self, revision: str) -> Listing | None:
        """The GGUF files of `revision` that are here; None if there are none."""
        commit = self.commit_of(revision)
        if commit is None:
            return None
        files = tuple(self._files(commit))
        return Listing(self.repo, revision, commit, files) if files else None

    def present(self, commit: str, file: HubFile) -> Path | None:
        """The file under its own name, if it is here with the right size; it may be damaged."""
        pointer = self.pointer(commit, file.path)
        try:
            return pointer if pointer.stat().st_size == file.n_bytes else None
        except OSError:
            return None

    def link(self, commit: str, file: HubFile) -> Path:
        """
        The file under its own name, made to lead to its blob, which must exist.

        The caller holds the lock of its digest. Where links are not to be had (Windows without
        developer mode) the blob itself is moved there, as huggingface_hub does.

        Raises:
            OSError: The cache cannot be written.
        """
        assert file.digest is not None
        blob, pointer = self.blob(file.digest), self.pointer(commit, file.path)
        pointer.parent.mkdir(parents=True, exist_ok=True)
        if pointer.exists() and pointer.samefile(blob):
            return pointer
        # Beside its place first: between removing an old link and making a new one a kill would
        # lose the old one too.
        # Whoever writes it holds the digest's lock: what is there was left by a kill.
        new = pointer.with_name(f".{file.digest.hex}.link")
        new.unlink(missing_ok=True)
        try:
            if constants.HF_HUB_DISABLE_SYMLINKS:
                raise OSError
            new.symlink_to(os.path.relpath(blob, pointer.parent))
            new.replace(pointer)
        except OSError:
            new.unlink(missing_ok=True)
            shutil.move(blob, pointer)
        return pointer

    def keep_reference(self, revision: str, commit: str) -> None:
        """
        Remember that `revision` stood for `commit`.

        Raises:
            OSError: The cache cannot be written.
        """
        if revision == commit or self.commit_of(revision) == commit:
            return
        reference = self.checked(self.folder / "refs" / require_safe(revision, self.repo))
        reference.parent.mkdir(parents=True, exist_ok=True)
        # Not beside it: the scan of huggingface_hub takes every file there for a reference.
        with scratch.own_file("reference", self.root) as new:
            new.write_text(commit, encoding="ascii")
            scratch.publish(new, reference)

    def checked(self, path: Path) -> Path:
        """
        `path`, if it is inside the cache once all links are followed.

        Raises:
            FetchFailed: It leads elsewhere.
        """
        # The cache itself may be a link to another disk; what it holds may not lead out of it.
        real = Path(os.path.realpath(path))
        if not real.is_relative_to(os.path.realpath(self.root)):
            raise FetchFailed(
                f"{path} leads out of the cache, to {real}; remove that link, or set HF_HUB_CACHE "
                "to the folder that is meant"
            )
        return path

    def _files(self, commit: str) -> Iterator[HubFile]:
        """The GGUF files below the snapshot of `commit` whose bytes are here."""
        snapshot = self.snapshot(commit)
        for directory, _, names in os.walk(self.checked(snapshot)):
            for name in sorted(names):
                if not name.lower().endswith(".gguf"):
                    continue
                pointer = self.checked(Path(directory, name))
                path = pointer.relative_to(snapshot).as_posix()
                # A link whose blob is gone is not here.
                with suppress(OSError):
                    n_bytes = pointer.stat().st_size
                    digest = self._digest_of(pointer)
                    if is_safe(path):
                        yield HubFile(path, n_bytes, digest)

    def _digest_of(self, pointer: Path) -> Digest | None:
        """The name of the blob the pointer leads to; None where it is a file itself."""
        if not pointer.is_symlink():
            return None
        # The first step only: a blob may itself be a link, into a store shared by repositories.
        return digest_from_name(pointer.readlink().name)
