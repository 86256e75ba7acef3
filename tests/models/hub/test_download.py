from __future__ import annotations

import errno
import hashlib
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import filelock
import pytest
from huggingface_hub import constants, hf_hub_download, scan_cache_dir, try_to_load_from_cache
from make.hub_at_hand import HASTY, hub_at_hand
from make.hub_server import Fault, Hub, Repository, random_bytes

from harness.errors import FetchFailed
from harness.files import FetchProgress
from harness.models.catalog.catalog import load_catalog
from harness.models.digest import recalled
from harness.models.hub import download as hub_download
from harness.models.hub.client import Cancellation
from harness.models.hub.download import download
from harness.models.hub.files import parse_reference
from harness.models.hub.listing import ask_hub
from harness.models.hub.plan import HubPlan, cached_plan, request_of

CATALOG = load_catalog()  # reading it takes a tenth of a second
REPO = "owner/model-GGUF"
NAME = "model-Q4_K_M.gguf"
CONTENT = random_bytes(3_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
PARTS = {f"Q8_0/m-Q8_0-0000{n}-of-00003.gguf": random_bytes(400_000, n) for n in (1, 2, 3)}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with hub_at_hand(tmp_path, monkeypatch) as hub:
        hub.repositories[REPO] = Repository({NAME: CONTENT, "README.md": b"hello", **PARTS})
        yield hub


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "hf" / "hub"


def plan(reference: str = f"{REPO}:Q4_K_M", revision: str | None = None) -> HubPlan:
    parsed = parse_reference(reference)
    assert parsed
    return ask_hub(request_of(parsed, revision), lambda _: None, CATALOG, HASTY)


def pull(reference: str = f"{REPO}:Q4_K_M", n_jobs: int = 1) -> list[FetchProgress]:
    seen: list[FetchProgress] = []
    download([plan(reference)], seen.append, n_jobs=n_jobs, retries=HASTY)
    return seen


def blob(cache: Path, sha256: str = SHA256) -> Path:
    return cache / f"models--{REPO.replace('/', '--')}" / "blobs" / sha256


def part(cache: Path) -> Path:
    return blob(cache).with_name(f"{SHA256}.part")


def put_part(cache: Path, content: bytes) -> None:
    part(cache).parent.mkdir(parents=True)
    part(cache).write_bytes(content)


def offsets(hub: Hub) -> list[int | None]:
    return [request.offset for request in hub.bodies()]


# ------------------------------------------------------------------ the layout


def test_what_is_pulled_is_found_by_huggingface_hub(hub: Hub, cache: Path) -> None:
    pull()
    found = try_to_load_from_cache(REPO, NAME)
    assert isinstance(found, str)
    assert Path(found).read_bytes() == CONTENT
    n_requests = len(hub.bodies())
    assert hf_hub_download(REPO, NAME) == found
    assert len(hub.bodies()) == n_requests
    scanned = scan_cache_dir(cache)
    assert scanned.warnings == []
    (repository,) = scanned.repos
    (revision,) = repository.revisions
    assert (repository.repo_id, repository.size_on_disk) == (REPO, len(CONTENT))
    assert revision.refs == {"main"}
    assert [file.blob_path.name for file in revision.files] == [SHA256]
    pointer = Path(found)
    assert os.fspath(pointer.readlink()) == f"../../blobs/{SHA256}"


def test_what_huggingface_hub_downloaded_is_found_without_a_byte(hub: Hub, cache: Path) -> None:
    there = hf_hub_download(REPO, NAME)
    n_bytes = hub.n_body_bytes
    seen = pull()
    assert {progress.phase for progress in seen} == {"verifying", "done"}
    assert hub.n_body_bytes == n_bytes
    assert plan().paths == (Path(there),)


def test_nothing_is_read_twice(hub: Hub) -> None:
    pull()
    assert pull() == []


def test_the_blob_of_another_commit_is_linked_and_not_fetched(hub: Hub, cache: Path) -> None:
    pull()
    n_bytes = hub.n_body_bytes
    hub.repositories[REPO] = Repository({"moved/" + NAME: CONTENT, "README.md": b"new"})
    pull()
    assert hub.n_body_bytes == n_bytes
    assert plan().paths[0].parent.name == "moved"
    assert plan().paths[0].read_bytes() == CONTENT


def test_a_branch_leads_to_the_commit_it_stands_for_now(hub: Hub, cache: Path) -> None:
    first = plan()
    pull()
    newer = random_bytes(1000, 7)
    hub.repositories[REPO] = Repository({NAME: newer})
    pull()
    assert (blob(cache).parents[1] / "refs" / "main").read_text() == plan().commit != first.commit
    assert first.paths[0].read_bytes() == CONTENT
    assert plan().paths[0].read_bytes() == newer


def test_without_links_the_file_itself_lies_under_its_name(
    hub: Hub, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_SYMLINKS", True)
    pull()
    (path,) = plan().paths
    assert not path.is_symlink()
    assert path.read_bytes() == CONTENT
    assert list(blob(cache).parent.iterdir()) == []
    n_bytes = hub.n_body_bytes
    assert pull() == []
    assert hub.n_body_bytes == n_bytes
    assert try_to_load_from_cache(REPO, NAME) == str(path)
    path.write_bytes(b"x" + CONTENT[1:])
    pull()
    assert path.read_bytes() == CONTENT


def test_a_small_file_that_git_keeps_is_verified_too(hub: Hub, cache: Path) -> None:
    content = random_bytes(2000, 3)
    repository = Repository({NAME: content}, small=frozenset({NAME}))
    hub.repositories[REPO] = repository
    pull()
    assert blob(cache, repository.digest(NAME)).read_bytes() == content
    assert pull() != []  # small enough to be read again
    hub.repositories[REPO] = Repository({NAME: random_bytes(2000, 4)}, small=frozenset({NAME}))
    hub.faults = [Fault(replace=content)]
    with pytest.raises(FetchFailed, match="does not have the git-sha1"):
        pull()


# ---------------------------------------------------------------------- parts


def test_parts_come_several_at_once_and_all_of_them(hub: Hub) -> None:
    hub.bytes_per_s = 4e6
    seen = pull(f"{REPO}:q8_0", n_jobs=3)
    paths = plan(f"{REPO}:Q8_0").paths
    assert [path.read_bytes() for path in paths] == list(PARTS.values())
    assert [path.name for path in paths] == [name.split("/")[1] for name in PARTS]
    whole = [progress.whole for progress in seen if progress.whole]
    assert {(each.n_files, each.n_bytes_total) for each in whole} == {(3, 1_200_000)}
    assert whole[-1].n_bytes_done == 1_200_000
    first_done = next(index for index, each in enumerate(seen) if each.phase == "done")
    assert len({progress.name for progress in seen[:first_done]}) > 1


def test_a_split_model_is_known_by_the_digests_of_all_its_parts(hub: Hub) -> None:
    variant = plan(f"{REPO}:Q8_0").variant
    lines = "".join(hashlib.sha256(part).hexdigest() + "\n" for part in PARTS.values())
    assert variant is not None
    assert variant.sha256 == hashlib.sha256(lines.encode()).hexdigest()


def test_what_is_here_of_a_split_model_is_not_fetched_again(hub: Hub) -> None:
    hf_hub_download(REPO, next(iter(PARTS)))
    n_bytes = hub.n_body_bytes
    pull(f"{REPO}:Q8_0")
    assert hub.n_body_bytes - n_bytes == 800_000


def test_space_for_all_is_asked_for_before_the_first_byte(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage("/")._replace(free=64_000_000 + 1_199_999)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(FetchFailed, match=r"fetching owner/model-GGUF needs .*set HF_HOME to"):
        pull(f"{REPO}:Q8_0", n_jobs=3)
    assert hub.bodies() == []


def test_space_is_not_asked_for_what_came_before(
    hub: Hub, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_part(cache, CONTENT[:2_999_000])
    usage = shutil.disk_usage("/")._replace(free=64_000_000 + 1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    pull()
    assert blob(cache).read_bytes() == CONTENT


def test_when_one_part_fails_the_others_keep_what_came(hub: Hub, cache: Path) -> None:
    name = next(iter(PARTS))
    hub.digests[name] = "f" * 64
    with pytest.raises(FetchFailed, match="changed at the hub"):
        pull(f"{REPO}:Q8_0", n_jobs=3)
    del hub.digests[name]
    pull(f"{REPO}:Q8_0")
    assert [path.read_bytes() for path in plan(f"{REPO}:Q8_0").paths] == list(PARTS.values())


# ---------------------------------------------------------------------- faults


def test_a_part_from_before_is_gone_on_with(hub: Hub, cache: Path) -> None:
    put_part(cache, CONTENT[:1_234_567])
    seen = pull()
    assert blob(cache).read_bytes() == CONTENT
    assert not part(cache).exists()
    assert offsets(hub) == [1_234_567]
    assert seen[-1].whole is not None
    assert seen[-1].whole.n_bytes_done == len(CONTENT)


def test_a_part_that_is_all_there_is_only_checked(hub: Hub, cache: Path) -> None:
    put_part(cache, CONTENT)
    pull()
    assert blob(cache).read_bytes() == CONTENT
    assert offsets(hub) == []


def test_a_part_that_is_too_long_starts_anew(hub: Hub, cache: Path) -> None:
    put_part(cache, CONTENT + b"x")
    pull()
    assert blob(cache).read_bytes() == CONTENT
    assert offsets(hub) == [None]


def test_a_part_damaged_by_a_power_cut_starts_anew(hub: Hub, cache: Path) -> None:
    put_part(cache, CONTENT[:1_000_000] + bytes(1_000_000))
    pull()
    assert blob(cache).read_bytes() == CONTENT
    assert offsets(hub) == [2_000_000, None]


def test_dropped_connections_go_on_where_they_broke(hub: Hub, cache: Path) -> None:
    hub.faults = [Fault(drop_after=500_000), Fault(drop_after=700_000), Fault(drop_after=10)]
    seen = pull()
    assert blob(cache).read_bytes() == CONTENT
    assert offsets(hub) == [None, 500_000, 1_200_000, 1_200_010]
    assert "retrying" in {progress.phase for progress in seen}


def test_a_stalled_connection_is_given_up_and_gone_on_with(hub: Hub, cache: Path) -> None:
    hub.faults = [Fault(stall_after=600_000)]
    pull()
    assert blob(cache).read_bytes() == CONTENT
    assert offsets(hub) == [None, 600_000]


def test_a_short_body_is_gone_on_with(hub: Hub, cache: Path) -> None:
    hub.faults = [Fault(drop_after=100_000), Fault(short_by=1_000_000)]
    pull()
    assert blob(cache).read_bytes() == CONTENT
    assert offsets(hub) == [None, 100_000, 2_000_000]


def test_a_whole_body_of_the_wrong_length_is_not_taken(hub: Hub, cache: Path) -> None:
    hub.faults = [Fault(short_by=1, times=99)]
    with pytest.raises(FetchFailed, match=r"2999999 bytes instead of 3000000"):
        pull()
    hub.faults = [Fault(extra=b"more", times=99)]
    with pytest.raises(FetchFailed, match="3000004 bytes instead of 3000000"):
        pull()
    assert not blob(cache).exists()


def test_a_server_that_sends_all_when_asked_for_the_rest_is_believed(hub: Hub, cache: Path) -> None:
    put_part(cache, CONTENT[:1_000_000])
    hub.faults = [Fault(ignores_range=True)]
    pull()
    assert blob(cache).read_bytes() == CONTENT
    assert offsets(hub) == [1_000_000]


def test_a_server_that_never_resumes_and_always_breaks_is_given_up(hub: Hub, cache: Path) -> None:
    hub.faults = [Fault(drop_after=1_000_000, ignores_range=True, times=99)]
    with pytest.raises(FetchFailed, match=r"broke off at 1\.00 MB of 3\.00 MB, 6 times in a row"):
        pull()
    assert part(cache).stat().st_size == 1_000_000
    assert not blob(cache).exists()


@pytest.mark.parametrize("status", [429, 503, 500, 408])
def test_a_busy_hub_is_asked_again(hub: Hub, cache: Path, status: int) -> None:
    hub.faults = [Fault(status=status, times=3)]
    hub.api_faults = [Fault(status=status), Fault(status=status, headers={"Retry-After": "0"})]
    pull()
    assert blob(cache).read_bytes() == CONTENT


def test_a_busy_hub_is_given_the_time_it_asks_for(
    hub: Hub, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(Cancellation, "wait", lambda self, seconds: waits.append(seconds))
    hub.faults = [Fault(status=429, headers={"Retry-After": "17"}), Fault(status=503)]
    pull()
    assert waits == [17, HASTY.longest_wait_s]


def test_a_hub_that_asks_for_an_hour_is_left_alone(hub: Hub, cache: Path) -> None:
    put_part(cache, CONTENT[:1000])
    hub.faults = [Fault(status=429, headers={"Retry-After": "3600"})]
    with pytest.raises(FetchFailed, match="asks to wait 1h00m; run the same again then"):
        pull()
    assert part(cache).stat().st_size == 1000


def test_a_signed_address_that_ran_out_is_asked_for_again(hub: Hub, cache: Path) -> None:
    hub.faults = [Fault(drop_after=1000), Fault(status=403)]
    pull()
    assert blob(cache).read_bytes() == CONTENT
    assert offsets(hub) == [None, 1000, 1000]


def test_a_range_that_cannot_be_served_starts_anew(hub: Hub, cache: Path) -> None:
    put_part(cache, CONTENT[:1000])
    hub.faults = [Fault(status=416)]
    pull()
    assert blob(cache).read_bytes() == CONTENT
    assert offsets(hub) == [1000, None]


def test_other_bytes_of_the_same_length_never_get_the_name(hub: Hub, cache: Path) -> None:
    wrong = CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])
    hub.faults = [Fault(replace=wrong)]
    with pytest.raises(FetchFailed, match=r"does not have the sha256 .* thrown away: try again"):
        pull()
    assert not blob(cache).exists()
    assert not part(cache).exists()
    assert plan().repository.present(plan().commit, plan().chosen.files[0]) is None
    pull()
    assert blob(cache).read_bytes() == CONTENT


def test_a_file_changed_under_way_is_not_pieced_together(hub: Hub, cache: Path) -> None:
    other = random_bytes(len(CONTENT), 9)
    hub.faults = [Fault(drop_after=1_000_000, headers={"ETag": '"before"'})]
    pull()
    # The second answer is of another state than the first: whole instead of the rest.
    assert offsets(hub) == [None, 1_000_000]
    assert [request.headers.get("if-range") for request in hub.bodies()] == [None, '"before"']
    assert blob(cache).read_bytes() == CONTENT != other


def test_a_newer_file_is_not_appended_to_an_older_part(hub: Hub, cache: Path) -> None:
    put_part(cache, CONTENT[:1_000_000])
    newer = random_bytes(len(CONTENT), 9)
    hub.repositories[REPO] = Repository({NAME: newer})
    pull()
    assert offsets(hub) == [None]
    assert plan().paths[0].read_bytes() == newer
    assert part(cache).stat().st_size == 1_000_000


def test_a_file_that_changed_since_it_was_listed_is_said(hub: Hub, cache: Path) -> None:
    hub.digests[NAME] = "a" * 64
    with pytest.raises(FetchFailed, match="changed at the hub while it was fetched"):
        pull()


def test_a_cached_file_that_was_damaged_is_replaced(hub: Hub, cache: Path) -> None:
    pull()
    damaged = bytearray(CONTENT)
    damaged[1_500_000] ^= 1
    blob(cache).write_bytes(damaged)
    pull()
    assert blob(cache).read_bytes() == CONTENT
    assert recalled(plan().paths[0]) == SHA256


def test_a_full_disk_keeps_what_came(
    hub: Hub, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fill_disk_at(1_000_000, monkeypatch)
    with pytest.raises(FetchFailed, match=r"disk of .* is full; what came is kept: make room"):
        pull()
    assert part(cache).read_bytes() == CONTENT[:1_000_000]
    monkeypatch.undo()


def _fill_disk_at(n_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files opened for a transfer take so many bytes, the last of them in part."""
    open_file = os.fdopen

    class Full:
        def __init__(self, file: Any) -> None:
            self._file = file

        def __getattr__(self, name: str) -> Any:
            return getattr(self._file, name)

        def write(self, piece: memoryview) -> int:
            room = n_bytes - self._file.tell()
            if room <= 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return int(self._file.write(piece[:room]))

    monkeypatch.setattr(os, "fdopen", lambda *args, **kwargs: Full(open_file(*args, **kwargs)))


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root writes anywhere")
def test_a_read_only_cache_is_named(hub: Hub, cache: Path) -> None:
    cache.mkdir(parents=True)
    cache.chmod(0o555)
    with pytest.raises(FetchFailed, match=r"cannot be written .*set HF_HOME"):
        pull()


def test_a_cache_that_cannot_be_made_is_named(hub: Hub, cache: Path) -> None:
    cache.parent.mkdir()
    cache.write_text("a file where the folder should be")
    with pytest.raises(FetchFailed, match=r"cannot be written \(.*set HF_HOME"):
        pull()


def test_what_is_verified_needs_nothing_written(
    hub: Hub, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pull()

    def refuse(self: Path, *args: object, **kwargs: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    shutil.rmtree(cache.parents[1] / "own")
    monkeypatch.setattr(Path, "mkdir", refuse)
    assert {progress.phase for progress in pull()} == {"verifying", "done"}


def test_a_second_pull_waits_for_the_first(hub: Hub, cache: Path) -> None:
    path = cache / ".locks" / blob(cache).parents[1].name / f"{SHA256}.lock"
    path.parent.mkdir(parents=True)
    other = filelock.FileLock(path, thread_local=False)  # released by the thread that waits
    other.acquire()
    seen: list[str] = []

    def on_progress(progress: FetchProgress) -> None:
        seen.append(progress.phase)
        if progress.phase == "waiting":
            # The first ends: its file is there, under its name.
            hub.bytes_per_s = None
            blob(cache).write_bytes(CONTENT)
            other.release()

    download([plan()], on_progress, retries=HASTY)
    assert seen[0] == "waiting"
    assert "downloading" not in seen
    assert hub.bodies() == []


# ---------------------------------------------------------- larger than 50 GB


def test_the_largest_files_come_by_huggingface_hub_and_are_verified(
    hub: Hub, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_download, "OWN_LIMIT_BYTES", 1_000_000)
    seen = pull()
    assert blob(cache).read_bytes() == CONTENT
    assert {progress.phase for progress in seen} >= {"downloading", "verifying", "done"}
    assert recalled(plan().paths[0]) == SHA256


def test_what_huggingface_hub_brings_wrong_does_not_stay(
    hub: Hub, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_download, "OWN_LIMIT_BYTES", 1_000_000)
    hub.faults = [Fault(replace=CONTENT[:-1] + b"?")]
    with pytest.raises(FetchFailed, match="does not have the sha256"):
        pull()
    assert not blob(cache).exists()


# ------------------------------------------------------- what is not to be believed


def test_a_link_in_the_cache_that_leads_out_of_it_is_refused(
    hub: Hub, cache: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    folder = blob(cache).parents[1]
    for link in (folder, folder / "blobs", folder / "snapshots", blob(cache), part(cache)):
        shutil.rmtree(cache, ignore_errors=True)
        link.parent.mkdir(parents=True)
        link.symlink_to(outside / ("" if "blobs" not in link.parts[:-1] else "file"))
        with pytest.raises(FetchFailed, match=r"leads out of the cache, to .*outside"):
            pull()
        assert list(outside.iterdir()) == []


def test_a_link_to_a_file_elsewhere_is_no_cached_model(
    hub: Hub, cache: Path, tmp_path: Path
) -> None:
    pull()
    pointer = plan().paths[0]
    secret = tmp_path / "secret.gguf"
    secret.write_bytes(CONTENT)
    pointer.unlink()
    pointer.symlink_to(secret)
    reference = parse_reference(f"{REPO}:Q4_K_M")
    assert reference
    with pytest.raises(FetchFailed, match="leads out of the cache"):
        cached_plan(request_of(reference))


def test_a_cache_that_is_itself_a_link_is_the_users_choice(
    hub: Hub, cache: Path, tmp_path: Path
) -> None:
    disk = tmp_path / "larger-disk"
    disk.mkdir()
    cache.parent.mkdir()
    cache.symlink_to(disk)
    pull()
    assert blob(cache).read_bytes() == CONTENT
    assert blob(disk).is_file()
